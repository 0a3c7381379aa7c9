import assert from "node:assert/strict";
import fc from "fast-check";
import { parseEnvelope } from "../../http/envelope.ts";
import { HttpError } from "../../http/errors.ts";
import type { Format } from "../../http/media_types.ts";
import { envelopes } from "../../http/schemas.ts";
import type { ProducerRecord } from "../../kafka/record.ts";

const unit = { permissions: "none" } as const;
const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string, format: Format = "json") => parseEnvelope(bytes(text), format);
const shown = (data: string | Uint8Array | null | undefined) =>
  data instanceof Uint8Array ? new TextDecoder().decode(data) : data;
const value = (json: string, format: Format = "json") =>
  shown(parse(`{"records":[{"value":${json}}]}`, format)[0].value);

function refusal(text: string, format: Format = "json"): [number, string] {
  try {
    parse(text, format);
  } catch (error) {
    assert.ok(error instanceof HttpError, String(error));
    return [error.status, error.message];
  }
  assert.fail(`taken: ${text}`);
}

Deno.test("a JSON value is stored as its text, compact, every number as it was sent", unit, () => {
  for (
    const number of ["9007199254740993", "1.0", "1e400", "-0", "0.1000", "123456789012345678901234567890.5E-7", "0"]
  ) {
    assert.equal(value(number), number);
    assert.equal(value(`{ "n" : [ ${number} ] }`), `{"n":[${number}]}`);
  }
  assert.equal(value('"中\\u6587 \\n"'), '"中文 \\n"');
  assert.equal(value('"\\ud83d"'), '"\\ud83d"');
  assert.equal(value('{"__proto__":{"a":1},"constructor":2}'), '{"__proto__":{"a":1},"constructor":2}');
  assert.equal(value('{"a":1,"a":2}'), '{"a":1,"a":2}');
});

Deno.test("null is a tombstone in every format; 0, false and the empty text are values", unit, () => {
  for (const format of ["json", "binary", "text"] as const) {
    assert.equal(value("null", format), null);
    assert.equal(value(" null ", format), null);
  }
  assert.equal(value("0"), "0");
  assert.equal(value("false"), "false");
  assert.equal(value('""'), '""');
  assert.equal(value('""', "text"), "");
  assert.equal(value('""', "binary"), "");
  const [withoutKey, nullKey, emptyKey] = parse(
    '{"records":[{"value":"a"},{"key":null,"value":"a"},{"key":"","value":"a"}]}',
    "text",
  );
  assert.equal(withoutKey.key, undefined);
  assert.equal(nullKey.key, null);
  assert.equal(shown(emptyKey.key), "");
  assert.equal(parse('{"records":[{"key":"a"}]}')[0].value, null);
});

Deno.test("text is stored as UTF-8, binary as what base64 stands for", unit, () => {
  assert.equal(value('"中\\u6587\\n"', "text"), "中文\n");
  assert.equal(value('"\\ud83d\\ude00"', "text"), "😀");
  assert.deepEqual(parse('{"records":[{"key":"AP8=","value":"gA=="}]}', "binary")[0].key, new Uint8Array([0, 255]));
  assert.deepEqual(parse('{"records":[{"value":"Zm9\\u0076"}]}', "binary")[0].value, bytes("foo"));
});

Deno.test("partition, timestamp and headers come along; null is as if they were not there", unit, () => {
  const [full, empty] = parse(
    '{"key_schema":null,"records":[{"value":1,"partition":3,"timestamp":17e2,"headers":[{"key":"a\\r\\n","value":"Zg=="},' +
      '{"value":null,"key":"a"}]},{"value":1,"partition":null,"timestamp":null,"headers":null}],"value_schema_id":7}',
  );
  assert.equal(full.partition, 3);
  assert.equal(full.timestamp, 1700);
  assert.deepEqual(full.headers, [["a\r\n", bytes("f")], ["a", null]]);
  assert.deepEqual([empty.partition, empty.timestamp, empty.headers], [undefined, undefined, undefined]);
});

const WRONG: [status: number, body: string, message: RegExp, format?: Format][] = [
  [400, "", /not JSON: the end/],
  [400, "\ufeff{}", /not JSON: .* at byte 0/],
  [400, '{"records":[{"value":1}]} x', /expected the end/],
  [400, '{"records":[{"value":NaN}]}', /expected a value/],
  [400, '{"records":[{"value":1,"valur":2}', /not JSON: the end/], // broken, which is worse than an unknown field
  [400, "[]", /The body is \[\]; expected an object/],
  [400, '"records"', /expected an object/],
  [400, '{"records":{}}', /records is \{\}; expected an array/],
  [400, '{"records":null}', /records is null; expected an array/],
  [400, '{"records":[1]}', /records\[0\] is 1; expected an object/],
  [400, '{"records":[{"value":"a"},null]}', /records\[1\] is null; expected an object/],
  [400, '{"records":[{"value":"not base64"}]}', /records\[0\]\.value is "not base64"; expected base64/, "binary"],
  [400, '{"records":[{"value":"YQ"}]}', /base64 with its padding/, "binary"],
  [400, '{"records":[{"value":1,"headers":[{"key":"a","value":"!"}]}]}', /headers\[0\]\.value is "!"/],
  [422, "{}", /has no "records"/],
  [422, '{"records":[]}', /records is empty/],
  [422, '{"records":[{"value":1}],"recods":1}', /unknown field "recods"/],
  [422, '{"records":[{"value":1}],"records":[]}', /"records" twice/],
  [422, '{"records":[{"valur":1}]}', /unknown field "valur"/],
  [422, '{"records":[{"value":1,"value":2}]}', /"value" twice/],
  [422, '{"records":[{"value":1,"__proto__":2}]}', /unknown field "__proto__"/],
  [422, '{"records":[{}]}', /neither key nor value/],
  [422, '{"records":[{"value":1}]}', /value is 1; expected a string, or null/, "text"],
  [422, '{"records":[{"value":{"a":1}}]}', /value is \{"a":1\}; expected base64/, "binary"],
  [422, '{"records":[{"value":"\\ud83d"}]}', /half a surrogate pair/, "text"],
  [422, '{"records":[{"value":1,"partition":"1"}]}', /partition is "1"; expected a whole number/],
  [422, '{"records":[{"value":1,"partition":1.5}]}', /partition is 1.5/],
  [422, '{"records":[{"value":1,"partition":1e400}]}', /partition is 1e400/],
  [422, '{"records":[{"value":1,"timestamp":-1}]}', /timestamp is -1/],
  [422, '{"records":[{"value":1,"timestamp":"now"}]}', /timestamp is "now"/],
  [422, '{"records":[{"value":1,"timestamp":9007199254740993}]}', /timestamp is 9007199254740993/],
  [422, '{"records":[{"value":1,"headers":{"a":"b"}}]}', /headers is \{"a":"b"\}; expected an array/],
  [422, '{"records":[{"value":1,"headers":["a"]}]}', /headers\[0\] is "a"/],
  [422, '{"records":[{"value":1,"headers":[{"key":"a"}]}]}', /headers\[0\] is not complete/],
  [422, '{"records":[{"value":1,"headers":[{"key":null,"value":null}]}]}', /not complete/],
  [422, '{"records":[{"value":1,"headers":[{"key":"a","value":null,"x":1}]}]}', /field "x" too many/],
];

Deno.test("what is wrong is refused with the status of its kind, the value and what was expected", unit, () => {
  for (const [status, body, message, format] of WRONG) {
    const [actual, text] = refusal(body, format);
    assert.equal(actual, status, `${body}: ${text}`);
    assert.match(text, message);
  }
});

Deno.test("an error shows no more than the beginning of a long value", unit, () => {
  const [, message] = refusal(`{"records":[{"value":1,"partition":"${"x".repeat(100_000)}"}]}`);
  assert.ok(message.length < 200);
});

Deno.test("a body is taken exactly if the schema that documents it takes it", unit, () => {
  const odd = fc.oneof(fc.jsonValue(), fc.constantFrom(null, 0, -1, 1.5, "", "YQ==", "YQ", 2 ** 53, [], {}));
  const almost = <T>(good: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 9, arbitrary: good as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: odd });
  const data = almost(fc.constantFrom("", "YWI=", "text", null));
  const header = almost(
    fc.record({ key: almost(fc.string()), value: almost(fc.constantFrom("YQ==", null)) }, { requiredKeys: [] }),
  );
  const record = fc.record({
    key: data,
    value: data,
    partition: almost(fc.integer()),
    timestamp: almost(fc.nat()),
    headers: almost(fc.array(header, { maxLength: 2 })),
    more: odd,
  }, { requiredKeys: ["value"], noNullPrototype: true }).map(({ more, ...rest }) =>
    more === 0 ? { ...rest, more } : rest
  );
  const body = almost(fc.record({ records: almost(fc.array(almost(record), { maxLength: 3 })), value_schema_id: odd }, {
    requiredKeys: ["records"],
  }));
  const taken = { yes: 0, no: 0 };
  fc.assert(
    fc.property(body, fc.constantFrom<Format>("json", "binary", "text"), fc.nat(2), (body, format, indent) => {
      const text = JSON.stringify(body, undefined, indent);
      let records: ProducerRecord[] | undefined;
      try {
        records = parse(text, format);
      } catch (error) {
        assert.ok(error instanceof HttpError, String(error));
      }
      assert.equal(records !== undefined, envelopes[format].safeParse(JSON.parse(text)).success, text);
      taken[records ? "yes" : "no"]++;
    }),
    { numRuns: 3_000 },
  );
  assert.ok(taken.yes > 300 && taken.no > 300, JSON.stringify(taken));
});

Deno.test("any bytes at all end in records or in an HttpError", unit, () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom<Format>("json", "binary", "text"),
      (bytes, format) => {
        try {
          parseEnvelope(bytes, format);
        } catch (error) {
          assert.ok(error instanceof HttpError);
        }
      },
    ),
  );
});

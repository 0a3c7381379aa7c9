import assert from "node:assert/strict";
import fc from "fast-check";
import { compactJson, JsonScanner, MAX_DEPTH } from "../../http/json_scanner.ts";

const unit = { permissions: "none" } as const;
const bytes = (text: string) => new TextEncoder().encode(text);

function accepts(text: string): boolean {
  try {
    new JsonScanner(bytes(text)).whole();
    return true;
  } catch (error) {
    assert.ok(error instanceof SyntaxError);
    return false;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON with all the liberties that a writer has: white space, escapes, any spelling of numbers. */
const number = fc.stringMatching(/^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?$/);
const space = fc.stringMatching(/^[ \t\r\n]{0,2}$/);
const text = fc.string({ unit: "binary" }).chain((s) =>
  fc.constantFrom(JSON.stringify(s), `"${[...s].map((c) => c.length > 1 ? c : escaped(c)).join("")}"`)
);
const escaped = (character: string) => "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
const { json } = fc.letrec<{ json: string; tight: string }>((tie) => ({
  json: fc.tuple(space, tie("tight"), space).map((parts) => parts.join("")),
  tight: fc.oneof(
    { maxDepth: 4 },
    number,
    text,
    fc.constantFrom("null", "true", "false"),
    fc.array(tie("json"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc.array(fc.tuple(space, text, space, tie("json")), { maxLength: 4 })
      .map((members) => `{${members.map(([a, name, b, value]) => `${a}${name}${b}:${value}`).join(",")}}`),
  ),
}));

Deno.test("whatever JSON.parse takes is taken, in any spelling", unit, () => {
  fc.assert(fc.property(json, (text) => {
    assert.ok(isJson(text));
    assert.ok(accepts(text));
  }));
});

Deno.test("a text with one character changed is taken exactly if JSON.parse takes it", unit, () => {
  const character = fc.constantFrom(...'{}[]",:\\/-+.0123456789eEtrufalsn \n\t\0\x1f\u00a0\ufeff中');
  fc.assert(
    fc.property(json, fc.nat(), fc.nat(2), character, (text, at, cut, inserted) => {
      const mutant = text.slice(0, at % (text.length + 1)) + inserted + text.slice(at % (text.length + 1) + cut);
      if (mutant.isWellFormed()) assert.equal(accepts(mutant), isJson(mutant), JSON.stringify(mutant));
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("compacting keeps the meaning, and every number as it was spelled", unit, () => {
  const numbers = (text: string) => text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, "").match(/-?\d[\d.eE+-]*/g);
  fc.assert(fc.property(json, (text) => {
    const compact = compactJson(bytes(text));
    assert.deepEqual(JSON.parse(compact), JSON.parse(text));
    assert.deepEqual(numbers(compact), numbers(text));
    assert.ok(compact.length <= text.length);
  }));
});

Deno.test("compacting is what JSON.stringify does where that is exact", unit, () => {
  fc.assert(fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
    const spaced = JSON.stringify(value, undefined, 3);
    assert.equal(compactJson(bytes(spaced)), JSON.stringify(value));
  }));
});

Deno.test("a scanner says whether what it skipped could be written shorter", unit, () => {
  const cases: [string, boolean][] = [['{"a":[1,"b"]}', false], ['{"a": 1}', true], ['"\\u4e2d"', true], [
    '"中"',
    false,
  ]];
  for (const [text, expected] of cases) {
    const scanner = new JsonScanner(bytes(text));
    scanner.whole();
    assert.equal(scanner.loose, expected, text);
  }
});

Deno.test("depth is limited, without a limit on length", unit, () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assert.ok(accepts(nested(MAX_DEPTH)));
  assert.ok(!accepts(nested(MAX_DEPTH + 1)));
  assert.ok(!accepts("[".repeat(1_000_000)));
  assert.ok(accepts(`[${"[],".repeat(300_000)}1]`));
});

Deno.test("a refusal says where, what was found and what was expected", unit, () => {
  const message = (text: string) => {
    try {
      new JsonScanner(bytes(text)).whole();
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(message('{"a":1'), 'not JSON: the end at byte 6; expected "," or "}"');
  assert.equal(message("[1,]"), 'not JSON: "]" at byte 3; expected a value');
  assert.equal(message('"\t"'), 'not JSON: "\\t\\"" at byte 1; expected a control character to be escaped');
  assert.equal(message("1 2"), 'not JSON: "2" at byte 2; expected the end of the text');
  assert.equal(message("-"), "not JSON: the end at byte 1; expected a digit");
});

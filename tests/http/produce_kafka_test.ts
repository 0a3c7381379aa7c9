import assert from "node:assert/strict";
import { readTopic } from "../support/reader.ts";
import { answer, refused, startApp } from "./app_test_util.ts";

const BINARY = { "content-type": "application/vnd.kafka.binary.v2+json" };
const TEXT = { "content-type": "application/vnd.kafka.text.v2+json" };

Deno.test("records of every format are in Kafka at the partition and offset of the answer", async () => {
  await using t = await startApp({ partitions: 3 });
  const bodies: [Record<string, string>, unknown, string | null, string | null][] = [
    [
      {},
      '{"records":[{"key":{"id": 1},"value":[9007199254740993, 1.0, 1e400]}]}',
      '{"id":1}',
      "[9007199254740993,1.0,1e400]",
    ],
    [TEXT, { records: [{ key: "k", value: "中文" }] }, "k", "中文"],
    [BINARY, { records: [{ key: "", value: btoa("bytes") }] }, "", "bytes"],
    [{ "content-type": "application/json" }, { records: [{ value: false, key: null }] }, null, "false"],
    [{ "content-type": "application/octet-stream" }, { records: [{ value: "Zm9v" }] }, null, "foo"],
    [TEXT, { records: [{ key: "gone", value: null }] }, "gone", null],
  ];
  const expected = [];
  for (const [headers, body, key, value] of bodies) {
    const { offsets: [{ partition, offset }] } = await answer(t.post(`/topics/${t.topic}`, body, headers), 200);
    expected.push({ partition, offset, key, value });
  }
  const found = await readTopic(t.bootstrap, t.topic);
  assert.deepEqual(
    found.map(({ partition, offset, key, value }) => ({
      partition,
      offset: Number(offset),
      key: key && key.toString(),
      value: value && value.toString(),
    })),
    expected.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset),
  );
});

Deno.test("the answer is REST Proxy's, in the order of the records", async () => {
  await using t = await startApp({ partitions: 2 });
  const records = [1, 0, 1, 0].map((partition) => ({ value: partition, partition }));
  const response = await t.post(`/topics/${t.topic}`, { records });
  assert.equal(response.headers.get("content-type"), "application/vnd.kafka.v2+json");
  const entry = (partition: number, offset: number) => ({ partition, offset, error_code: null, error: null });
  assert.deepEqual(await answer(response, 200), {
    offsets: [entry(1, 0), entry(0, 0), entry(1, 1), entry(0, 1)],
    key_schema_id: null,
    value_schema_id: null,
  });
});

Deno.test("timestamps and headers arrive in order, with null values, repeated names and line breaks", async () => {
  await using t = await startApp();
  const headers = [{ key: "a", value: btoa("1") }, { key: "a", value: null }, { key: "x\r\ny", value: "" }];
  await answer(t.post(`/topics/${t.topic}`, { records: [{ value: 1, timestamp: 1_700_000_000_000, headers }] }), 200);
  const [record] = await readTopic(t.bootstrap, t.topic);
  assert.equal(record.timestamp, 1_700_000_000_000n);
  assert.deepEqual(record.headers.map(([name, value]) => [name, value?.toString()]), [["a", "1"], ["a", undefined], [
    "x\r\ny",
    "",
  ]]);
});

Deno.test("a partition in the path takes all records; one in a record must agree", async () => {
  await using t = await startApp({ partitions: 3 });
  const path = `/topics/${t.topic}/partitions/2`;
  const { offsets } = await answer(t.post(path, { records: [{ value: 1 }, { key: 2, value: 2, partition: 2 }] }), 200);
  assert.deepEqual(offsets.map((o: { partition: number }) => o.partition), [2, 2]);
  await refused(
    t.post(path, { records: [{ value: 1, partition: 1 }] }),
    [422, 422],
    /records\[0\].partition is 1 while the path says 2/,
  );
});

Deno.test("one bad record of ten fails alone where only Kafka can tell", async () => {
  await using t = await startApp({ partitions: 2 });
  const records = Array.from({ length: 10 }, (_, i) => ({ value: i, partition: i === 4 ? 99 : 0 }));
  const { offsets } = await answer(t.post(`/topics/${t.topic}`, { records }), 200);
  assert.equal(offsets[4].error_code, 50002);
  assert.match(offsets[4].error, /no partition 99; expected 0 to 1/);
  assert.deepEqual(offsets.filter((_: unknown, i: number) => i !== 4).map((o: { offset: number }) => o.offset), [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
  ]);
});

Deno.test("one bad record of ten refuses all of them where the body itself is wrong", async () => {
  await using t = await startApp();
  const records = Array.from({ length: 10 }, (_, i) => i === 4 ? { vaule: 1 } : { value: i });
  await refused(t.post(`/topics/${t.topic}`, { records }), [422, 422], /records\[4\] has an unknown field "vaule"/);
  assert.deepEqual(await readTopic(t.bootstrap, t.topic), []);
});

Deno.test("never 200 when nothing was written", async () => {
  await using t = await startApp();
  const to = `/topics/${t.topic}`;
  await refused(t.post(to, { records: [{ value: 1, partition: 7 }] }), [404, 40402], /has no partition 7/);
  for (const partition of ["9", "-1", "2147483648"]) {
    await refused(
      t.post(`${to}/partitions/${partition}`, { records: [{ value: 1 }] }),
      [404, 40402],
      /has no partition/,
    );
  }
  for (const partition of ["x", "1.5", "0x1", "99999999999"]) {
    await refused(
      t.post(`${to}/partitions/${partition}`, { records: [{ value: 1 }] }),
      [404, 404],
      /expected a whole number/,
    );
  }
  await refused(
    t.post(to, { records: [{ value: "x".repeat(950_000) }] }),
    [413, 413],
    /The record takes 950\d{3} bytes; expected at most/,
  );
});

Deno.test("a record over the topic's own limit is refused, and the others of its request stand", async () => {
  await using t = await startApp({ config: { "max.message.bytes": "10000" } });
  const records = [{ value: 1 }, { value: "x".repeat(20_000) }];
  const { offsets } = await answer(t.post(`/topics/${t.topic}`, { records }), 200);
  assert.deepEqual(offsets.map((o: { error_code: number }) => o.error_code), [null, 50002]);
  await refused(t.post(`/topics/${t.topic}`, { records: records.slice(1) }), [413, 413], /larger|large/);
});

Deno.test("a request that the buffer has no room for is told to come back, and nothing of it is written", async () => {
  await using t = await startApp({ env: { KAFKA_BATCH_BYTES: "2000", KAFKA_BUFFER_BYTES: "2000" } });
  const records = Array.from({ length: 10 }, () => ({ value: "x".repeat(500) }));
  const { headers } = await refused(t.post(`/topics/${t.topic}`, { records }), [503, 50301], /The buffer is full/);
  assert.equal(headers.get("retry-after"), "1");
  assert.deepEqual(await readTopic(t.bootstrap, t.topic), []);
  await answer(t.post(`/topics/${t.topic}`, { records: records.slice(0, 1) }), 200);
});

Deno.test("a topic that does not exist is told before the body is looked at, and is not made", async () => {
  await using t = await startApp();
  const name = `never-${crypto.randomUUID()}`;
  await refused(t.post(`/topics/${name}`, "not even JSON"), [404, 40401], new RegExp(`Topic "${name}" does not exist`));
  await refused(t.post(`/topics/${name}`, { records: [{ value: 1 }] }), [404, 40401], /does not exist/);
  const names = ["..", ".", "a".repeat(250), "中", "a%0d%0ab", "a%00b", "a%2fb", "a b", "%2e%2e"];
  for (const name of names) {
    // A URL object would resolve the dots before we see them.
    const request = new Request("http://localhost/", {
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    Object.defineProperty(request, "url", {
      value: `http://localhost/topics/${encodeURI(decodeURIComponent(name)).replaceAll("/", "%2f")}`,
    });
    await refused(t.app.fetch(request), [404, 40401], /does not exist; a topic's name has 1 to 249/);
  }
  await refused(t.post(`/topics/${"a".repeat(249)}`, { records: [{ value: 1 }] }), [404, 40401], /does not exist/);
});

Deno.test("internal topics and topics that are not open are forbidden", async () => {
  await using t = await startApp({ env: { HTTP_TOPICS: "some,others" } });
  await refused(t.post("/topics/__consumer_offsets", { records: [{ value: 1 }] }), [403, 40301], /internal to Kafka/);
  await refused(
    t.post(`/topics/${t.topic}`, { records: [{ value: 1 }] }),
    [403, 40301],
    /not among the topics open to HTTP/,
  );
});

Deno.test("media types are judged as REST Proxy does", async () => {
  await using t = await startApp();
  const path = `/topics/${t.topic}`;
  const json = { records: [{ value: "Zm9v" }] };
  for (
    const type of [
      "application/vnd.kafka.v1+json",
      "application/vnd.kafka.v2+json",
      "application/vnd.kafka+json",
      "application/vnd.kafka.binary.v1+json",
      "application/vnd.kafka.json+json",
      "Application/JSON; charset=UTF-8",
      'application/json;charset="utf-8"',
    ]
  ) await answer(t.post(path, json, { "content-type": type }), 200);
  for (
    const type of [
      "application/vnd.kafka.v3+json",
      "application/vnd.kafka.binary.v1+foo",
      "application/vnd.kafka.avro.v0+json",
      "application/vnd.kafka",
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/json; charset=gbk",
      "",
    ]
  ) await refused(t.post(path, json, { "content-type": type }), [415, 415], /^Content-Type is/);
  await refused(t.post(path, json, { "content-encoding": "gzip" }), [415, 415], /Content-Encoding is "gzip"/);
  for (
    const accept of [
      "*/*",
      "*/json",
      "application/*",
      "text/html, application/json;q=0.1",
      "application/vnd.kafka.v1+json",
    ]
  ) {
    await answer(t.post(path, json, { accept }), 200);
  }
  for (const accept of ["text/html", "application/octet-stream", "foo/*", "*/baz", "application/json;q=0"]) {
    await refused(t.post(path, json, { accept }), [406, 406], /^Accept is/);
  }
});

Deno.test("a body over the limit is refused, declared or counted; one at the limit is not", async () => {
  await using t = await startApp({ env: { HTTP_MAX_BODY_BYTES: "1000" } });
  const path = `/topics/${t.topic}`;
  const body = (size: number) => `{"records":[{"value":"${"x".repeat(size - '{"records":[{"value":""}]}'.length)}"}]}`;
  await answer(t.post(path, body(1000)), 200);
  await refused(
    t.post(path, body(1001), { "content-length": "1001" }),
    [413, 413],
    /has 1001 bytes; expected at most 1000/,
  );
  await refused(t.post(path, body(1001)), [413, 413], /more than 1000 bytes/);
});

Deno.test("a body that is missing or not UTF-8 is refused", async () => {
  await using t = await startApp();
  const path = `/topics/${t.topic}`;
  await refused(t.post(path, ""), [400, 400], /The body is missing/);
  await refused(t.post(path, new Uint8Array([0x22, 0xff, 0x22])), [400, 400], /not valid UTF-8/);
});

Deno.test("formats that need a schema registry say so", async () => {
  await using t = await startApp();
  const path = `/topics/${t.topic}`;
  for (const format of ["avro", "jsonschema", "protobuf"]) {
    const headers = { "content-type": `application/vnd.kafka.${format}.v2+json` };
    await refused(t.post(path, { records: [{ value: {} }] }, headers), [422, 42202], /value_schema or value_schema_id/);
    await refused(t.post(path, { records: [{ key: {} }] }, headers), [422, 42201], /key_schema or key_schema_id/);
    await refused(
      t.post(path, { records: [{ value: {} }], value_schema_id: 1 }, headers),
      [422, 422],
      /no schema registry/,
    );
    await refused(t.post(path, { value_schema_id: 1 }, headers), [422, 422], /"records"/);
    await refused(t.post(path, "{", headers), [400, 400], /not JSON/);
  }
});

Deno.test("an Idempotency-Key is for one request: its topic, partition, format and body", async () => {
  await using t = await startApp({ partitions: 2 });
  const path = `/topics/${t.topic}`;
  const send = (path: string, value: string, type = "json") =>
    t.post(path, { records: [{ value }] }, {
      "idempotency-key": "k",
      "content-type": `application/vnd.kafka.${type}.v2+json`,
    });
  const first = await answer(send(`${path}/partitions/0`, "a"), 200);
  assert.deepEqual(await answer(send(`${path}/partitions/0`, "a"), 200), first);
  assert.deepEqual(await answer(send(`${path}/partitions/00`, "a"), 200), first); // the same one
  await refused(send(`${path}/partitions/0`, "b"), [422, 422], /came before with another body or format/);
  await refused(send(`${path}/partitions/0`, "a", "text"), [422, 422], /came before with another body or format/);
  await answer(send(`${path}/partitions/1`, "a"), 200);
  await answer(send(path, "a"), 200);
  assert.equal((await readTopic(t.bootstrap, t.topic)).length, 3);
});

// Records as an independent client reads them back, under every setting that changes how they travel.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ProducerRecord } from "../../../producer.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import { createTopic, sharedKafka } from "../../support/kafka.ts";
import { type ReadRecord, readTopic } from "../../support/reader.ts";
import { closeNow, makeProducer, told } from "./producer_test_util.ts";

/** A producer on the Kafka that all tests share, and a topic. */
async function setUp(args: readonly string[] = [], topicOptions: Parameters<typeof createTopic>[1] = {}) {
  await using stack = new AsyncDisposableStack();
  const { bootstrap } = await sharedKafka();
  const topic = stack.use(await createTopic(bootstrap, topicOptions));
  const producer = stack.adopt(makeProducer(bootstrap, args), async (it) => void await closeNow(it));
  await producer.start();
  const owned = stack.move();
  return {
    send: (records: readonly ProducerRecord[]) => producer.send(records, { topic: topic.name }),
    read: () => readTopic(bootstrap, topic.name),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const LATIN: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const LONG = "名字 ".repeat(10_000);

/** Everything that a record can be. */
const RECORDS: ProducerRecord[] = [
  { value: "a plain text" },
  { value: "", key: "" },
  { value: null, key: "a tombstone" },
  { value: LATIN, key: LATIN },
  { value: new Uint8Array(0), key: null },
  { value: "headers", headers: [["a", "1"], ["b", null], ["a", "2"], ["", LATIN], ["空", ""]] },
  { value: LONG, key: "小明" },
  { value: "the beginning of time", timestamp: 0 },
  { value: "now", timestamp: 1_700_000_000_000 },
  { value: "before that", timestamp: 1_600_000_000_000 },
  { value: "soon", timestamp: Date.now() + 1_800_000 }, // brokers allow an hour
  { value: Buffer.from("a Buffer"), key: Buffer.from("too") },
];

function bytes(data: string | Uint8Array | null | undefined): Buffer | null {
  return data === null || data === undefined ? null : Buffer.from(data as string);
}

/** What should be read for a record. */
function expected({ key, value, headers = [] }: ProducerRecord) {
  return {
    key: bytes(key),
    value: bytes(value),
    headers: headers.map(([name, content]): [string, Buffer | null] => [name, bytes(content)]),
  };
}

function plain({ key, value, headers }: ReadRecord) {
  return { key, value, headers };
}

for (
  const args of [
    [],
    ["--compression", "gzip"],
    ["--compression", "zstd"],
    ["--no-idempotence", "--acks", "1"],
    ["--batch-bytes", "100000", "--compression", "zstd"],
  ]
) {
  Deno.test(`keys, values, headers and timestamps are read back as they were sent: ${args.join(" ") || "by default"}`, async () => {
    await using stage = await setUp(args);
    const began = Date.now();
    const outcomes = await stage.send(RECORDS.map((record) => ({ ...record, partition: 0 })));
    assert.deepEqual(outcomes.map(told), RECORDS.map(() => "ok"));
    const read = await stage.read();
    assert.deepEqual(read.map(plain), RECORDS.map(expected));
    for (const [i, outcome] of outcomes.entries()) {
      assert.ok(outcome.status === "acknowledged");
      assert.deepEqual([outcome.partition, outcome.offset], [0, i]);
      assert.equal(BigInt(outcome.timestamp), read[i].timestamp);
      const { timestamp } = RECORDS[i];
      if (timestamp !== undefined) assert.equal(outcome.timestamp, timestamp);
      else assert.ok(outcome.timestamp >= began && outcome.timestamp <= Date.now());
    }
  });
}

Deno.test("with acks=0 records arrive, and their offsets are not known", async () => {
  await using stage = await setUp(["--no-idempotence", "--acks", "0"]);
  const outcomes = [...await stage.send([{ value: "a" }, { value: "b" }]), ...await stage.send([{ value: "c" }])];
  assert.deepEqual(outcomes.map((it) => it.status === "acknowledged" && it.offset), [-1, -1, -1]);
  let values: string[] = [];
  while (values.length < 3) values = (await stage.read()).map(({ value }) => `${value}`);
  assert.deepEqual(values, ["a", "b", "c"]);
});

Deno.test("where the broker stamps records, its time is told", async () => {
  await using stage = await setUp([], { config: { "message.timestamp.type": "LogAppendTime" } });
  const [outcome] = await stage.send([{ value: "a", timestamp: 1_600_000_000_000 }]);
  const [{ timestamp }] = await stage.read();
  assert.ok(outcome.status === "acknowledged" && BigInt(outcome.timestamp) === timestamp);
  assert.ok(timestamp > 1_700_000_000_000n);
});

Deno.test("good records are written though their neighbours are not", async () => {
  await using stage = await setUp([], { partitions: 3 });
  const records = [
    { value: "good 1" },
    { value: "x", partition: 99 },
    { value: { not: "bytes" } },
    { value: LATIN, headers: [["null", null]] },
    { value: "x", headers: [["number", 7]] },
    { value: "x", timestamp: "yesterday" },
    { value: "x".repeat(1_000_000) },
    { value: null, key: "good 2" },
  ] as unknown as ProducerRecord[];
  assert.deepEqual((await stage.send(records)).map(told), [
    "ok",
    "rejected unknown-partition",
    "rejected invalid-record",
    "ok",
    "rejected invalid-record",
    "rejected invalid-record",
    "rejected too-large",
    "ok",
  ]);
  const read = await stage.read();
  const sort = (values: (Buffer | null)[]) => values.map((value) => value?.toString("latin1") ?? "null").sort();
  assert.deepEqual(sort(read.map(({ value }) => value)), sort([bytes("good 1"), bytes(LATIN), null]));
});

Deno.test("what is no record is refused alone, without harm to its neighbours", async () => {
  await using stage = await setUp();
  const records = [
    null,
    { value: "good" },
    { value: "x", headers: {} },
    { value: "x", headers: [null] },
    { value: "x", headers: [[null, "y"]] },
    { value: 7 },
    { value: "x", partition: "0" },
    { value: "x", partition: 1.5 },
    { value: "x", timestamp: -1 },
  ] as ProducerRecord[];
  const outcomes = (await stage.send(records)).map(({ status }) => status);
  assert.deepEqual(outcomes, records.map((_, i) => i === 1 ? "acknowledged" : "rejected"));
  assert.equal((await stage.read()).length, 1);
});

Deno.test("records that only the broker can judge are refused alone, whoever shared a batch with them", async () => {
  for (const args of [[], ["--compression", "zstd"], ["--no-idempotence", "--acks", "1"]]) {
    await using stage = await setUp(args, { config: { "cleanup.policy": "compact" } });
    await stage.send([{ key: "k", value: "before" }]);
    const tomorrow = Date.now() + 86_400_000;
    const records: ProducerRecord[][] = [
      [{ key: "k", value: "a" }, { value: "without a key in a compacted topic" }, { key: "k", value: "b" }],
      [{ value: "another" }],
      [{ key: "k", value: "c" }, { key: "k", value: "tomorrow", timestamp: tomorrow }],
      [{ key: "k", value: "d" }],
    ];
    const outcomes = await Promise.all(records.map((some) => stage.send(some)));
    assert.deepEqual(outcomes.map((some) => some.map((it) => it.status)), [
      ["acknowledged", "rejected", "acknowledged"],
      ["rejected"],
      ["acknowledged", "rejected"],
      ["acknowledged"],
    ]);
    const messages = outcomes.flat().flatMap((it) => it.status === "rejected" ? it.error.message : []);
    for (const [i, reason] of [/without key/, /without key/, /[Tt]imestamp/].entries()) {
      assert.match(messages[i], reason);
    }
    assert.deepEqual((await stage.read()).map(({ value }) => `${value}`), ["before", "a", "b", "c", "d"]);
    await stage.send([{ key: "k", value: "after" }]);
    assert.equal((await stage.read()).length, 6);
  }
});

Deno.test("records of one key go to one partition, that of Java's client, in order; those without stay together", async () => {
  await using stage = await setUp([], { partitions: 6 });
  const keyed = Array.from({ length: 300 }, (_, i) => ({ key: `key ${i % 20}`, value: `${i}` }));
  assert.deepEqual(new Set((await stage.send(keyed)).map(told)), new Set(["ok"]));
  const read = await stage.read();
  for (const { key, partition } of read) assert.equal(partition, partitionForKey(`${key}`, 6));
  for (const group of Map.groupBy(read, ({ key }) => `${key}`).values()) {
    const numbers = group.map(({ value }) => Number(`${value}`));
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
  }
  const together = await stage.send(Array.from({ length: 50 }, (_, i) => ({ value: `together ${i}` })));
  assert.equal(new Set(together.map((it) => it.status === "acknowledged" && it.partition)).size, 1);
});

Deno.test("a large call is cut into batches, and every record has its own offset", async () => {
  await using stage = await setUp(["--batch-bytes", "5000"], { partitions: 3 });
  const records = Array.from({ length: 2_000 }, (_, i) => ({ key: `${i % 7}`, value: `${i} `.padEnd(50, ".") }));
  const outcomes = await stage.send(records);
  const log = new Map((await stage.read()).map((it) => [`${it.partition}/${it.offset}`, `${it.value}`]));
  assert.equal(log.size, records.length);
  for (const [i, outcome] of outcomes.entries()) {
    assert.ok(outcome.status === "acknowledged");
    assert.equal(log.get(`${outcome.partition}/${outcome.offset}`), records[i].value);
  }
});

Deno.test("records linger for company, and no longer than they were told to", async () => {
  await using stage = await setUp(["--linger-ms", "800"]);
  await stage.send([{ value: "warm" }]);
  const began = performance.now();
  const send = (value: string) => stage.send([{ value, partition: 0 }]);
  const outcomes = await Promise.all(["a", "b", "c"].map(send));
  const took = performance.now() - began;
  assert.ok(took >= 780 && took < 10_000, `${took} ms`);
  assert.deepEqual(outcomes.flat().map((it) => it.status === "acknowledged" && it.offset), [1, 2, 3]);
});

Deno.test("nothing was sent: nothing is told", async () => {
  await using stage = await setUp();
  assert.deepEqual(await stage.send([]), []);
});

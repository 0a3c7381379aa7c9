import { Producer } from "@platformatic/kafka";
import { CompressionCodecs, CompressionTypes, Kafka, logLevel, type Message, Partitioners } from "kafkajs";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import { createTopic, sharedKafka, withAdmin } from "./kafka.ts";
import { startProxy } from "./proxy.ts";
import { committedOffsets, endOffsets, type ReadRecord, readTopic, startOffsets } from "./reader.ts";
import { waitFor } from "./wait.ts";

const text = (record: ReadRecord) => `${record.partition}/${record.offset} ${record.value}`;

/** Sends with kafkajs, each array as one batch. */
async function produce(bootstrap: string, topic: string, batches: Message[][], compression = CompressionTypes.None) {
  const kafka = new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  for (const messages of batches) await producer.send({ topic, messages, compression });
  await producer.disconnect();
}

Deno.test("an empty topic is read as no records", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  assert.deepEqual(await readTopic(bootstrap, topic.name), []);
  assert.deepEqual(await endOffsets(bootstrap, topic.name), [0n, 0n]);
});

for (const codec of ["None", "GZIP", "ZSTD"] as const) {
  Deno.test(`records are read as they were sent (${codec})`, async () => {
    const { bootstrap } = await sharedKafka();
    await using topic = await createTopic(bootstrap);
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: (encoder: { buffer: Buffer }) => Promise.resolve(zlib.zstdCompressSync(encoder.buffer)),
      decompress: (buffer: Buffer) => Promise.resolve(zlib.zstdDecompressSync(buffer)),
    });
    const headers = { twice: ["1", "2"], bytes: Buffer.of(0xff), empty: "" };
    await produce(bootstrap, topic.name, [[
      { key: "key", value: "value", headers, timestamp: "2000" },
      { key: null, value: Buffer.of(0, 0xff), timestamp: "1000" },
      { key: "tombstone", value: null, timestamp: "3000" },
      { key: "", value: "", timestamp: "3000" },
    ]], CompressionTypes[codec]);
    const partition = 0;
    const [b, none] = [Buffer.from, [] as ReadRecord["headers"]];
    assert.deepEqual(await readTopic(bootstrap, topic.name), [
      {
        ...{ partition, offset: 0n, timestamp: 2000n, key: b("key"), value: b("value") },
        headers: [["twice", b("1")], ["twice", b("2")], ["bytes", Buffer.of(0xff)], ["empty", b("")]],
      },
      { partition, offset: 1n, timestamp: 1000n, key: null, value: Buffer.of(0, 0xff), headers: none },
      { partition, offset: 2n, timestamp: 3000n, key: b("tombstone"), value: null, headers: none },
      { partition, offset: 3n, timestamp: 3000n, key: b(""), value: b(""), headers: none },
    ]);
  });
}

Deno.test("null headers, repeated headers and their order are kept", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  // kafkajs cannot send a null header.
  const producer = new Producer({ clientId: "test", bootstrapBrokers: bootstrap.split(",") });
  const sent: ReadRecord["headers"] = [["b", null], ["a", Buffer.from("1")], ["b", Buffer.from("2")]];
  const headers = new Map(sent.map(([name, value]) => [Buffer.from(name), value as Buffer]));
  await producer.send({ messages: [{ topic: topic.name, value: Buffer.from("x"), headers }] });
  await producer.close();
  const [record] = await readTopic(bootstrap, topic.name);
  assert.deepEqual(record.headers, sent);
});

Deno.test("the time of arrival is read where the topic keeps that", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap, { config: { "message.timestamp.type": "LogAppendTime" } });
  const before = Date.now();
  await produce(bootstrap, topic.name, [[{ value: "x", timestamp: "1000" }]]);
  const [{ timestamp }] = await readTopic(bootstrap, topic.name);
  assert.ok(timestamp >= before && timestamp <= Date.now(), `${timestamp}`);
});

Deno.test("reading starts, stops and counts where it is told to", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  const batch = [0, 1, 0, 1, 0].map((partition, i) => ({ partition, value: `${i}` }));
  await produce(bootstrap, topic.name, [batch]);
  const read = async (options: Parameters<typeof readTopic>[2]) =>
    (await readTopic(bootstrap, topic.name, options)).map(text);
  assert.deepEqual(await read({}), ["0/0 0", "0/1 2", "0/2 4", "1/0 1", "1/1 3"]);
  // One batch holds them: its records before and after the borders are left out.
  assert.deepEqual(await read({ from: [1n, 2n] }), ["0/1 2", "0/2 4"]);
  assert.deepEqual(await read({ until: [2n, 0n] }), ["0/0 0", "0/1 2"]);
  assert.equal((await read({ until: 4 })).length, 4);
  assert.deepEqual(await endOffsets(bootstrap, topic.name), [3n, 2n]);
});

Deno.test("a count of records is waited for, but not for ever", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  const reading = readTopic(bootstrap, topic.name, { until: 2 });
  await produce(bootstrap, topic.name, [[{ value: "a" }], [{ value: "b" }]]);
  assert.deepEqual((await reading).map(text), ["0/0 a", "0/1 b"]);
  await assert.rejects(
    readTopic(bootstrap, topic.name, { until: 3, timeout: 500 }),
    /could not read 2 records of topic .* \(0: 2 of any\) in 500 ms/,
  );
});

Deno.test("50,000 records of many batches are read, each once", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap, { partitions: 3 });
  const batches = Array.from(
    { length: 10 },
    (_, i) => Array.from({ length: 5000 }, (_, j) => ({ partition: j % 3, value: `${i} ${j}`.padEnd(300) })),
  );
  await produce(bootstrap, topic.name, batches);
  const records = await readTopic(bootstrap, topic.name);
  assert.equal(records.length, 50_000);
  assert.equal(new Set(records.map(({ value }) => `${value}`)).size, 50_000);
  const next = [0n, 0n, 0n];
  for (const { partition, offset } of records) assert.equal(offset, next[partition]++);
});

Deno.test("what retention removed is left out, and told by the start offset", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, [[{ value: "a" }], [{ value: "b" }], [{ value: "c" }]]);
  await withAdmin(bootstrap, async (admin) => {
    await admin.fetchTopicMetadata({ topics: [topic.name] }); // it does not look for the leader itself
    await admin.deleteTopicRecords({ topic: topic.name, partitions: [{ partition: 0, offset: "2" }] });
  });
  assert.deepEqual(await startOffsets(bootstrap, topic.name), [2n]);
  assert.deepEqual((await readTopic(bootstrap, topic.name)).map(text), ["0/2 c"]);
});

Deno.test("committed offsets are those of the group, none where it has none", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  const groupId = crypto.randomUUID();
  assert.deepEqual(await committedOffsets(bootstrap, groupId, topic.name), [undefined, undefined]);
  await withAdmin(
    bootstrap,
    (admin) => admin.setOffsets({ groupId, topic: topic.name, partitions: [{ partition: 1, offset: "7" }] }),
  );
  assert.deepEqual(await committedOffsets(bootstrap, groupId, topic.name), [undefined, 7n]);
});

Deno.test("a topic or a broker that is not there is an error, not an empty topic", async () => {
  const { bootstrap } = await sharedKafka();
  const missing = `missing-${crypto.randomUUID()}`;
  await assert.rejects(readTopic(bootstrap, missing), /could not read 0 records .*Unknown topic missing/);
  await assert.rejects(endOffsets(bootstrap, missing), /could not list the offsets of topic missing/);
  await assert.rejects(readTopic("127.0.0.1:1", "x", { timeout: 500 }), /could not read 0 records of topic x/);
});

Deno.test("no connection is left open, whatever became of the reading", async () => {
  const { bootstrap } = await sharedKafka();
  const [hostname, port] = bootstrap.split(",")[0].split(":");
  await using topic = await createTopic(bootstrap);
  await using proxy = await startProxy({ target: { hostname, port: Number(port) } });
  const through = `127.0.0.1:${proxy.port}`;
  await readTopic(through, topic.name);
  await endOffsets(through, topic.name);
  await committedOffsets(through, "none", topic.name);
  await assert.rejects(readTopic(through, topic.name, { until: 1, timeout: 300 }));
  proxy.rule({ api: "Metadata", action: { do: "drop", at: "response" } });
  await assert.rejects(readTopic(through, topic.name, { timeout: 300 }));
  await waitFor(() => proxy.stats.connections.open === 0, { what: "all connections to be closed" });
  assert.equal(proxy.stats.connections.total, 5);
});

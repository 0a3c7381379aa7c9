/** What may be in a topic: every codec, transactions that were aborted, offsets that are gone, records of any size. */
import assert from "node:assert/strict";
import { CompressionTypes, Kafka, logLevel } from "kafkajs";
import type { ConsumedRecord } from "../../handlers/types.ts";
import { residentBytes } from "../support/process_stats.ts";
import { committedOffsets, endOffsets } from "../support/reader.ts";
import { createTopic, sharedKafka } from "../support/kafka.ts";
import { waitFor } from "../support/wait.ts";
import {
  newGroup,
  numbered,
  produce,
  setPosition,
  startConsumer,
  startConsumerScript,
  startProducer,
  untilCommitted,
} from "./consumer_test_util.ts";

const { bootstrap } = await sharedKafka();

/** Another implementation to produce with. */
function otherClient(): Kafka {
  return new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.NOTHING });
}

Deno.test("keys, values, headers and times come as they were sent, in every codec", async () => {
  await using topic = await createTopic(bootstrap);
  const sent = {
    key: "schlüssel",
    value: "值".repeat(1_000),
    headers: [["b", "1"], ["a", null], ["b", new Uint8Array([0, 255])]] as [string, string | Uint8Array | null][],
    timestamp: 1_700_000_000_000,
  };
  for (const compression of ["none", "gzip", "zstd"]) {
    await using producer = await startProducer(bootstrap, ["--compression", compression]);
    await producer.send(topic.name, [sent, { key: null, value: null, timestamp: 1 }]);
  }
  const seen: unknown[] = [];
  const copy = ({ key, value, headers, timestamp, ...rest }: ConsumedRecord) => {
    const text = (bytes: Uint8Array | null) => bytes && new TextDecoder("latin1").decode(bytes);
    seen.push([rest.offset, text(key), text(value), headers.map(([name, value]) => [name, text(value)]), timestamp]);
  };
  await using _consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", "none"], { default: copy });
  await waitFor(() => seen.length === 6, { what: "all records" });
  const latin1 = (text: string) => new TextDecoder("latin1").decode(new TextEncoder().encode(text));
  const first = [latin1(sent.key), latin1(sent.value), [["b", "1"], ["a", null], ["b", "\0ÿ"]], sent.timestamp];
  const second = [null, null, [], 1];
  assert.deepEqual(seen, [0, 2, 4].flatMap((offset) => [[offset, ...first], [offset + 1, ...second]]));
});

Deno.test("records of aborted transactions and markers are left out, and the end is reached all the same", async () => {
  await using topic = await createTopic(bootstrap);
  const producer = otherClient().producer({ transactionalId: topic.name, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const expected: string[] = [];
  for (let i = 0; i < 12; i++) {
    const transaction = await producer.transaction();
    const values = [`${i} a`, `${i} b`];
    for (const value of values) {
      await transaction.send({ topic: topic.name, messages: [{ value }], compression: CompressionTypes.GZIP });
    }
    if (i % 3 === 1 || i === 11) await transaction.abort();
    else {
      await transaction.commit();
      expected.push(...values);
    }
  }
  await producer.disconnect();
  const group = newGroup();
  await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group, "--exit"]);
  assert.equal(await consumer.done, true);
  assert.deepEqual(consumer.handled.map(({ value }) => value), expected);
  // Behind the last marker: nobody has to look at what was left out again.
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), await endOffsets(bootstrap, topic.name));
});

Deno.test("a transaction that is still open holds back what came after it, until it ends", async () => {
  await using topic = await createTopic(bootstrap);
  const producer = otherClient().producer({ transactionalId: topic.name, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: topic.name, messages: [{ value: "in it" }] });
  await produce(bootstrap, topic.name, [{ value: "after it" }]);
  await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", newGroup()]);
  await waitFor(() => consumer.logLines.some((line) => line.includes("no more messages")), {
    what: "the end, for now",
  });
  assert.deepEqual(consumer.handled, []);
  await transaction.commit();
  await producer.disconnect();
  await waitFor(() => consumer.handled.length === 2, { what: "both records" });
  assert.deepEqual(consumer.handled.map(({ value }) => value), ["in it", "after it"]);
});

Deno.test("a position in the middle of a batch begins there", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(1_000)); // in few batches
  const group = newGroup();
  await setPosition(bootstrap, { group, topic: topic.name, offset: 777 });
  await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group, "--exit"]);
  await consumer.done;
  assert.deepEqual([consumer.handled.length, consumer.handled[0].offset], [223, 777]);
});

Deno.test("a record that is larger than what is asked for comes all the same", async () => {
  await using topic = await createTopic(bootstrap, { partitions: 3 });
  const value = "x".repeat(300_000);
  await produce(bootstrap, topic.name, Array.from({ length: 12 }, (_, i) => ({ value, partition: i % 3 })));
  const flags = ["--topic", topic.name, "--group", "none", "--exit", "--fetch-bytes", "1024"];
  await using consumer = startConsumer(bootstrap, flags);
  assert.equal(await consumer.done, true);
  assert.deepEqual(consumer.handled.map((record) => record.value?.length), Array(12).fill(300_000));
});

Deno.test("several topics are read by one consumer", async () => {
  await using first = await createTopic(bootstrap, { partitions: 2 });
  await using second = await createTopic(bootstrap, { partitions: 2 });
  for (const { name } of [first, second]) await produce(bootstrap, name, numbered(10, { partitions: 2 }));
  const group = newGroup();
  const flags = ["--topic", first.name, "--topic", second.name, "--group", group, "--exit"];
  await using consumer = startConsumer(bootstrap, flags);
  assert.equal(await consumer.done, true);
  assert.equal(consumer.handled.length, 20);
  for (const { name } of [first, second]) await untilCommitted(bootstrap, { group, topic: name }, [5, 5]);
});

Deno.test("memory is bounded: 400 records of 1 MB in 40 partitions, and a handler slower than the network", async () => {
  const partitions = 40;
  await using topic = await createTopic(bootstrap, { partitions, config: { "max.message.bytes": "2000000" } });
  {
    await using producer = await startProducer(bootstrap, ["--batch-bytes", "1500000"]);
    const value = new Uint8Array(1_000_000);
    for (let i = 0; i < 400; i += 8) {
      await producer.send(
        topic.name,
        Array.from({ length: 8 }, (_, j) => ({ value, partition: (i + j) % partitions })),
      );
    }
  }
  const flags = ["--topic", topic.name, "--group", newGroup(), "--handler", "./tests/consumer/handlers/slow_log.ts"];
  await using log = await temporaryFile();
  const env = { KAFKA_TEST_LOG: log.path, KAFKA_TEST_MS: "30" };
  await using script = startConsumerScript(bootstrap, [...flags, "--concurrency", "2"], env);
  let most = 0;
  await waitFor(() => {
    most = Math.max(most, residentBytes(script.pid));
    return Deno.readTextFileSync(log.path).split("\n").length > 400;
  }, { what: "all to be handled", timeout: 60_000 });
  console.log(`  at most ${Math.round(most / 1e6)} MB`);
  assert.ok(most < 400e6, `it took ${Math.round(most / 1e6)} MB`);
});

async function temporaryFile() {
  const path = await Deno.makeTempFile();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

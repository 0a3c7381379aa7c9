// What a producer does when topics come, go and grow, and when there is no Kafka yet, or none any more.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Cursor, type Request } from "../../support/kafka_frames.ts";
import { createTopic, withAdmin } from "../../support/kafka.ts";
import { readTopic } from "../../support/reader.ts";
import { waitFor } from "../../support/wait.ts";
import {
  closeNow,
  collectLog,
  History,
  kafkaOfFile,
  load,
  makeProducer,
  type Stage,
  told,
} from "./producer_test_util.ts";

const kafka = kafkaOfFile();

/** Sends a numbered record to a topic of the stage's producer, until what is told is what is waited for. */
async function sendUntil(stage: Stage, { topic, is }: { topic: string; is: string }): Promise<void> {
  const history = new History(stage.producer, topic);
  let n = 0;
  const outcome = async () => told((await history.send([{ value: `${n++}`, partition: 0 }]))[0]) === is;
  await waitFor(outcome, { what: `"${is}" from ${topic}`, timeout: 30_000 });
}

Deno.test("a topic is deleted, and made again, while another one's records flow", async () => {
  await using stage = await kafka.stage(["--delivery-timeout-ms", "3000"], { partitions: 3 });
  const doomed = (await createTopic(kafka.cluster.bootstrap, { partitions: 3 })).name;
  await sendUntil(stage, { topic: doomed, is: "ok" });
  const ended = new AbortController();
  const flowing = load(stage.history, { keys: 6, until: ended.signal, pauseMs: 5 });
  await withAdmin(kafka.cluster.bootstrap, async (admin) => {
    await admin.deleteTopics({ topics: [doomed] });
    await sendUntil(stage, { topic: doomed, is: "rejected unknown-topic 3" });
    const topic = { topic: doomed, numPartitions: 1, replicationFactor: -1 };
    await waitFor(() => admin.createTopics({ topics: [topic] }), { what: "the topic to be made again" });
  });
  await sendUntil(stage, { topic: doomed, is: "ok" });
  ended.abort();
  await flowing;
  const { acknowledged, refused, unknown } = await stage.verdict({ unknownTwice: "refuse" });
  assert.ok(acknowledged > 50, `${acknowledged} records`);
  assert.deepEqual([refused, unknown], [0, 0]);
  assert.equal((await readTopic(kafka.cluster.bootstrap, doomed)).length, 1, "what the old one had is gone");
});

/** A Metadata response, version 6, in which there is no such topic. */
function unknowing(response: Buffer, topic: string): Buffer {
  const cursor = new Cursor(response, 4); // after the throttle time
  for (let brokers = cursor.int32(); brokers > 0; brokers--) {
    cursor.at += 4;
    cursor.skipString().at += 4;
    cursor.skipString();
  }
  cursor.skipString().at += 4;
  const topics = Buffer.alloc(4 + 2 + 2 + topic.length + 1 + 4);
  topics.writeInt32BE(1, 0);
  topics.writeInt16BE(3, 4);
  topics.writeInt16BE(topic.length, 6);
  topics.write(topic, 8);
  return Buffer.concat([response.subarray(0, cursor.at), topics]);
}

Deno.test("a broker that has not heard of a topic yet is not believed that it is gone", async () => {
  await using stage = await kafka.stage();
  const { topic } = stage;
  assert.deepEqual(await stage.send("a"), ["ok"]);
  const when = ({ version }: Request) => version === 6; // the producer's, not the reader's
  const body = (response: Buffer) => unknowing(response, topic);
  using late = kafka.proxy.rule({ api: "Metadata", when, times: 3, action: { do: "rewrite", body } });
  using _ = kafka.proxy.rule({ api: "Produce", topic, times: 1, action: { do: "error", code: 3, forward: false } });
  const sent = ["b"];
  assert.deepEqual(await stage.send("b"), ["ok"], "refused once, after which the leaders are looked up");
  await late.hit();
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(await stage.send(`${i}`), ["ok"]);
    sent.push(`${i}`);
  }
  assert.deepEqual(await stage.log(), ["a", ...sent]);
});

/** Has records flow to a topic's one partition, and gives it three more. */
async function growUnderLoad(stage: Stage, until: AbortSignal): Promise<{ flowing: Promise<void> }> {
  // Without keys: a key's order does not outlive a change of the number of partitions.
  const flowing = load(stage.history, { keys: 6, until, keyless: true });
  await waitFor(() => stage.history.count("ok") > 20, { what: "records to flow" });
  await withAdmin(kafka.cluster.bootstrap, (admin) => {
    return admin.createPartitions({ topicPartitions: [{ topic: stage.topic, count: 4 }] });
  });
  return { flowing };
}

async function untilAllAreUsed({ history }: Stage): Promise<void> {
  const used = () => new Set(history.events.map(({ partition }) => partition));
  await waitFor(() => used().size === 4, { what: "all partitions to be used", timeout: 20_000 });
}

Deno.test("partitions that are added while records flow are used, the first one that is named at once", async () => {
  await using stage = await kafka.stage([], { partitions: 1 });
  const { history } = stage;
  const ended = new AbortController();
  const { flowing } = await growUnderLoad(stage, ended.signal);
  const named = async () =>
    told((await history.send([{ value: `${history.events.length}`, partition: 3 }]))[0]) === "ok";
  await waitFor(named, { what: "the new partition to have a leader" });
  await untilAllAreUsed(stage);
  ended.abort();
  await flowing;
  const { refused, unknown } = await stage.verdict();
  assert.equal(unknown, 0);
  assert.ok(refused < 100, "only the partition that had no leader yet was refused");
});

Deno.test("partitions that are added are used also where nothing calls for a look: none is named, and nothing fails", async () => {
  await using stage = await kafka.stage([], { partitions: 1 });
  const ended = new AbortController();
  const { flowing } = await growUnderLoad(stage, ended.signal);
  await untilAllAreUsed(stage);
  ended.abort();
  await flowing;
  const { refused, unknown } = await stage.verdict();
  assert.deepEqual([refused, unknown], [0, 0]);
});

Deno.test("Kafka is killed in mid-load and started again: each record once, in order, and nothing is given up", async () => {
  await using stage = await kafka.stage([], { partitions: 3 });
  const [node] = kafka.cluster.kafka.nodes;
  const { history } = stage;
  const ended = new AbortController();
  const flowing = load(history, { keys: 12, until: ended.signal, pauseMs: 2 });
  await waitFor(() => history.count("ok") > 200, { what: "records to flow" });
  await node.kill();
  await node.start();
  const before = history.count("ok");
  await waitFor(() => history.count("ok") > before + 200, { what: "records to flow again", timeout: 30_000 });
  ended.abort();
  await flowing;
  const { refused, unknown } = await stage.verdict({ unknownTwice: "refuse" });
  assert.deepEqual([refused, unknown], [0, 0]);
});

Deno.test("the only broker is frozen past the deadline: what was told is true, and nothing arrives late or twice", async () => {
  // A request may take a second.
  await using stage = await kafka.stage(["--delivery-timeout-ms", "3000"], { partitions: 3 });
  const [node] = kafka.cluster.kafka.nodes;
  const { history } = stage;
  const ended = new AbortController();
  const flowing = load(history, { keys: 12, until: ended.signal, pauseMs: 2 });
  await waitFor(() => history.count("ok") > 200, { what: "records to flow" });
  node.signal("SIGSTOP");
  try {
    const told = () => history.count("unknown") > 0 && history.count("refused") > 0;
    await waitFor(told, { what: "records to be given up, both sent ones and those behind them", timeout: 20_000 });
  } finally {
    node.signal("SIGCONT");
  }
  const before = history.count("ok");
  await waitFor(() => history.count("ok") > before + 200, { what: "records to flow again", timeout: 30_000 });
  ended.abort();
  await flowing;
  const { acknowledged, refused, unknown } = await stage.verdict({ unknownTwice: "refuse" });
  for (const [outcome, count] of Object.entries({ acknowledged, rejected: refused, unknown })) {
    assert.equal(await stage.metric(`records_total{outcome="${outcome}"}`), count, outcome);
  }
});

Deno.test("without a Kafka a producer starts, refuses, and recovers by itself, with a line for each change", async () => {
  const [node] = kafka.cluster.kafka.nodes;
  await using topic = await createTopic(kafka.cluster.bootstrap);
  await node.kill();
  const log = collectLog();
  const changes = () => log.map(({ msg }) => msg);
  await using stack = new AsyncDisposableStack();
  const producer = stack.adopt(makeProducer(kafka.cluster.bootstrap), async (it) => void await closeNow(it));
  const send = async (value: string) => told((await producer.send([{ value }], { topic: topic.name }))[0]);
  await producer.start();
  assert.notEqual(producer.problem, undefined);
  assert.equal(await send("refused"), "rejected kafka retriable");
  await node.start();
  await producer.whenConnected();
  assert.equal(producer.problem, undefined);
  assert.equal(await send("a"), "ok");
  await node.kill();
  const waiting = send("b"); // its topic is known: it waits for Kafka
  await waitFor(() => producer.problem, { what: "the producer to notice", timeout: 20_000 });
  await node.start();
  assert.equal(await waiting, "ok");
  await waitFor(() => producer.problem === undefined, { what: "the producer to see Kafka again", timeout: 20_000 });
  const [down, up] = ["Kafka does not answer; trying again until it does", "Kafka answers"];
  assert.deepEqual(changes().map((line) => line.replace(/ \w+=.*/, "")), [down, up, down, up]);
  assert.deepEqual((await readTopic(kafka.cluster.bootstrap, topic.name)).map(({ value }) => `${value}`), ["a", "b"]);
});

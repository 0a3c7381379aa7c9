// The proxy before a real Kafka, and the independent reader's verdict.

import assert from "node:assert/strict";
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { untilLed } from "./kafka.ts";
import { startProxiedKafka } from "./proxied_kafka.ts";
import { readTopic } from "./reader.ts";
import { waitFor } from "./wait.ts";

Deno.test("faults between kafkajs and a real Kafka do what they say", async (t) => {
  await using cluster = await startProxiedKafka();
  const { proxies: [proxy], bootstrap, direct } = cluster;
  const kafka = new Kafka({
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    requestTimeout: 1_000,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  await admin.connect();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();

  /** A new topic; sends a value to each of its two partitions, and tells both sides of the story. */
  async function send(topic: string) {
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: false });
    await untilLed(admin, topic);
    await producer.send({ topic, messages: [{ partition: 0, value: "warm" }] });
    return async () => {
      const messages = [0, 1].map((partition) => ({ partition, value: `value ${partition}` }));
      const told = await producer.send({ topic, messages }).then(() => "ok", (error) => error);
      const records = await readTopic(bootstrap, topic);
      return { told, log: records.map(({ value }) => `${value}`).filter((it) => it !== "warm") };
    };
  }

  await t.step("clients come through the proxy even if they start at the broker", async () => {
    const around = new Kafka({ brokers: [direct], logLevel: logLevel.NOTHING }).admin();
    await around.connect();
    const { brokers } = await around.describeCluster();
    await around.disconnect();
    assert.deepEqual(brokers.map(({ port }) => port), [proxy.port]);
  });

  await t.step("a dropped produce response: written, but nobody says so", async () => {
    const story = await send("dropped-response");
    using rule = proxy.rule({ api: "Produce", action: { do: "drop", at: "response" } });
    const { told, log } = await story();
    assert.match(`${told}`, /Request Produce.* timed out/);
    assert.deepEqual(log, ["value 0", "value 1"]);
    assert.equal(rule.hits, 1);
  });

  await t.step("a dropped produce request: not written", async () => {
    const story = await send("dropped-request");
    using _ = proxy.rule({ api: "Produce", action: { do: "drop", at: "request" } });
    const { told, log } = await story();
    assert.match(`${told}`, /timed out/);
    assert.deepEqual(log, []);
  });

  await t.step("a produce refused for one partition: the other is written", async () => {
    const story = await send("refused");
    using _ = proxy.rule({ api: "Produce", partition: 1, action: { do: "error", code: 19, forward: false } });
    const { told, log } = await story();
    assert.match(`${told}`, /fewer in-sync replicas/);
    assert.deepEqual(log, ["value 0"]);
  });

  await t.step("a produce forwarded and answered with an error: all is written", async () => {
    const story = await send("written");
    using _ = proxy.rule({ api: "Produce", partition: 1, action: { do: "error", code: 7, forward: true } });
    const { told, log } = await story();
    assert.match(`${told}`, /timed out/);
    assert.deepEqual(log, ["value 0", "value 1"]);
  });

  await t.step("a connection cut after a produce: written, but nobody says so", async () => {
    const story = await send("cut");
    using _ = proxy.rule({ api: "Produce", action: { do: "cut", at: "response", with: "rst" } });
    const { told, log } = await story();
    assert.match(`${told}`, /ECONNRESET/);
    assert.deepEqual(log, ["value 0", "value 1"]);
  });

  await t.step("an error in a fetch stops the one partition that it is for", async () => {
    await (await send("fetched"))();
    using rule = proxy.rule({
      api: "Fetch",
      topic: "fetched",
      partition: 1,
      times: 2,
      action: { do: "error", code: 6, forward: true },
    });
    const patient = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
    const consumer = patient.consumer({ groupId: "fetched", maxWaitTimeInMs: 200 });
    await consumer.connect();
    await consumer.subscribe({ topic: "fetched", fromBeginning: true });
    const values: string[] = [];
    await consumer.run({
      // deno-lint-ignore require-await
      eachMessage: async ({ message }) => void values.push(`${message.value}`),
    });
    await waitFor(() => values.length >= 3, { what: "three records", timeout: 30_000 });
    await consumer.disconnect();
    assert.deepEqual(values.sort(), ["value 0", "value 1", "warm"]);
    assert.equal(rule.hits, 2);
  });

  await producer.disconnect();
  await admin.disconnect();
});

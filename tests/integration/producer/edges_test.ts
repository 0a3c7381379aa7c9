/** What a producer does at its edges: a silent broker at the end, sources that break, callers without types. */
import assert from "node:assert/strict";
import { loadConfig } from "../../../config.ts";
import { Producer, type ProducerRecord } from "../../../producer.ts";
import { createTopic, sharedKafka } from "../../support/kafka.ts";
import { startProxiedKafka } from "../../support/proxied_kafka.ts";
import { readTopic } from "../../support/reader.ts";

function configFor(brokers: string, ...flags: string[]) {
  return loadConfig("produce", { args: ["--brokers", brokers, ...flags], env: () => undefined, envFile: "" });
}

Deno.test("with a silent broker every record has its outcome in time, those behind the first included, and close keeps its deadline", async () => {
  await using kafka = await startProxiedKafka();
  await using topic = await createTopic(kafka.direct, { partitions: 1 });
  const producer = new Producer(configFor(kafka.bootstrap, "--delivery-timeout-ms", "1000"));
  await producer.start();
  await producer.send([{ value: "warm" }], { topic: topic.name });
  kafka.proxies[0].blackhole("response");
  const began = performance.now();
  const outcomeOf = async (value: string) => {
    const [outcome] = await producer.send([{ value }], { topic: topic.name });
    return { status: outcome.status, ms: performance.now() - began };
  };
  const sent = outcomeOf("sent, never answered");
  await kafka.proxies[0].rule({ action: { do: "count" }, api: "Produce" }).hit();
  const waiting = outcomeOf("behind it");
  assert.equal((await sent).status, "unknown");
  assert.equal((await waiting).status, "rejected", "it never left");
  assert.ok((await waiting).ms < 2_500, `answered after ${(await waiting).ms} ms, expected about 1000`);
  const closing = performance.now();
  await producer.close({ deadline: Date.now() + 500 });
  assert.ok(performance.now() - closing < 3_000, "closing does not wait for the broker's silence to end");
  kafka.proxies[0].heal();
});

Deno.test("a stream whose source breaks while calls are under way tells its reader, and delivers what came before", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  const producer = new Producer(configFor(bootstrap));
  await producer.start();
  async function* breaking(): AsyncGenerator<ProducerRecord[]> {
    for (let i = 0; i < 20; i++) yield [{ value: `${i}` }];
    throw new Error("the source broke");
  }
  await assert.rejects(async () => {
    for await (const outcomes of producer.deliver(breaking(), { topic: topic.name })) assert.equal(outcomes.length, 1);
  }, /the source broke/);
  assert.equal(await producer.close({ deadline: Date.now() + 5_000 }), 0);
  assert.equal((await readTopic(bootstrap, topic.name)).length, 20);
});

Deno.test("what is no record is refused alone, without harm to its neighbours", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  const producer = new Producer(configFor(bootstrap));
  await producer.start();
  const records = [
    null,
    { value: "good" },
    { value: "x", headers: {} },
    { value: "x", headers: [null] },
    { value: "x", headers: [[null, "y"]] },
    { value: 7 },
    { value: "x", partition: "0" },
    { value: "x", partition: 1.5 },
    { value: "x", partition: 99 },
    { value: "x", timestamp: -1 },
  ] as ProducerRecord[];
  const outcomes = await producer.send(records, { topic: topic.name });
  assert.deepEqual(outcomes.map(({ status }) => status), [
    "rejected",
    "acknowledged",
    ...new Array(8).fill("rejected"),
  ]);
  await producer.close({ deadline: Date.now() + 5_000 });
  assert.equal((await readTopic(bootstrap, topic.name)).length, 1);
});

// What a producer does when brokers die, freeze, get slow, or hand their partitions over, in a cluster of three.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { LocalNode } from "../../../dev/local_kafka.ts";
import { withAdmin } from "../../support/kafka.ts";
import { waitFor } from "../../support/wait.ts";
import { kafkaOfFile, load, type Stage, told } from "./producer_test_util.ts";

const kafka = kafkaOfFile({ brokers: 3, heap: "400m" });

/** How long brokers and their clients may take to agree on new leaders, on a busy machine, in ms. */
const TIMEOUT = 60_000;
/** Three partitions on these brokers; the first of them leads. One of them is enough to write. */
const on = (...replicas: number[]) => ({ assignment: [replicas, replicas, replicas], config: ONE_IS_ENOUGH });
const ONE_IS_ENOUGH = { "min.insync.replicas": "1" };
const EACH_ITS_OWN = { assignment: [[1], [2], [3]], config: ONE_IS_ENOUGH };

function broker(id: number): LocalNode {
  return kafka.cluster.kafka.nodes.find((node) => node.id === id)!;
}

function proxyOf(id: number) {
  return kafka.cluster.proxies[kafka.cluster.kafka.nodes.indexOf(broker(id))];
}

/** Records by twelve writers, until disposed of. */
function underLoad({ history }: Stage) {
  const ended = new AbortController();
  const sending = load(history, { keys: 12, until: ended.signal, pauseMs: 5 });
  return {
    /** Resolves when all partitions have acknowledged some more. */
    async goesOn(): Promise<void> {
      const from = history.events.length;
      const partitions = () => new Set(history.events.slice(from).map(({ partition }) => partition ?? -1));
      const all = () => [0, 1, 2].every((partition) => partitions().has(partition));
      await waitFor(all, { what: "records to be acknowledged in all partitions", timeout: TIMEOUT });
    },
    async end(): Promise<void> {
      ended.abort();
      await sending;
    },
  };
}

/** All that was told is true, nothing took so long that it was given up, and what is unknown is counted. */
async function held(stage: Stage): Promise<void> {
  const { acknowledged, refused, unknown } = await stage.verdict({ unknownTwice: "refuse" });
  assert.ok(acknowledged > 100, `${acknowledged} records`);
  for (const [outcome, count] of Object.entries({ acknowledged, rejected: refused, unknown })) {
    assert.equal(await stage.metric(`records_total{outcome="${outcome}"}`), count, outcome);
  }
  assert.deepEqual([refused, unknown], [0, 0], `others lead long before 30 s are over: ${stage.history.firstError}`);
}

Deno.test("a broker is killed and comes back, another is frozen for 20 s, and connections to the third live 0.5 to 1.5 s for 30 s", async (t) => {
  const brief = (async () => {
    await using stage = await kafka.stage([], on(1));
    const writers = underLoad(stage);
    proxyOf(1).connectionLife({ min: 500, max: 1_500 });
    const before = proxyOf(1).stats.connections.total;
    await sleep(30_000);
    await writers.end();
    proxyOf(1).connectionLife({ min: 3_600_000, max: 3_600_000 });
    assert.ok(proxyOf(1).stats.connections.total > before + 20);
    await held(stage);
  })();
  await t.step("killed in mid-load and started again", async () => {
    await using stage = await kafka.stage([], on(3, 2));
    const writers = underLoad(stage);
    await writers.goesOn();
    await broker(3).kill();
    await writers.goesOn();
    await broker(3).start({ brokers: 3 });
    await writers.goesOn();
    await writers.end();
    await held(stage);
  });
  await t.step("frozen for 20 s", async () => {
    await using stage = await kafka.stage([], on(2, 3));
    const writers = underLoad(stage);
    await writers.goesOn();
    broker(2).signal("SIGSTOP");
    try {
      await sleep(20_000);
      await writers.goesOn(); // the third one leads
    } finally {
      broker(2).signal("SIGCONT");
    }
    await writers.goesOn();
    await writers.end();
    await held(stage);
  });
  await t.step("short connections", () => brief);
});

/** Sends one record to each partition. */
async function toEach({ history }: Stage, value: string): Promise<string[]> {
  return (await history.send([0, 1, 2].map((p) => ({ key: `${p}`, value: `${value} ${p}`, partition: p })))).map(told);
}

async function move(topic: string, { partition, to }: { partition: number; to: number }): Promise<void> {
  await withAdmin(kafka.cluster.bootstrap, async (admin) => {
    const partitionAssignment = [{ partition, replicas: [to] }];
    await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
    const leads = async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0].partitions.find(({ partitionId }) => partitionId === partition)?.leader === to;
    };
    await waitFor(leads, { what: `broker ${to} to lead partition ${partition}`, timeout: TIMEOUT });
  });
}

Deno.test("under load a partition moves to a broker that has acknowledged its part of a call: the rest is sent there, once", async () => {
  await using stage = await kafka.stage([], EACH_ITS_OWN);
  const { history, topic } = stage;
  const writers = underLoad(stage);
  await writers.goesOn();
  using late = proxyOf(1).rule({ api: "Produce", topic, times: 1, action: { do: "hold", at: "request" } });
  await late.hit();
  const moving = toEach(stage, "moving");
  const others = [1, 2].map((partition) => ({ key: `${partition}`, value: `others ${partition}`, partition }));
  assert.deepEqual(
    (await history.send(others)).map(told),
    ["ok", "ok"],
    "so the two before them are acknowledged, too",
  );
  await move(topic, { partition: 0, to: 2 });
  late.release();
  assert.deepEqual(await moving, ["ok", "ok", "ok"]);
  await writers.goesOn();
  await writers.end();
  await held(stage);
  assert.ok(
    await stage.metric('retries_total{error="NOT_LEADER_FOR_PARTITION"}') > 0,
    "broker 1 was asked, and refused",
  );
});

Deno.test("one broker is slow and another fails: the third goes on, and each record is in the log once", async () => {
  await using stage = await kafka.stage([], EACH_ITS_OWN);
  const { history, topic } = stage;
  assert.deepEqual(await toEach(stage, "before"), ["ok", "ok", "ok"]);
  using slow = proxyOf(1).rule({ api: "Produce", topic, action: { do: "hold", at: "response" } });
  using failing = proxyOf(2).rule({
    api: "Produce",
    topic,
    times: 3,
    action: { do: "cut", at: "response", with: "rst" },
  });
  const call = toEach(stage, "call");
  await Promise.all([slow.hit(), failing.hit(3)]);
  for (const value of ["a", "b", "c"]) {
    assert.deepEqual((await history.send([{ key: "2", value, partition: 2 }])).map(told), ["ok"]);
  }
  assert.equal(history.count("ok"), 3 + 3, "the call waits for the slow one");
  slow.release();
  assert.deepEqual(await call, ["ok", "ok", "ok"]);
  await stage.verdict();
});

// A broker that asks for a pause (KIP-219), one that gives no producer ids, one that is busy, and records behind them.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Rule } from "../../support/proxy_rules.ts";
import { kafkaOfFile, told } from "./producer_test_util.ts";

const kafka = kafkaOfFile();

const SOON = ["--delivery-timeout-ms", "2000"];

/** When a rule has acted, by a clock that never goes back. */
function timeOf(rule: Rule): Promise<number> {
  return rule.hit().then(() => performance.now());
}

Deno.test("a broker that asks for a pause gets no produce requests in it, and order is kept", async () => {
  await using stage = await kafka.stage();
  const onProduce = { api: "Produce", topic: stage.topic } as const;
  using throttle = kafka.proxy.rule({ ...onProduce, times: 1, action: { do: "throttle", ms: 800 } });
  const asked = timeOf(throttle);
  assert.deepEqual(await stage.send("a"), ["ok"]);
  using next = kafka.proxy.rule({ ...onProduce, action: { do: "count" } });
  const resumed = timeOf(next);
  const rest = [stage.send("b"), stage.send("c"), sleep(200).then(() => stage.send("d"))];
  assert.deepEqual((await Promise.all(rest)).flat(), ["ok", "ok", "ok"]);
  assert.ok(await resumed - await asked > 780);
  assert.deepEqual(await stage.log(), ["a", "b", "c", "d"]);
  await stage.verdict();
});

Deno.test("what waits for a pause to end until its deadline is not written", async () => {
  await using stage = await kafka.stage(SOON);
  using throttle = kafka.proxy.rule({
    api: "Produce",
    topic: stage.topic,
    times: 1,
    action: { do: "throttle", ms: 2_500 },
  });
  const a = stage.send("a");
  await throttle.hit();
  assert.deepEqual(await a, ["ok"]);
  const [outcome] = await stage.history.send([{ key: "k", value: "b", partition: 0 }]);
  assert.equal(told(outcome), "rejected timed-out retriable");
  assert.match(outcome.status === "rejected" ? outcome.error.message : "", /takes no more requests for now/);
  assert.deepEqual(await stage.send("c"), ["ok"]);
  assert.deepEqual(await stage.log(), ["a", "c"]);
  await stage.verdict();
});

Deno.test("a failure during a pause does not end it", async () => {
  await using stage = await kafka.stage([], { partitions: 2 });
  const { topic, history } = stage;
  assert.deepEqual(await stage.send("before"), ["ok"]);
  const onProduce = { api: "Produce", topic, times: 1 } as const;
  using both = kafka.proxy.rule({ ...onProduce, action: { do: "hold", at: "request" } });
  using throttle = kafka.proxy.rule({ ...onProduce, partition: 0, action: { do: "throttle", ms: 1_500 } });
  using lost = kafka.proxy.rule({ ...onProduce, partition: 1, action: { do: "drop", at: "response" } });
  const asked = timeOf(throttle);
  const a = stage.send("a");
  await both.hit();
  const other = history.send([{ value: "other", partition: 1 }]); // leaves at once, and is held up behind it
  await sleep(50);
  both.release();
  await Promise.all([throttle.hit(), lost.hit()]);
  assert.deepEqual(await a, ["ok"]);
  kafka.proxy.cutAll();
  using next = kafka.proxy.rule({ api: "Produce", topic, action: { do: "count" } });
  const resumed = timeOf(next);
  assert.deepEqual((await other).map(told), ["ok"]);
  assert.ok(await resumed - await asked > 1_480, "the pause goes on");
  await stage.verdict();
});

Deno.test("a pause that comes with metadata holds up nothing", async () => {
  await using stage = await kafka.stage();
  const when = ({ version }: { version: number }) => version === 6; // the producer's, not the reader's
  using throttle = kafka.proxy.rule({ api: "Metadata", when, action: { do: "throttle", ms: 20_000 } });
  const began = performance.now();
  for (const value of ["a", "b", "c"]) assert.deepEqual(await stage.send(value), ["ok"]);
  assert.ok(throttle.hits > 0);
  assert.ok(performance.now() - began < 15_000);
  assert.deepEqual(await stage.log(), ["a", "b", "c"]);
});

for (const code of [14, 15, -1]) {
  Deno.test(`error ${code} instead of a producer id: asked again until there is one`, async () => {
    await using stage = await kafka.stage();
    using refused = kafka.proxy.rule({
      api: "InitProducerId",
      times: 3,
      action: { do: "error", code, forward: false },
    });
    assert.deepEqual(await stage.send("a", "b"), ["ok", "ok"]);
    assert.equal(refused.hits, 3);
    assert.deepEqual(await stage.log(), ["a", "b"]);
  });
}

Deno.test("without a producer id nothing is sent: not written, and the message tells why", async () => {
  await using stage = await kafka.stage(SOON);
  using refused = kafka.proxy.rule({ api: "InitProducerId", action: { do: "error", code: 31, forward: false } });
  using sent = kafka.proxy.rule({ api: "Produce", action: { do: "count" } });
  const [outcome] = await stage.history.send([{ value: "a", key: "k", partition: 0 }]);
  assert.equal(told(outcome), "rejected timed-out retriable");
  assert.match(outcome.status === "rejected" ? outcome.error.message : "", /no producer id/);
  assert.equal(sent.hits, 0, "not without idempotence");
  refused[Symbol.dispose]();
  await kafka.proxy.rule({ api: "InitProducerId", action: { do: "count" } }).hit(); // it goes on to ask
  assert.deepEqual(await stage.send("b"), ["ok"]);
  assert.deepEqual(await stage.log(), ["b"]);
});

Deno.test("a connection that is lost while a producer id is asked for costs nothing", async () => {
  await using stage = await kafka.stage();
  using _ = kafka.proxy.rule({ api: "InitProducerId", times: 2, action: { do: "cut", at: "response", with: "rst" } });
  assert.deepEqual(await stage.send("a"), ["ok"]);
  assert.deepEqual(await stage.log(), ["a"]);
});

Deno.test("a partition that waits for a fresh producer id does not hold up the others", async () => {
  await using stage = await kafka.stage(["--delivery-timeout-ms", "5000"], { partitions: 2 });
  const { topic, history } = stage;
  const send = (value: string, partition: number) => history.send([{ value, key: `${partition}`, partition }]);
  for (const partition of [0, 1]) assert.deepEqual((await send("before " + partition, partition)).map(told), ["ok"]);
  using _lost = kafka.proxy.rule({
    api: "Produce",
    topic,
    partition: 1,
    times: 1,
    action: { do: "error", code: 45, forward: false },
  });
  using held = kafka.proxy.rule({ api: "InitProducerId", times: 1, action: { do: "error", code: 14, forward: false } });
  const behind = send("a", 1).then(() => Promise.all([send("b", 1), send("c", 1)]));
  await held.hit();
  for (const value of ["x", "y", "z"]) assert.deepEqual((await send(value, 0)).map(told), ["ok"]);
  assert.deepEqual((await behind).flat().map(told), ["ok", "ok"]);
  assert.deepEqual(await stage.log(), ["before 0", "x", "y", "z", "before 1", "b", "c"]);
  const { unknown } = await stage.verdict();
  assert.equal(unknown, 1);
  assert.equal(await stage.metric("identity_resets_total"), 1);
});

Deno.test("what is small gathers behind a busy broker, and leaves before its answer", async () => {
  await using stage = await kafka.stage([], { partitions: 3 });
  const { topic, history } = stage;
  const onProduce = { api: "Produce", topic } as const;
  const send = async (count: number, partition: number, name: string) => {
    const records = Array.from({ length: count }, (_, i) => ({ partition, value: `${name}/${i}` }));
    assert.deepEqual(new Set((await history.send(records)).map(told)), new Set(["ok"]));
  };
  /** How many requests carry two records that come one after the other while one with so many is unanswered. */
  const requestsBehind = async (busyWith: number, name: string) => {
    using hold = kafka.proxy.rule({ ...onProduce, partition: 0, times: 1, action: { do: "hold", at: "response" } });
    const busy = send(busyWith, 0, `${name} held`);
    await hold.hit();
    using seen = kafka.proxy.rule({ ...onProduce, action: { do: "count" } });
    const first = send(1, 1, `${name} first`);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const second = send(1, 2, `${name} second`);
    await seen.hit(1, { timeout: 5_000 }); // nothing is answered yet, nor has it timed out
    hold.release();
    await Promise.all([busy, first, second]);
    return seen.hits;
  };
  assert.equal(await requestsBehind(1, "idle"), 2);
  // A machine that is busy itself may take longer than the wait between the two.
  let requests = 2;
  for (let attempt = 0; requests > 1 && attempt < 20; attempt++) requests = await requestsBehind(8, `busy ${attempt}`);
  assert.equal(requests, 1);
  await stage.verdict();
});

// Connections that lose answers, break off, or fall silent.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../support/wait.ts";
import { kafkaOfFile, type Stage, told } from "./producer_test_util.ts";

const kafka = kafkaOfFile();

/** A request may take a third of it, but always a second. */
const THREE_ATTEMPTS = ["--delivery-timeout-ms", "3000"];
const ONE_ATTEMPT = ["--delivery-timeout-ms", "900"];

/** A rule for what the producer of a stage produces. */
function onProduce(stage: Stage, options: Parameters<typeof kafka.proxy.rule>[0]) {
  return kafka.proxy.rule({ api: "Produce", topic: stage.topic, ...options });
}

/** Sends b and c when a has left, so that they wait behind it. */
async function sendThree(stage: Stage, left: Promise<void>): Promise<string[]> {
  const a = stage.send("a");
  await left;
  const [b, c] = [stage.send("b"), stage.send("c")];
  return [...await a, ...await b, ...await c];
}

for (const times of [1, 2]) {
  Deno.test(`${times} lost answers, with sends waiting behind: each record once, in order`, async () => {
    await using stage = await kafka.stage(THREE_ATTEMPTS);
    using lost = onProduce(stage, { times, action: { do: "drop", at: "response" } });
    assert.deepEqual(await sendThree(stage, lost.hit()), ["ok", "ok", "ok"]);
    assert.equal(lost.hits, times);
    assert.deepEqual(await stage.log(), ["a", "b", "c"]);
    await stage.verdict();
    assert.equal(await stage.metric("identity_resets_total"), 0);
  });
}

for (const at of ["request", "response"] as const) {
  for (const ending of ["rst", "fin"] as const) {
    for (const bytes of [0, "half"] as const) {
      Deno.test(`a connection that ends (${ending}) ${bytes === 0 ? "before" : "in the middle of"} a ${at} costs nothing`, async () => {
        await using stage = await kafka.stage(THREE_ATTEMPTS);
        using cut = onProduce(stage, { times: 2, action: { do: "cut", at, with: ending, bytes } });
        assert.deepEqual(await sendThree(stage, cut.hit()), ["ok", "ok", "ok"]);
        assert.deepEqual(await stage.log(), ["a", "b", "c"]);
        await stage.verdict();
      });
    }
  }
}

Deno.test("a record that was given up is unknown, and the next one is not taken for it", async () => {
  await using stage = await kafka.stage(ONE_ATTEMPT);
  using lost = onProduce(stage, { action: { do: "drop", at: "response" } });
  assert.deepEqual(await stage.send("a"), ["unknown timed-out"]);
  lost[Symbol.dispose]();
  await stage.idle();
  assert.deepEqual(await stage.send("b"), ["ok"]);
  assert.deepEqual(await stage.log(), ["a", "b"]);
  await stage.verdict({ unknownTwice: "refuse" });
  assert.equal(await stage.metric("identity_resets_total"), 1);
});

Deno.test("what waits behind a lost answer is told in its own time: never sent, not written", async () => {
  await using stage = await kafka.stage(ONE_ATTEMPT);
  using lost = onProduce(stage, { action: { do: "drop", at: "response" } });
  const a = stage.send("a");
  await lost.hit();
  await sleep(50);
  assert.deepEqual(await stage.send("b"), ["rejected timed-out retriable"]);
  assert.deepEqual(await a, ["unknown timed-out"]);
  lost[Symbol.dispose]();
  await stage.idle();
  assert.deepEqual(await stage.send("c"), ["ok"]);
  assert.deepEqual(await stage.log(), ["a", "c"]);
  await stage.verdict();
});

for (const direction of ["request", "response", "both"] as const) {
  Deno.test(`a black hole (${direction}) past the deadline: unknown, at most once in the log when it heals, and later ones are safe`, async () => {
    await using stage = await kafka.stage(ONE_ATTEMPT);
    assert.deepEqual(await stage.send("before"), ["ok"]);
    kafka.proxy.blackhole(direction);
    const [a, b] = await Promise.all([stage.send("a"), sleep(50).then(() => stage.send("b"))]);
    assert.deepEqual(a, ["unknown timed-out"]);
    assert.deepEqual(b, ["rejected timed-out retriable"]);
    await stage.idle();
    kafka.proxy.heal();
    await waitFor(() => stage.producer.problem === undefined, { what: "the producer to see Kafka again" });
    for (const value of ["c", "d"]) assert.deepEqual(await stage.send(value), ["ok"]);
    await stage.verdict({ unknownTwice: "refuse" });
    const log = await stage.log();
    assert.deepEqual(log.filter((value) => value !== "a"), ["before", "c", "d"]);
  });
}

Deno.test("a broker that has failed again and again is left alone for a while, also by partitions that have not failed on it", async () => {
  await using stage = await kafka.stage([], { partitions: 2 });
  const failures = 6; // after which at least 320 ms are to pass
  using failing = onProduce(stage, { times: failures, action: { do: "cut", at: "request", with: "rst" } });
  const failed = failing.hit(failures).then(() => performance.now());
  const first = stage.send("first");
  await failed;
  await waitFor(async () => await stage.metric('retries_total{error="NO_ANSWER"}') === failures, {
    what: "the producer to notice the last failure",
  });
  using next = onProduce(stage, { action: { do: "count" } });
  const resumed = next.hit().then(() => performance.now());
  const [other] = await stage.history.send([{ value: "other", partition: 1 }]);
  assert.equal(told(other), "ok");
  const pause = await resumed - await failed;
  assert.ok(pause > 310, `${Math.round(pause)} ms`);
  assert.deepEqual(await first, ["ok"]);
  await stage.verdict();
});

Deno.test("a request that times out closes its connection: what the network still held never arrives", async () => {
  // Without idempotence nothing else would keep a late copy out.
  await using stage = await kafka.stage([...THREE_ATTEMPTS, "--no-idempotence"]);
  using held = onProduce(stage, { times: 1, action: { do: "hold", at: "request" } });
  assert.deepEqual(await stage.send("a"), ["ok"]);
  held.release();
  await sleep(200);
  assert.deepEqual(await stage.send("b"), ["ok"]);
  assert.deepEqual(await stage.log(), ["a", "b"]);
  await stage.verdict();
});

// What brokers answer to a batch, once or for ever, whether they have written it or not.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { refusal } from "../../support/kafka_errors.ts";
import type { Request } from "../../support/proxy.ts";
import { kafkaOfFile, sideBySide, type Stage } from "./producer_test_util.ts";

const kafka = kafkaOfFile();

/** Answers every produce request of a topic with an error, or just the first `times`. */
function answer(topic: string, code: number, { forward, times }: { forward: boolean; times?: number }) {
  return kafka.proxy.rule({ api: "Produce", topic, times, action: { do: "error", code, forward } });
}

/** Long enough for what follows a failure, on a busy machine, too: it has the same deadline. */
const DEADLINE = ["--delivery-timeout-ms", "2000"];
/** Who is asked to wait so long has no attempt under way when the deadline comes. */
const PAUSE_MS = 2_500;

/** Refuses what comes next, and asks for no more requests until after the deadline. */
function refuseAndPause(topic: string, code: number) {
  const body = (request: Request) => paused(Buffer.from(refusal(request, code)));
  return kafka.proxy.rule({ api: "Produce", topic, times: 1, action: { do: "answer", body } });
}

/** The same, but what comes next is written, and the answer has the offset. */
function writeRefuseAndPause(topic: string, code: number) {
  const body = (response: Buffer) => {
    response.writeInt16BE(code, 4 + 2 + topic.length + 4 + 4); // after one topic's name and one partition's number
    return paused(response);
  };
  return kafka.proxy.rule({ api: "Produce", topic, times: 1, action: { do: "rewrite", body } });
}

/** The throttle time is the last field of a Produce response. */
function paused(response: Buffer): Buffer {
  response.writeInt32BE(PAUSE_MS, response.length - 4);
  return response;
}

/** Whatever came before: the next record is written and acknowledged, and all that was told is true. */
async function goesOn(stage: Stage, logged: string[]): Promise<void> {
  assert.deepEqual(await stage.send("after"), ["ok"]);
  assert.deepEqual(await stage.log(), [...logged, "after"]);
  await stage.verdict();
  assert.equal(await stage.metric("buffer_bytes"), 0);
  assert.equal(await stage.metric("buffer_records"), 0);
}

for (const forward of [false, true]) {
  const how = forward
    ? "written, but answered with an error that may pass, is"
    : "refused with an error that may pass is";
  Deno.test(`a batch ${how} sent again, and is in the log once`, () =>
    sideBySide([-1, 2, 3, 5, 6, 7, 19, 20, 56], async (code) => {
      await using stage = await kafka.stage();
      using rule = answer(stage.topic, code, { forward, times: 1 });
      assert.deepEqual(await stage.send("a", "b"), ["ok", "ok"]);
      assert.equal(rule.hits, 1);
      await goesOn(stage, ["a", "b"]);
      assert.equal(await stage.metric("identity_resets_total"), 0);
    }));
}

Deno.test("attempts that failed are counted by Kafka's name of the error", async () => {
  await using stage = await kafka.stage();
  using _leader = answer(stage.topic, 6, { forward: false, times: 2 });
  using _replicas = answer(stage.topic, 19, { forward: false, times: 1 });
  using _lost = kafka.proxy.rule({ api: "Produce", times: 1, action: { do: "cut", at: "response", with: "fin" } });
  assert.deepEqual(await stage.send("a"), ["ok"]);
  assert.equal(await stage.metric('retries_total{error="NOT_LEADER_FOR_PARTITION"}'), 2);
  assert.equal(await stage.metric('retries_total{error="NOT_ENOUGH_REPLICAS"}'), 1);
  assert.equal(await stage.metric('retries_total{error="NO_ANSWER"}'), 1);
  assert.equal(await stage.metric('records_total{outcome="acknowledged"}'), 1);
  await goesOn(stage, ["a"]);
});

Deno.test("a batch that is refused until its deadline is not written", () =>
  sideBySide([2, 3, 5, 6, 19, 56], async (code) => {
    await using stage = await kafka.stage(DEADLINE);
    using first = answer(stage.topic, code, { forward: false, times: 2 });
    using last = refuseAndPause(stage.topic, code);
    assert.deepEqual(await stage.send("a"), ["rejected timed-out retriable"]);
    assert.deepEqual([first.hits, last.hits], [2, 1]);
    await goesOn(stage, []);
    assert.equal(await stage.metric("identity_resets_total"), 0);
    assert.equal(await stage.metric('records_total{outcome="rejected"}'), 1);
  }));

Deno.test("a batch answered with errors that do not tell, until its deadline, is unknown, and nothing after it suffers", () => {
  const cases = [-1, 7, 20].flatMap((code) => [{ code, forward: true }, { code, forward: false }]);
  return sideBySide(cases, async ({ code, forward }) => {
    await using stage = await kafka.stage(DEADLINE);
    using rule = answer(stage.topic, code, { forward });
    assert.deepEqual(await stage.send("a"), ["unknown timed-out"]);
    assert.ok(rule.hits > 1, "it was sent again and again");
    rule[Symbol.dispose]();
    await goesOn(stage, forward ? ["a"] : []);
    assert.equal(await stage.metric("identity_resets_total"), 1);
    assert.equal(await stage.metric('records_total{outcome="unknown"}'), 1);
  });
});

Deno.test("a batch answered with an error and an offset was written, and is unknown at its deadline", () =>
  sideBySide([3, 6, 56], async (code) => {
    await using stage = await kafka.stage(DEADLINE);
    using _ = writeRefuseAndPause(stage.topic, code);
    assert.deepEqual(await stage.send("a"), ["unknown timed-out"]);
    await goesOn(stage, ["a"]);
    assert.equal(await stage.metric("identity_resets_total"), 1);
  }));

for (const forward of [false, true]) {
  const how = forward ? "written, but answered" : "refused";
  Deno.test(`a batch ${how} with a doubt of its sequence is unknown at once, and the next has a fresh producer id`, () =>
    sideBySide([45, 46, 47, 59], async (code) => {
      await using stage = await kafka.stage();
      assert.deepEqual(await stage.send("before"), ["ok"]);
      using rule = answer(stage.topic, code, { forward, times: 1 });
      const [a, b] = await Promise.all([stage.send("a"), rule.hit().then(() => stage.send("b"))]);
      assert.deepEqual([a, b], [[`unknown kafka ${code}`], ["ok"]]);
      await goesOn(stage, forward ? ["before", "a", "b"] : ["before", "b"]);
      assert.equal(await stage.metric("identity_resets_total"), 1);
      assert.equal(await stage.metric('records_total{outcome="unknown"}'), 1);
    }));
}

const FINAL = [[17, "unknown-topic"], [29, "not-authorized"], [87, "invalid-record"]] as const;
Deno.test("a batch refused for good is not written, and is not tried again", () =>
  sideBySide(FINAL, async ([code, failure]) => {
    await using stage = await kafka.stage();
    using rule = answer(stage.topic, code, { forward: false, times: 1 });
    const [a, b] = await Promise.all([stage.send("a"), rule.hit().then(() => stage.send("b"))]);
    assert.deepEqual([a, b], [[`rejected ${failure} ${code}`], ["ok"]]);
    await goesOn(stage, ["b"]);
    assert.equal(await stage.metric("identity_resets_total"), 0);
  }));

Deno.test("a batch whose answer is lost, and that is only refused afterwards, is unknown at its deadline", async () => {
  await using stage = await kafka.stage(DEADLINE);
  const rule = { api: "Produce", topic: stage.topic } as const;
  using _lost = kafka.proxy.rule({ ...rule, times: 1, action: { do: "cut", at: "response", with: "rst" } });
  using refused = kafka.proxy.rule({ ...rule, skip: 1, action: { do: "error", code: 19, forward: false } });
  assert.deepEqual(await stage.send("a"), ["unknown timed-out"]);
  refused[Symbol.dispose]();
  await goesOn(stage, ["a"]);
  assert.equal(await stage.metric("identity_resets_total"), 1);
});

Deno.test("a batch that may have been written, and is then refused for good, is unknown", async () => {
  await using stage = await kafka.stage();
  const { topic } = stage;
  using _first = answer(topic, 7, { forward: true, times: 1 });
  const action = { do: "error", code: 10, forward: false } as const;
  using _second = kafka.proxy.rule({ api: "Produce", topic, skip: 1, times: 1, action });
  assert.deepEqual(await stage.send("a", "b"), ["unknown too-large 10", "unknown too-large 10"]);
  await goesOn(stage, ["a", "b"]);
});

Deno.test("a batch that is too large is cut in halves, down to the one record that is", async () => {
  await using stage = await kafka.stage([], { config: { "max.message.bytes": "2000" } });
  const large = "x".repeat(3_000);
  const outcomes = await stage.send("a", "b", "c", large, "d", "e", "f");
  assert.deepEqual(outcomes, ["ok", "ok", "ok", "rejected too-large 10", "ok", "ok", "ok"]);
  await goesOn(stage, ["a", "b", "c", "d", "e", "f"]);
});

Deno.test("the half of a batch is sent again like any other, and each record once", async () => {
  await using stage = await kafka.stage([], { config: { "max.message.bytes": "2000" } });
  using _lost = kafka.proxy.rule({
    api: "Produce",
    topic: stage.topic,
    skip: 1, // the whole is refused before
    times: 2,
    action: { do: "cut", at: "response", with: "rst" },
  });
  const values = Array.from({ length: 30 }, (_, i) => `${i} ${"x".repeat(100)}`);
  assert.deepEqual(await stage.send(...values), values.map(() => "ok"));
  await goesOn(stage, values);
});

Deno.test("one partition without enough replicas does not hold up the others", async () => {
  await using stage = await kafka.stage(DEADLINE, { partitions: 3 });
  const { history } = stage;
  const send = (values: string[]) => history.send(values.map((value, i) => ({ value, key: `key ${i}`, partition: i })));
  using rule = kafka.proxy.rule({
    api: "Produce",
    topic: stage.topic,
    partition: 1,
    action: { do: "error", code: 19, forward: false },
  });
  const stuck = send(["a0", "a1", "a2"]);
  for (let n = 0; n < 5; n++) {
    const outcomes = await history.send([{ value: `n${n}`, partition: 0 }, { value: `m${n}`, partition: 2 }]);
    assert.deepEqual(outcomes.map(({ status }) => status), ["acknowledged", "acknowledged"]);
  }
  assert.deepEqual((await stuck).map(({ status }) => status), ["acknowledged", "rejected", "acknowledged"]);
  rule[Symbol.dispose]();
  assert.deepEqual((await send(["b0", "b1", "b2"])).map(({ status }) => status), Array(3).fill("acknowledged"));
  const { refused } = await stage.verdict();
  assert.equal(refused, 1);
});

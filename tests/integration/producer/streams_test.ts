// deliver(): a stream of records in, a stream of outcomes out.

import assert from "node:assert/strict";
import type { Outcome, ProducerRecord } from "../../../producer.ts";
import { waitFor } from "../../support/wait.ts";
import { kafkaOfFile, type Stage, told } from "./producer_test_util.ts";

const kafka = kafkaOfFile();

/** Four records of 500 bytes, or two batches. */
const TINY_BUFFER = ["--buffer-bytes", "2400", "--batch-bytes", "1200"];

/** Calls of one record each, numbered, and a count of those that were asked for. */
function source(name: string, count: number) {
  const state = { taken: 0, ended: false };
  async function* chunks(): AsyncGenerator<ProducerRecord[]> {
    try {
      for (; state.taken < count; await Promise.resolve()) {
        yield [{ key: name, value: `${name} ${state.taken++}`.padEnd(400, "."), partition: 0 }];
      }
    } finally {
      state.ended = true;
    }
  }
  return { state, chunks };
}

async function drain(outcomes: AsyncIterable<Outcome[]>): Promise<Outcome[]> {
  const all: Outcome[] = [];
  for await (const some of outcomes) all.push(...some);
  return all;
}

function offsetsOf(outcomes: Outcome[]): number[] {
  return outcomes.map((outcome) => outcome.status === "acknowledged" ? outcome.offset : -1);
}

/** The first word and the number of each value in the log. */
async function logOf(stage: Stage): Promise<string[]> {
  return (await stage.log()).map((value) => value.replace(/\.+$/, ""));
}

Deno.test("a stream waits for room in the buffer, and its outcomes come in the order of its records", async () => {
  await using stage = await kafka.stage(TINY_BUFFER);
  using held = kafka.proxy.rule({ api: "Produce", topic: stage.topic, action: { do: "hold", at: "response" } });
  const { state, chunks } = source("a", 100);
  const all = drain(stage.producer.deliver(chunks(), { topic: stage.topic }));
  await held.hit();
  const stuck = async () => await stage.metric("buffer_bytes") > 1_500;
  await waitFor(stuck, { what: "the buffer to be full" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(state.taken <= 7, `${state.taken} records were taken from the source; the buffer holds 5`);
  held.release();
  const outcomes = await all;
  assert.deepEqual(offsetsOf(outcomes), Array.from({ length: 100 }, (_, i) => i));
  assert.deepEqual(await logOf(stage), Array.from({ length: 100 }, (_, i) => `a ${i}`));
  assert.equal(state.ended, true);
});

Deno.test("streams that share a small buffer refuse nothing, and keep their order each", async () => {
  await using stage = await kafka.stage(TINY_BUFFER);
  const names = ["a", "b", "c", "d"];
  const told_ = await Promise.all(names.map(async (name) => {
    const outcomes = await drain(stage.producer.deliver(source(name, 50).chunks(), { topic: stage.topic }));
    return outcomes.map(told);
  }));
  assert.deepEqual(new Set(told_.flat()), new Set(["ok"]));
  const log = await logOf(stage);
  for (const name of names) {
    const own = log.filter((value) => value.startsWith(name));
    assert.deepEqual(own, Array.from({ length: 50 }, (_, i) => `${name} ${i}`));
  }
});

Deno.test("a stream that fails in its middle goes on, and tells it in its place", async () => {
  await using stage = await kafka.stage();
  async function* chunks(): AsyncGenerator<ProducerRecord[]> {
    yield [{ value: "a", partition: 0 }];
    yield [{ value: "b", partition: 99 }, { value: "c", partition: 0 }];
    await Promise.resolve();
    yield [{ value: "d", partition: 0 }];
  }
  const outcomes = await drain(stage.producer.deliver(chunks(), { topic: stage.topic }));
  assert.deepEqual(outcomes.map(told), ["ok", "rejected unknown-partition", "ok", "ok"]);
  assert.deepEqual(await stage.log(), ["a", "c", "d"]);
});

Deno.test("a stream's records survive lost connections, in order", async () => {
  await using stage = await kafka.stage(["--batch-bytes", "1200"]);
  using _ = kafka.proxy.rule({
    api: "Produce",
    topic: stage.topic,
    chance: 0.3,
    times: 30,
    action: { do: "cut", at: "response", with: "rst" },
  });
  const outcomes = await drain(stage.producer.deliver(source("a", 150).chunks(), { topic: stage.topic }));
  assert.deepEqual(new Set(outcomes.map(told)), new Set(["ok"]));
  assert.deepEqual(await logOf(stage), Array.from({ length: 150 }, (_, i) => `a ${i}`));
});

Deno.test("whoever reads no further ends the source, and what was taken from it is delivered", async () => {
  await using stage = await kafka.stage();
  const { state, chunks } = source("a", 1_000);
  for await (const outcomes of stage.producer.deliver(chunks(), { topic: stage.topic })) {
    assert.deepEqual(outcomes.map(told), ["ok"]);
    break;
  }
  assert.equal(state.ended, true);
  assert.equal(await stage.producer.flush({ deadline: Date.now() + 5_000 }), 0);
  const log = await logOf(stage);
  assert.deepEqual(log, Array.from({ length: log.length }, (_, i) => `a ${i}`));
  assert.ok(log.length >= 1 && log.length <= state.taken);
});

Deno.test("a stream to a topic that does not exist tells it for every record", async () => {
  await using stage = await kafka.stage();
  const outcomes = await drain(stage.producer.deliver(source("a", 3).chunks(), { topic: "there-is-no-such-topic" }));
  assert.deepEqual(outcomes.map(told), Array(3).fill("rejected unknown-topic 3"));
});

Deno.test("a stream whose source breaks while calls are under way tells its reader, and delivers what came before", async () => {
  await using stage = await kafka.stage();
  async function* breaking(): AsyncGenerator<ProducerRecord[]> {
    for (let i = 0; i < 20; i++) yield [{ value: `${i}`, partition: 0 }];
    await Promise.reject(new Error("the source broke"));
  }
  await assert.rejects(drain(stage.producer.deliver(breaking(), { topic: stage.topic })), /the source broke/);
  assert.equal(await stage.producer.flush({ deadline: Date.now() + 5_000 }), 0);
  assert.deepEqual(await stage.log(), Array.from({ length: 20 }, (_, i) => `${i}`));
});

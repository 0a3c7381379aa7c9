// What a producer does when its buffer is full, when time is up, when its caller leaves, and when it is to end.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { createTopic } from "../../support/kafka.ts";
import { waitFor } from "../../support/wait.ts";
import { kafkaOfFile, type Stage, told } from "./producer_test_util.ts";

const kafka = kafkaOfFile();

/** Less than a request may take. */
const SOON = ["--delivery-timeout-ms", "900"];
/** Ten records of 1 kB. */
const TINY_BUFFER = ["--buffer-bytes", "11000", "--batch-bytes", "5000"];

/** Keeps the answers to a stage's produce requests back, until it is disposed of. */
function holdAnswers(stage: Stage) {
  return kafka.proxy.rule({ api: "Produce", topic: stage.topic, action: { do: "hold", at: "response" } });
}

function within(ms: number, began: number): void {
  const took = performance.now() - began;
  assert.ok(took < ms, `took ${Math.round(took)} ms; expected less than ${ms}`);
}

function kilobyte(name: string): string {
  return name.padEnd(1_000, ".");
}

Deno.test("a full buffer refuses at once, and what it holds is delivered", async () => {
  await using stage = await kafka.stage(TINY_BUFFER);
  using held = holdAnswers(stage);
  const sent = Array.from({ length: 10 }, (_, i) => stage.send(kilobyte(`${i}`)));
  const began = performance.now();
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(await stage.send(kilobyte(`no ${i}`)), ["rejected buffer-full retriable"]);
  }
  within(5_000, began); // not after its 30 s
  assert.equal(await stage.metric("buffer_records"), 10);
  held.release();
  assert.deepEqual((await Promise.all(sent)).flat(), Array(10).fill("ok"));
  assert.deepEqual(await stage.send("small"), ["ok"]);
  const { acknowledged, refused } = await stage.verdict();
  assert.deepEqual([acknowledged, refused], [11, 5]);
  assert.equal(await stage.metric("buffer_bytes"), 0);
});

Deno.test("the time in which its topic is looked up counts, and nothing is sent afterwards", async () => {
  await using stage = await kafka.stage(SOON);
  await using other = await createTopic(kafka.cluster.bootstrap);
  using held = kafka.proxy.rule({ api: "Metadata", action: { do: "hold", at: "response" } });
  const first = stage.producer.send([{ value: "x" }], { topic: other.name });
  await held.hit();
  await sleep(300);
  const began = performance.now();
  assert.deepEqual(await stage.send("a", "b"), Array(2).fill("rejected timed-out retriable"));
  within(1_600, began); // one look-up after the other takes longer
  held.release();
  await first;
  await waitFor(() => stage.producer.lookUp(stage.topic), { what: "the topic to be found" });
  assert.deepEqual(await stage.send("after"), ["ok"]);
  assert.deepEqual(await stage.log(), ["after"]);
});

Deno.test("a deadline that passes while batches are compressed finds them unsent", async () => {
  const hurry = ["--delivery-timeout-ms", "100", "--compression", "gzip", "--no-idempotence"]; // a producer id takes time
  await using stage = await kafka.stage(hurry, { partitions: 12 });
  await stage.producer.lookUp(stage.topic);
  // 10 MB that take gzip far more than 100 ms, and come out small enough to be sent in less.
  const noise = crypto.getRandomValues(new Uint8Array(60_000)).map((byte) => 97 + (byte & 3));
  const letters = new TextDecoder().decode(noise);
  const records = Array.from({ length: 160 }, (_, i) => ({ value: `${i} ${letters}`, partition: i % 12 }));
  const outcomes = await stage.history.send(records);
  assert.deepEqual(new Set(outcomes.map(told)), new Set(["rejected timed-out retriable"]));
  await stage.idle();
  assert.deepEqual(await stage.log(), []);
});

Deno.test("a caller that has left before it came is refused; one that leaves early is told that nobody knows", async () => {
  await using stage = await kafka.stage();
  const record = (value: string) => [{ value, key: "k", partition: 0 }];
  const [early] = await stage.history.send(record("early"), { signal: AbortSignal.abort() });
  assert.equal(told(early), "rejected aborted retriable");
  using held = holdAnswers(stage);
  const leaving = new AbortController();
  const sent = stage.history.send(record("left"), { signal: leaving.signal });
  await held.hit();
  const began = performance.now();
  leaving.abort();
  assert.equal(told((await sent)[0]), "unknown aborted");
  within(5_000, began);
  held.release();
  assert.deepEqual(await stage.send("after"), ["ok"]);
  assert.deepEqual(await stage.log(), ["left", "after"]);
  await stage.verdict();
});

Deno.test("what its caller leaves while its topic is looked up is never sent", async () => {
  await using stage = await kafka.stage();
  using held = kafka.proxy.rule({ api: "Metadata", action: { do: "hold", at: "response" } });
  const leaving = new AbortController();
  const sent = stage.history.send([{ value: "left" }], { signal: leaving.signal });
  await held.hit();
  leaving.abort();
  assert.equal(told((await sent)[0]), "rejected aborted retriable");
  held.release();
  assert.deepEqual(await stage.send("after"), ["ok"]);
  assert.deepEqual(await stage.log(), ["after"]);
});

Deno.test("a flush waits for all that was sent, and ends lingering and look-ups", async () => {
  await using stage = await kafka.stage(["--linger-ms", "20000"]);
  const began = performance.now();
  const sent = [stage.send("a"), stage.send("b")];
  assert.equal(await stage.producer.flush({ deadline: Date.now() + 5_000 }), 0);
  within(10_000, began);
  assert.deepEqual(await stage.log(), ["a", "b"], "already there when the flush is over");
  await Promise.all(sent);
  const lingering = stage.send("c");
  assert.equal(await stage.producer.flush({ deadline: Date.now() + 5_000 }), 0);
  assert.deepEqual(await lingering, ["ok"]);
  within(15_000, began);
});

Deno.test("a flush that does not end in time tells how many records have no outcome", async () => {
  await using stage = await kafka.stage();
  using held = holdAnswers(stage);
  const sent = [stage.send("a", "b"), held.hit().then(() => stage.send("c"))];
  await held.hit();
  const began = performance.now();
  assert.equal(await stage.producer.flush({ deadline: Date.now() + 200 }), 3);
  within(5_000, began);
  held.release();
  assert.deepEqual((await Promise.all(sent)).flat(), ["ok", "ok", "ok"]);
});

Deno.test("closing delivers what is there, refuses what comes, and can be asked for twice", async () => {
  await using stage = await kafka.stage(["--linger-ms", "20000"]);
  const sent = stage.send("a", "b");
  const closing = stage.producer.close({ deadline: Date.now() + 5_000 });
  assert.deepEqual(await stage.send("late"), ["rejected closing retriable"]);
  assert.equal(await closing, 0);
  assert.equal(await stage.producer.close({ deadline: Date.now() + 5_000 }), 0);
  assert.deepEqual(await sent, ["ok", "ok"]);
  assert.deepEqual(await stage.log(), ["a", "b"]);
  await stage.verdict();
});

Deno.test("closing while Kafka is silent keeps its deadline, and counts what might be lost", async () => {
  await using stage = await kafka.stage();
  assert.deepEqual(await stage.send("before"), ["ok"]);
  using held = holdAnswers(stage);
  const sent = stage.send("a", "b");
  await held.hit();
  const waiting = stage.send("c");
  kafka.proxy.blackhole();
  const began = performance.now();
  assert.equal(await stage.producer.close({ deadline: Date.now() + 300 }), 3);
  within(8_000, began); // nor the 10 s that a request may take
  assert.deepEqual(await sent, ["unknown closing", "unknown closing"]);
  assert.deepEqual(await waiting, ["rejected closing retriable"]);
  held.release();
  kafka.proxy.heal();
  await stage.verdict();
  assert.deepEqual(await stage.log(), ["before", "a", "b"]);
});

Deno.test("closing while a topic is looked up leaves nobody waiting", async () => {
  await using stage = await kafka.stage();
  using held = kafka.proxy.rule({ api: "Metadata", action: { do: "hold", at: "response" } });
  const sent = stage.send("a");
  await held.hit();
  assert.equal(await stage.producer.close({ deadline: Date.now() + 200 }), 1);
  assert.match((await sent)[0], /^rejected/);
  held.release();
  assert.deepEqual(await stage.log(), []);
});

Deno.test("another topic's records do not wait for a look-up", async () => {
  await using stage = await kafka.stage(["--delivery-timeout-ms", "9000"]); // a request may take a third of it
  await using other = await createTopic(kafka.cluster.bootstrap);
  assert.deepEqual(await stage.send("a"), ["ok"]);
  using lost = kafka.proxy.rule({ api: "Metadata", times: 1, action: { do: "drop", at: "response" } });
  let found = false;
  const looking = stage.producer.send([{ value: "x" }], { topic: other.name }).finally(() => found = true);
  await lost.hit();
  assert.deepEqual(await stage.send("b"), ["ok"]);
  assert.equal(found, false);
  assert.match(told((await looking)[0]), /^(ok|rejected kafka)/);
});

Deno.test("what a caller does with its array while a topic is looked up changes nothing", async () => {
  await using stage = await kafka.stage();
  using held = kafka.proxy.rule({ api: "Metadata", action: { do: "hold", at: "response" } });
  const [records, more] = [[{ value: "a" }, { value: "b" }], [{ value: "c" }]];
  const sent = [records, more].map((some) => stage.producer.send(some, { topic: stage.topic }));
  await held.hit();
  records.pop();
  more.push({ value: "d" });
  held.release();
  const outcomes = (await Promise.all(sent)).flat();
  assert.deepEqual(outcomes.map(({ status }) => status), Array(3).fill("acknowledged"));
  assert.deepEqual(await stage.log(), ["a", "b", "c"]);
});

Deno.test("a record that cannot be looked at is refused, and send does not throw", async () => {
  await using stage = await kafka.stage();
  const unreadable = {
    get value(): string {
      throw new Error("no value today");
    },
  };
  const odd = { value: "x", partition: Symbol("0") as unknown as number };
  for (const round of ["the topic is looked up", "the topic is known"]) {
    const [first] = await stage.producer.send([unreadable], { topic: stage.topic });
    assert.equal(told(first), "rejected invalid-record", round);
    const both = await stage.producer.send([odd, { value: round }], { topic: stage.topic });
    assert.deepEqual(both.map(told), ["rejected invalid-record", "ok"], round);
  }
  assert.deepEqual(await stage.log(), ["the topic is looked up", "the topic is known"]);
});

Deno.test("batches, their bytes and their requests are counted", async () => {
  await using stage = await kafka.stage();
  assert.deepEqual(await stage.send("a", "b", "c"), ["ok", "ok", "ok"]);
  assert.deepEqual([await stage.metric("batch_records_count"), await stage.metric("batch_records_sum")], [1, 3]);
  const bytes = await stage.metric("record_bytes_total");
  assert.ok(bytes > 3 && bytes < 100, `${bytes} bytes of three records of a letter`);
  assert.equal(await stage.metric("batch_bytes_sum"), bytes + 61); // and a batch's header
  assert.equal(await stage.metric("request_seconds_count"), 1);
});

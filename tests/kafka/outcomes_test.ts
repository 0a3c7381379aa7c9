/**
 * What each answer, or none, means for those who wait. Nothing is connected: the tests play the sender, which hands
 * in what a broker said, or did not.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DeliveryError } from "../../errors.ts";
import { readBatchHeader } from "../../kafka/record_reader.ts";
import { NOW, Stage, TIMEOUT_MS, toldOf } from "./outcomes_stage.ts";

function test(name: string, fn: (stage: Stage) => Promise<void>) {
  Deno.test({ name, permissions: { env: true }, fn: () => fn(new Stage()) });
}

test("an acknowledged batch gives each record its offset, and spends as many sequences", async (stage) => {
  const delivery = stage.send(3);
  await stage.leave();
  stage.answer(0, 100);
  assert.deepEqual(await toldOf(delivery), ["acknowledged 4@100", "acknowledged 4@101", "acknowledged 4@102"]);
  assert.equal(stage.queue.identity?.nextSequence, 3);
  assert.deepEqual([stage.queue.batches.length, stage.accumulator.bytes, stage.accumulator.records], [0, 0, 0]);
  assert.equal(await stage.metric('records_total{outcome="acknowledged"}'), 3);
});

test("a sequence after the last one of 31 bits is 0 again", async (stage) => {
  stage.queue.identity!.nextSequence = 2 ** 31 - 2;
  const delivery = stage.send(3);
  await stage.leave();
  stage.answer(0, 0);
  await delivery.settled;
  assert.equal(stage.queue.identity?.nextSequence, 1);
});

test("the timestamp is the record's, or the broker's where the topic has that", async (stage) => {
  for (const [logAppendTime, timestamp] of [[-1, NOW], [1_234, 1_234]]) {
    const delivery = stage.send(1);
    await stage.leave();
    stage.answer(0, 0, logAppendTime);
    const [outcome] = await delivery.settled;
    assert.ok(outcome.status === "acknowledged" && outcome.timestamp === timestamp);
  }
});

test("with acks=0 no offset is known", async (stage) => {
  const delivery = stage.send(2);
  await stage.leave();
  stage.answer(0, -1);
  assert.deepEqual(await toldOf(delivery), ["acknowledged 4@-1", "acknowledged 4@-1"]);
});

test("a refusal that may pass keeps bytes and sequence for the next attempt, which comes after a while", async (stage) => {
  const delivery = stage.send(1);
  await stage.leave();
  const [batch] = stage.queue.batches;
  const bytes = batch.frozen!.slice();
  for (const code of [3, 5, 6, 19, 56]) {
    const began = Date.now();
    stage.answer(code);
    assert.ok(stage.queue.retryAt > began);
    await stage.leave();
    assert.equal(stage.queue.batches[0], batch);
    assert.deepEqual(batch.frozen, bytes);
    assert.deepEqual([batch.maybeWritten, stage.queue.identity?.nextSequence], [false, 0]);
  }
  assert.equal(batch.failures, 5);
  stage.answer(0, 9);
  assert.deepEqual(await toldOf(delivery), ["acknowledged 4@9"]);
  assert.equal(await stage.metric('retries_total{error="NOT_ENOUGH_REPLICAS"}'), 1);
});

test("what comes in while a batch waits for another attempt goes into the next one, and the bytes stay", async (stage) => {
  const first = stage.send(1);
  await stage.leave();
  const [batch] = stage.queue.batches;
  const { frozen } = batch;
  stage.fail(true);
  const second = stage.send(1);
  assert.deepEqual(stage.queue.batches.map(({ records }) => records.count), [1, 1]);
  assert.equal(batch.frozen, frozen);
  for (const offset of [9, 10]) {
    await stage.leave();
    stage.answer(0, offset);
  }
  assert.deepEqual([await toldOf(first), await toldOf(second)], [["acknowledged 4@9"], ["acknowledged 4@10"]]);
});

test("a failure on one broker is no reason to make the next leader wait", async (stage) => {
  stage.send(1);
  await stage.leave();
  stage.queue.sentTo = 1;
  const began = Date.now();
  stage.answer(6);
  assert.ok(stage.queue.waitsUntil(1) > began);
  assert.equal(stage.queue.waitsUntil(2), 0);
});

test("a new leader's first failure makes a batch wait for a moment only, however often the old one failed", async (stage) => {
  stage.send(1);
  const [batch] = stage.queue.batches;
  for (let i = 0; i < 8; i++) {
    await stage.leave();
    stage.answer(6);
  }
  assert.ok(stage.queue.retryAt > Date.now() + 400);
  batch.failuresElsewhere = batch.failures;
  await stage.leave();
  stage.answer(6);
  assert.ok(stage.queue.retryAt < Date.now() + 100);
});

test("what was only ever refused, or never sent, is not written when its time is up", async (stage) => {
  const delivery = stage.send(1);
  await stage.leave();
  stage.answer(19);
  stage.expire();
  assert.deepEqual(await toldOf(delivery), ["rejected timed-out retriable"]);
  assert.equal(stage.queue.identity?.producerId, 7n, "the sequence is unspent, so the id serves on");
  const never = stage.send(1);
  stage.expire();
  assert.deepEqual(await toldOf(never), ["rejected timed-out retriable"]);
});

test("what comes after a batch that was given up does not wait for another attempt of that one", async (stage) => {
  stage.queue.sentTo = 1;
  stage.send(1);
  for (let i = 0; i < 8; i++) {
    await stage.leave();
    stage.answer(19);
  }
  assert.ok(stage.queue.waitsUntil(1) > Date.now() + 400);
  const next = stage.send(1, NOW + 1);
  stage.expire();
  assert.equal(stage.queue.batches.length, 1);
  assert.equal(stage.queue.waitsUntil(1), 0, "its own time may be up before");
  await stage.leave();
  stage.answer(0, 5);
  assert.deepEqual(await toldOf(next), ["acknowledged 4@5"]);
});

test("what may have arrived is unknown when its time is up, and its producer id is not used again", async (stage) => {
  for (const lose of [() => stage.answer(7), () => stage.answer(20), () => stage.fail(true)]) {
    stage.queue.identity = { producerId: 7n, producerEpoch: 0, nextSequence: 0 };
    const delivery = stage.send(1);
    await stage.leave();
    lose();
    await stage.leave();
    stage.answer(6); // says nothing about the attempt before
    stage.expire();
    assert.deepEqual(await toldOf(delivery), ["unknown timed-out"]);
    assert.equal(stage.queue.identity, undefined);
  }
  assert.equal(await stage.metric('records_total{outcome="unknown"}'), 3);
  assert.equal(await stage.metric("identity_resets_total"), 3);
});

test("a refusal that comes with an offset came after the write, so that the outcome is unknown in the end", async (stage) => {
  const delivery = stage.send(1);
  await stage.leave();
  stage.answer(6, 3);
  await stage.leave();
  stage.answer(6);
  stage.expire();
  assert.deepEqual(await toldOf(delivery), ["unknown timed-out"]);
  assert.equal(stage.queue.identity, undefined);
});

test("what was lost before it was sent is not written when its time is up", async (stage) => {
  const delivery = stage.send(1);
  await stage.leave();
  stage.fail(false);
  stage.expire();
  assert.deepEqual(await toldOf(delivery), ["rejected timed-out retriable"]);
});

test("the message of a record whose time is up names the partition, the time and the last obstacle", async (stage) => {
  const refused = stage.send(1);
  await stage.leave();
  stage.answer(19);
  stage.expire();
  const never = stage.send(1);
  stage.expire();
  const messages = [...await refused.settled, ...await never.settled].map((it) =>
    it.status === "rejected" && it.error.message
  );
  assert.match(String(messages[0]), /^t-4: no answer within 1000 ms: .*NOT_ENOUGH_REPLICAS/);
  assert.match(String(messages[1]), /^t-4: no answer within 1000 ms: Kafka does not answer \(no connection yet\)$/);
});

test("once broker and producer disagree on the sequence the outcome is unknown, at once and for good", async (stage) => {
  for (const code of [45, 46, 47, 59]) {
    stage.queue.identity = { producerId: 7n, producerEpoch: 0, nextSequence: 5 };
    const delivery = stage.send(2);
    await stage.leave();
    stage.answer(code);
    assert.deepEqual(await toldOf(delivery), [`unknown kafka ${code}`, `unknown kafka ${code}`]);
    assert.equal(stage.queue.identity, undefined);
    assert.equal(stage.queue.batches.length, 0);
  }
});

test("a final refusal says why, is not retriable, and spends nothing", async (stage) => {
  const failures = {
    17: "unknown-topic",
    29: "not-authorized",
    31: "not-authorized",
    87: "invalid-record",
    42: "kafka",
  };
  for (const [code, failure] of Object.entries(failures)) {
    const delivery = stage.send(1);
    await stage.leave();
    stage.answer(Number(code));
    assert.deepEqual(await toldOf(delivery), [`rejected ${failure} ${code}`]);
    assert.deepEqual([stage.queue.identity?.producerId, stage.queue.identity?.nextSequence], [7n, 0]);
  }
});

test("a final refusal of what an earlier attempt may have written leaves that open", async (stage) => {
  for (const code of [87, 10]) {
    stage.queue.identity = { producerId: 7n, producerEpoch: 0, nextSequence: 0 };
    const delivery = stage.send(2);
    await stage.leave();
    stage.fail(true);
    await stage.leave();
    stage.answer(code);
    assert.deepEqual((await toldOf(delivery)).map((it) => it.split(" ")[0]), ["unknown", "unknown"]);
    assert.equal(stage.queue.identity, undefined);
  }
});

test("a batch that is too large goes in halves, the first of them under the sequence of the whole", async (stage) => {
  const delivery = stage.send(4);
  await stage.leave();
  stage.answer(10);
  assert.deepEqual(stage.queue.batches.map(({ records }) => records.count), [2, 2]);
  for (const sequence of [0, 2]) {
    await stage.leave();
    const header = readBatchHeader(Buffer.from(stage.queue.batches[0].frozen!), 0)!;
    assert.deepEqual([header.baseSequence, header.recordCount], [sequence, 2]);
    stage.answer(0, 100 + sequence);
  }
  assert.deepEqual(await toldOf(delivery), [100, 101, 102, 103].map((offset) => `acknowledged 4@${offset}`));
});

test("a batch of which some records are refused goes on without them, in order", async (stage) => {
  const delivery = stage.send(5);
  await stage.leave();
  stage.answer(87, -1, -1, [1, 3]);
  const [{ records }] = stage.queue.batches;
  assert.deepEqual([records.count, stage.queue.identity?.nextSequence], [3, 0]);
  assert.equal(stage.accumulator.records, 3);
  await stage.leave();
  stage.answer(0, 100);
  const messages = (await delivery.settled).map((it) => it.status === "rejected" ? it.error.message : undefined);
  assert.deepEqual([messages[1], messages[3]], ["t-4: record 1 is wrong", "t-4: record 3 is wrong"]);
  const refused = "rejected invalid-record 87";
  assert.deepEqual(await toldOf(delivery), [
    "acknowledged 4@100",
    refused,
    "acknowledged 4@101",
    refused,
    "acknowledged 4@102",
  ]);
  assert.deepEqual([stage.accumulator.records, stage.accumulator.bytes], [0, 0]);
});

test("a batch is refused whole where all its records are, or no one tells which", async (stage) => {
  for (const invalid of [[], [0, 1], [7]]) {
    const delivery = stage.send(2);
    await stage.leave();
    stage.answer(32, -1, -1, invalid);
    assert.deepEqual(await toldOf(delivery), Array(2).fill("rejected invalid-record 32"));
  }
});

test("a record that is too large by itself is refused alone", async (stage) => {
  const delivery = stage.send(2);
  for (const code of [18, 18, 0]) {
    await stage.leave();
    stage.answer(code, code === 0 ? 5 : -1);
  }
  assert.deepEqual(await toldOf(delivery), ["rejected too-large 18", "acknowledged 4@5"]);
});

for (
  const [how, end] of Object.entries<(stage: Stage) => void>({
    "acknowledges it": (stage) => stage.answer(0, 100),
    "refuses it": (stage) => stage.answer(87),
    "never answers": (stage) => stage.fail(true),
  })
) {
  test(`a batch on its way is unknown when its time is up, and leaves with its id when the broker ${how}`, async (stage) => {
    const first = stage.send(1);
    await stage.leave();
    const second = stage.send(1);
    stage.expire();
    assert.deepEqual(await toldOf(first), ["unknown timed-out"]);
    assert.deepEqual(await toldOf(second), ["rejected timed-out retriable"], "it was never sent");
    assert.equal(stage.accumulator.bytes, 0);
    const third = stage.send(1, NOW + TIMEOUT_MS);
    assert.equal(stage.queue.batches.length, 2, "what comes later waits behind it");
    end(stage);
    assert.equal(stage.queue.batches.length, 1);
    assert.equal(stage.queue.identity, undefined);
    stage.queue.identity = { producerId: 8n, producerEpoch: 0, nextSequence: 0 };
    await stage.leave();
    stage.answer(0, 200);
    assert.deepEqual(await toldOf(third), ["acknowledged 4@200"]);
    assert.equal(await stage.metric('records_total{outcome="unknown"}'), 1);
  });
}

test("a batch whose request waits for a connection is not written when its time is up, and its id stays", async (stage) => {
  const first = stage.send(1);
  await stage.leave();
  stage.queue.batches[0].onTheWire = false;
  stage.expire();
  assert.deepEqual(await toldOf(first), ["rejected timed-out retriable"]);
  assert.equal(stage.queue.batches.length, 1, "the request may still name it");
  stage.fail(false);
  assert.equal(stage.queue.batches.length, 0);
  assert.notEqual(stage.queue.identity, undefined);
});

test("only those whose time is up are told so", async (stage) => {
  const early = stage.send(1);
  const late = stage.send(1, NOW + TIMEOUT_MS / 2);
  assert.equal(stage.queue.batches.length, 2);
  stage.expire();
  assert.deepEqual(await toldOf(early), ["rejected timed-out retriable"]);
  await stage.leave();
  stage.answer(0, 3);
  assert.deepEqual(await toldOf(late), ["acknowledged 4@3"]);
});

test("at the end of the process what was sent is unknown and what was not is not written, and all is counted", async (stage) => {
  const first = stage.send(2);
  await stage.leave();
  const second = stage.send(3);
  const error = new DeliveryError("closing", "the process ends");
  assert.equal(stage.outcomes.abandonAll(error), 5);
  assert.deepEqual(await toldOf(first), ["unknown closing", "unknown closing"]);
  assert.deepEqual(await toldOf(second), Array(3).fill("rejected closing retriable"));
  assert.equal(stage.outcomes.abandonAll(error), 0);
});

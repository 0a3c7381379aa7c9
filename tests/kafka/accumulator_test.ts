/** Queues of batches: order, limits, and the buffer they share. */
import assert from "node:assert/strict";
import { Accumulator, fits, maxSize, type PartitionQueue } from "../../kafka/accumulator.ts";
import { HEADER_BYTES } from "../../kafka/batch_layout.ts";
import { Delivery, type Outcome } from "../../kafka/delivery.ts";
import { estimateSize, type ProducerRecord } from "../../kafka/record_batch.ts";
import fc from "fast-check";
import { anyRecord, NOBODY, NOW } from "./random_records.ts";

const LIMITS = { batchBytes: 1_000, bufferBytes: 10_000, deliveryTimeoutMs: 30_000 };

function test(name: string, fn: () => void | Promise<void>) {
  Deno.test({ name, permissions: "none", fn });
}

/** Appends records that come in together. */
function append(accumulator: Accumulator, queue: PartitionQueue, records: ProducerRecord[], now = NOW): Delivery {
  const delivery = new Delivery(records.length);
  for (const [index, record] of records.entries()) accumulator.append(queue, record, now, delivery, index);
  return delivery;
}

function values(count: number, bytes = 100): ProducerRecord[] {
  return Array.from({ length: count }, () => ({ value: "x".repeat(bytes) }));
}

const done: (index: number) => Outcome = (offset) => ({
  status: "acknowledged",
  partition: 0,
  offset,
  timestamp: 0,
  latencyMs: 0,
});

/** As the sender does when the broker has acknowledged a queue's first batch. */
function acknowledgeFirst(accumulator: Accumulator, queue: PartitionQueue): void {
  const [batch] = queue.batches;
  accumulator.remove(queue, batch);
  accumulator.settle(batch, done);
}

test("records gather in one batch until the next would make it larger than batchBytes", () => {
  const accumulator = new Accumulator(LIMITS);
  const queue = accumulator.queue("t", 0);
  append(accumulator, queue, values(100));
  assert.ok(queue.batches.length > 1);
  for (const { records } of queue.batches) {
    assert.ok(records.sizeInBytes <= LIMITS.batchBytes, `${records.sizeInBytes}`);
  }
  // A record of 100 bytes takes 9 more at most: all batches but the last have room for none.
  for (const { records } of queue.batches.slice(0, -1)) assert.ok(records.sizeInBytes > LIMITS.batchBytes - 109 - 10);
});

test("the first outcome of a batch stands, and a second one counts for no other record", async () => {
  const accumulator = new Accumulator(LIMITS);
  const delivery = new Delivery(2);
  const queues = [0, 1].map((partition) => accumulator.queue("t", partition));
  for (const [index, queue] of queues.entries()) accumulator.append(queue, { value: "x" }, NOW, delivery, index);
  const [first, second] = queues.map(({ batches: [batch] }) => batch);
  accumulator.settle(first, () => done(7));
  accumulator.settle(first, () => done(8));
  assert.equal(delivery.waiting, 1);
  assert.equal(accumulator.records, 1);
  accumulator.settle(second, () => done(9));
  assert.deepEqual(await delivery.settled, [done(7), done(9)]);
  assert.deepEqual([accumulator.records, accumulator.bytes], [0, 0]);
});

test("a record that is larger than a batch may be gets one to itself, since whoever appends has judged it", () => {
  const accumulator = new Accumulator(LIMITS);
  const queue = accumulator.queue("t", 0);
  append(accumulator, queue, [...values(1), ...values(1, 2_000), ...values(1)]);
  assert.deepEqual(queue.batches.map(({ records }) => records.count), [1, 1, 1]);
});

test("what is on its way, or was frozen for an attempt that failed, takes no more records", () => {
  const accumulator = new Accumulator(LIMITS);
  const queue = accumulator.queue("t", 0);
  append(accumulator, queue, values(1));
  queue.busy = true;
  append(accumulator, queue, values(1));
  append(accumulator, queue, values(1));
  assert.deepEqual(queue.batches.map(({ records }) => records.count), [1, 2]);
  void queue.batches[0].freeze(NOBODY, "none");
  queue.busy = false;
  acknowledgeFirst(accumulator, queue);
  void queue.batches[0].freeze(NOBODY, "none");
  append(accumulator, queue, values(1));
  assert.deepEqual(queue.batches.map(({ records }) => records.count), [2, 1]);
});

test("a batch is closed by age, since the deadline of its first record is that of all", () => {
  const accumulator = new Accumulator(LIMITS);
  const queue = accumulator.queue("t", 0);
  append(accumulator, queue, values(1), NOW);
  append(accumulator, queue, values(1), NOW + LIMITS.deliveryTimeoutMs / 10);
  append(accumulator, queue, values(1), NOW + LIMITS.deliveryTimeoutMs / 10 + 1);
  assert.deepEqual(queue.batches.map(({ records, arrivedAt }) => [records.count, arrivedAt - NOW]), [[2, 0], [
    1,
    3_001,
  ]]);
});

test("a record that cannot be encoded changes nothing, whether it would have opened a batch or joined one", () => {
  const accumulator = new Accumulator(LIMITS);
  const queue = accumulator.queue("t", 0);
  const delivery = new Delivery(1);
  const bad = { value: 7 } as unknown as ProducerRecord;
  const refused = { name: "TypeError", message: /value is 7 \(number\)/ };
  assert.throws(() => accumulator.append(queue, bad, NOW, delivery, 0), refused);
  assert.deepEqual([accumulator.bytes, accumulator.records, queue.batches.length, accumulator.active.size], [
    0,
    0,
    0,
    0,
  ]);
  append(accumulator, queue, values(1));
  const { bytes } = accumulator;
  assert.throws(() => accumulator.append(queue, bad, NOW, delivery, 0), refused);
  assert.deepEqual([accumulator.bytes, accumulator.records, queue.batches[0].records.count], [bytes, 1, 1]);
});

test("the buffer counts what is encoded until it has its outcome, and is exactly full at bufferBytes", () => {
  const accumulator = new Accumulator(LIMITS);
  const queue = accumulator.queue("t", 0);
  append(accumulator, queue, values(3));
  const encoded = queue.batches[0].records.sizeInBytes - HEADER_BYTES;
  assert.deepEqual([accumulator.bytes, accumulator.records], [encoded, 3]);
  assert.equal(accumulator.hasRoomFor(LIMITS.bufferBytes - encoded), true);
  assert.equal(accumulator.hasRoomFor(LIMITS.bufferBytes - encoded + 1), false);
  acknowledgeFirst(accumulator, queue);
  assert.deepEqual([accumulator.bytes, accumulator.records, accumulator.active.size], [0, 0, 0]);
  assert.equal(accumulator.hasRoomFor(LIMITS.bufferBytes), true);
});

test("whoever waits for room is woken by the next outcome", async () => {
  const accumulator = new Accumulator(LIMITS);
  const queue = accumulator.queue("t", 0);
  append(accumulator, queue, values(20));
  let woken = 0;
  const waiting = accumulator.whenRoom().then(() => woken++).then(() => accumulator.whenRoom()).then(() => woken++);
  await Promise.resolve();
  assert.equal(woken, 0);
  acknowledgeFirst(accumulator, queue);
  await Promise.resolve().then(() => {}).then(() => {});
  assert.equal(woken, 1);
  acknowledgeFirst(accumulator, queue);
  await waiting;
});

test("a flush ends the lingering of what is there, and waits for its outcomes alone, through splits", async () => {
  const accumulator = new Accumulator({ ...LIMITS, batchBytes: 100_000 });
  const queue = accumulator.queue("t", 0);
  append(accumulator, queue, values(8));
  let flushed = false;
  const flush = accumulator.flush().then(() => flushed = true);
  assert.equal(queue.batches[0].urgent, true);
  accumulator.splitFirst(queue);
  accumulator.splitFirst(queue);
  queue.busy = true;
  append(accumulator, accumulator.queue("t", 1), values(1)); // came later
  assert.deepEqual(queue.batches.map(({ records }) => records.count), [2, 2, 4]);
  for (let left = 3; left > 0; left--) {
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(flushed, false, `${left} batches left`);
    acknowledgeFirst(accumulator, queue);
  }
  await flush;
  assert.equal(accumulator.records, 1);
});

test("a flush of nothing is over at once", async () => {
  await new Accumulator(LIMITS).flush();
});

test("queues with records are active, and the one that was served goes to the end of the line", () => {
  const accumulator = new Accumulator(LIMITS);
  const [a, b, c] = [0, 1, 2].map((partition) => accumulator.queue("t", partition));
  for (const queue of [b, a, c, a]) append(accumulator, queue, values(1));
  assert.deepEqual([...accumulator.active], [b, a, c]);
  accumulator.served(b);
  assert.deepEqual([...accumulator.active], [a, c, b]);
  acknowledgeFirst(accumulator, a);
  assert.deepEqual([...accumulator.active], [c, b]);
});

test("there is one queue for each partition of each topic", () => {
  const accumulator = new Accumulator(LIMITS);
  assert.equal(accumulator.queue("t", 1), accumulator.queue("t", 1));
  const { topic, partition } = accumulator.queue("u", 1);
  assert.deepEqual([topic, partition], ["u", 1]);
  assert.notEqual(accumulator.queue("t", 1), accumulator.queue("u", 1));
});

test("keyless records stay with a partition until it is served, and then go to the next", () => {
  const accumulator = new Accumulator(LIMITS);
  const next = () => accumulator.stickyQueue("t", 3, () => true);
  const first = next();
  append(accumulator, first, values(1));
  assert.equal(next(), first);
  const visited = [first];
  for (let turn = 1; turn < 3; turn++) {
    accumulator.served(visited.at(-1)!); // and answered at once
    visited.push(next());
    append(accumulator, visited.at(-1)!, values(1));
  }
  assert.equal(new Set(visited).size, 3);
});

test("keyless records avoid partitions that are busy, have failed, or have no leader", () => {
  const usable = (partition: number) => partition !== 2;
  for (let turn = 0; turn < 20; turn++) { // the first choice is random
    const accumulator = new Accumulator(LIMITS);
    accumulator.queue("t", 0).busy = true;
    append(accumulator, accumulator.queue("t", 1), values(1));
    accumulator.queue("t", 1).batches[0].failures = 1;
    assert.equal(accumulator.stickyQueue("t", 4, usable).partition, 3);
  }
});

test("keyless records leave a busy partition for one that has become idle", () => {
  const accumulator = new Accumulator(LIMITS);
  const queues = [0, 1, 2].map((partition) => accumulator.queue("t", partition));
  const choose = () => accumulator.stickyQueue("t", 3, () => true);
  for (const queue of queues) {
    append(accumulator, queue, values(1));
    accumulator.served(queue);
    queue.busy = true;
  }
  const idle = queues.find((queue) => queue !== choose())!;
  acknowledgeFirst(accumulator, idle);
  idle.busy = false;
  assert.equal(choose(), idle);
});

test("keyless records go on to another partition when a batch is full: each sends one at a time", () => {
  const accumulator = new Accumulator(LIMITS);
  const counts = () => [0, 1, 2].map((partition) => accumulator.queue("t", partition).batches.length);
  for (let i = 0; i < 80; i++) append(accumulator, accumulator.stickyQueue("t", 3, () => true), values(1));
  assert.ok(Math.max(...counts()) - Math.min(...counts()) <= 1, `${counts()}`);
  assert.ok(Math.max(...counts()) > 2);
});

test("keyless records gather in one partition while batches are on their way in all", () => {
  const accumulator = new Accumulator(LIMITS);
  const queues = [0, 1, 2].map((partition) => accumulator.queue("t", partition));
  for (const queue of queues) {
    append(accumulator, queue, values(1));
    accumulator.served(queue);
    queue.busy = true;
  }
  const chosen = Array.from({ length: 5 }, () => {
    const queue = accumulator.stickyQueue("t", 3, () => true);
    append(accumulator, queue, values(1));
    return queue;
  });
  assert.equal(new Set(chosen).size, 1);
});

test("keyless records leave a partition that has lost its leader", () => {
  const accumulator = new Accumulator(LIMITS);
  const { partition: lost } = accumulator.stickyQueue("t", 3, () => true);
  assert.notEqual(accumulator.stickyQueue("t", 3, (partition) => partition !== lost).partition, lost);
});

test("keyless records wait at one partition where all are busy, as long as the topic's partitions are these", () => {
  const accumulator = new Accumulator(LIMITS);
  for (const partition of [0, 1, 2]) accumulator.queue("t", partition).busy = true;
  const waiting = accumulator.stickyQueue("t", 3, () => true);
  assert.equal(accumulator.stickyQueue("t", 3, () => true), waiting);
  assert.ok(accumulator.stickyQueue("t", 1, () => true).partition === 0, "a topic made again with fewer partitions");
});

test("the bound of a record's size is never below the estimate, and a record fits where either says so", () => {
  fc.assert(fc.property(anyRecord(), (record) => {
    assert.ok(maxSize(record) >= estimateSize(record));
    assert.equal(fits(record, estimateSize(record)), true);
    assert.equal(fits(record, estimateSize(record) - 1), false);
  }));
});

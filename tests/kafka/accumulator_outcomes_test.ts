/**
 * Whatever happens to batches, every record gets exactly one outcome, and the right one: whoever is told an offset
 * finds their record there.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Registry } from "prom-client";
import { DeliveryError } from "../../errors.ts";
import { Accumulator, type PartitionQueue } from "../../kafka/accumulator.ts";
import type { Batch } from "../../kafka/batch.ts";
import { HEADER_BYTES } from "../../kafka/batch_layout.ts";
import { Delivery, type Outcome } from "../../kafka/delivery.ts";
import { Intake } from "../../kafka/intake.ts";
import { estimateSize } from "../../kafka/record_batch.ts";
import { readBatchHeader, readRecords } from "../../kafka/record_reader.ts";
import { createProducerMetrics, type ProducerMetrics } from "../../metrics.ts";
import { NOBODY, NOW } from "./random_records.ts";

const PARTITIONS = 3;
const TOPIC = { topic: "t", code: 0, leaders: Array(PARTITIONS).fill(1) };
/** A buffer that is full now and then. */
const LIMITS = { batchBytes: 400, bufferBytes: 4_000, deliveryTimeoutMs: 1_000 };
const ERROR = new DeliveryError("timed-out", "too late");
const ABORTED = new DeliveryError("aborted", "the caller has left");

/** What may happen, to the queue of one partition where it concerns one. */
type Event =
  | { kind: "send"; partitions: number[]; size: number }
  | { kind: "leave" | "fail" | "split" | "acknowledge" | "reject" | "expire"; partition: number }
  | { kind: "rejectSome"; partition: number; which: boolean[] }
  | { kind: "abort"; call: number }
  | { kind: "wait"; ms: number };

const anyPartition = fc.nat(PARTITIONS - 1);
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      partitions: fc.array(anyPartition, { minLength: 1, maxLength: 12 }),
      size: fc.nat(150),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "leave" as const,
        "fail" as const,
        "split" as const,
        "acknowledge" as const,
        "reject" as const,
        "expire" as const,
      ),
      partition: anyPartition,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("rejectSome" as const),
      partition: anyPartition,
      which: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), call: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(200) }) },
);

/** Plays the callers', the sender's and the broker's parts, and keeps what each record should be told. */
class Model {
  readonly accumulator = new Accumulator(LIMITS);
  readonly intake: Intake;
  readonly logs: string[][] = Array.from({ length: PARTITIONS }, () => []);
  /** The values that each partition was given, in order. */
  readonly sent: string[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly calls: { delivery: Delivery; values: string[] }[] = [];
  /** What became of values, whether or not anybody still wanted to know. */
  readonly ended = new Map<string, Outcome["status"]>();
  readonly told = new Map<string, Outcome["status"]>();
  now = NOW;

  constructor(metrics: ProducerMetrics) {
    this.intake = new Intake({ accumulator: this.accumulator, metrics }, LIMITS);
  }

  apply(event: Event): void {
    if (event.kind === "wait") this.now += event.ms;
    else if (event.kind === "send") this.#send(event.partitions, event.size);
    else if (event.kind === "abort") this.#abort(event.call);
    else {
      const queue = this.accumulator.queue("t", event.partition);
      if (queue.batches.length === 0) return;
      if (event.kind === "rejectSome") this.#rejectSome(queue, event.which);
      else this[event.kind](queue);
    }
  }

  #send(partitions: number[], size: number): void {
    const delivery = new Delivery(partitions.length);
    const call = this.calls.length;
    const records = partitions.map((partition, i) => ({ value: `${call}/${i} ${"x".repeat(size)}`, partition }));
    const values = records.map(({ value }) => value);
    const bytes = records.reduce((sum, record) => sum + estimateSize(record), 0);
    const fits = this.accumulator.bytes + bytes <= LIMITS.bufferBytes;
    this.intake.accept(records, TOPIC, delivery, this.now);
    this.calls.push({ delivery, values });
    if (fits) { for (const { value, partition } of records) this.sent[partition].push(value); }
    else for (const value of values) this.#tell(value, "rejected");
  }

  /** One of the last callers stops waiting, which changes nothing for its records. */
  #abort(call: number): void {
    const { delivery, values } = this.calls.at(-1 - call) ?? {};
    delivery?.settleRest({ status: "unknown", error: ABORTED });
    for (const value of values ?? []) if (!this.told.has(value)) this.told.set(value, "unknown");
  }

  #tell(value: string, status: Outcome["status"]): void {
    assert.ok(!this.ended.has(value), `${value} has its outcome already`);
    this.ended.set(value, status);
    if (!this.told.has(value)) this.told.set(value, status);
  }

  leave(queue: PartitionQueue): void {
    queue.busy = true;
    if (!queue.batches[0].frozen) void queue.batches[0].freeze(NOBODY, "none");
  }

  fail(queue: PartitionQueue): void {
    queue.busy = false;
    queue.batches[0].failures++;
  }

  split(queue: PartitionQueue): void {
    queue.busy = false;
    if (queue.batches[0].records.count > 1) this.accumulator.splitFirst(queue);
  }

  /** The broker names the records that it refuses, and the others stay. */
  #rejectSome(queue: PartitionQueue, which: readonly boolean[]): void {
    queue.busy = false;
    const all = valuesOf(queue.batches[0]);
    const isRefused = (index: number) => which[index % which.length];
    const refused = all.filter((_, index) => isRefused(index));
    if (refused.length === 0 || refused.length === all.length) return;
    this.accumulator.splitFirst(queue, isRefused);
    assert.deepEqual(valuesOf(queue.batches[0]), refused);
    this.reject(queue);
  }

  acknowledge(queue: PartitionQueue): void {
    const [batch] = queue.batches;
    const log = this.logs[queue.partition];
    const base = log.length;
    log.push(...this.#end(queue, batch, "acknowledged"));
    const { partition } = queue;
    this.accumulator.settle(
      batch,
      (i) => ({ status: "acknowledged", partition, offset: base + i, timestamp: 0, latencyMs: 0 }),
    );
  }

  reject(queue: PartitionQueue): void {
    const [batch] = queue.batches;
    this.#end(queue, batch, "rejected");
    this.accumulator.settle(batch, () => ({ status: "rejected", error: ERROR, retriable: true }));
  }

  /** The last batch of a queue is too late, as may happen to any but the one on its way. */
  expire(queue: PartitionQueue): void {
    const batch = queue.batches.at(-1)!;
    this.#end(queue, batch, "unknown");
    this.accumulator.settle(batch, () => ({ status: "unknown", error: ERROR }));
  }

  /** Takes a batch out of its queue. Returns its values as the broker reads them from the bytes. */
  #end(queue: PartitionQueue, batch: Batch, status: Outcome["status"]): string[] {
    if (queue.batches[0] === batch) queue.busy = false;
    const values = valuesOf(batch);
    for (const value of values) this.#tell(value, status);
    this.accumulator.remove(queue, batch);
    return values;
  }

  check(): void {
    let bytes = 0;
    let records = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const { batches } = this.accumulator.queue("t", partition);
      for (const batch of batches) {
        bytes += batch.reservedBytes;
        records += batch.records.count;
        assert.ok(batch.records.count <= 1 || batch.records.sizeInBytes <= LIMITS.batchBytes, "a batch is too large");
      }
      assert.equal(this.accumulator.active.has(this.accumulator.queue("t", partition)), batches.length > 0);
    }
    assert.deepEqual([this.accumulator.bytes, this.accumulator.records], [bytes, records]);
    assert.ok(bytes <= LIMITS.bufferBytes, `${bytes} bytes in the buffer`);
    for (const { delivery, values } of this.calls) {
      assert.equal(delivery.waiting, values.filter((value) => !this.told.has(value)).length);
    }
  }

  /** Everything left is acknowledged, and everybody must have been told the truth. */
  async finish(): Promise<void> {
    for (const queue of this.accumulator.active) while (queue.batches.length > 0) this.acknowledge(queue);
    assert.deepEqual([this.accumulator.bytes, this.accumulator.records, this.accumulator.active.size], [0, 0, 0]);
    for (const { delivery, values } of this.calls) {
      const outcomes = await delivery.settled;
      assert.deepEqual(outcomes.map(({ status }) => status), values.map((value) => this.told.get(value)));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.status !== "acknowledged") continue;
        assert.equal(this.logs[outcome.partition][outcome.offset], values[index]);
      }
    }
    for (const [partition, log] of this.logs.entries()) {
      const acknowledged = this.sent[partition].filter((value) => this.ended.get(value) === "acknowledged");
      assert.deepEqual(log, acknowledged, "in the log in the order they came");
    }
  }
}

/** A batch's values as a broker reads them from its bytes. */
function valuesOf(batch: Batch): string[] {
  if (!batch.frozen) void batch.freeze(NOBODY, "none");
  const bytes = Buffer.from(batch.frozen!);
  const header = readBatchHeader(bytes, 0)!;
  return [...readRecords(header, bytes.subarray(HEADER_BYTES))].map((record) => String(record.value));
}

Deno.test({
  name: "any sequence of sends, refusals for want of room, splits, outcomes and callers who leave tells every record " +
    "its own outcome once, in order, and empties the buffer",
  permissions: { env: true },
  async fn() {
    const metrics = createProducerMetrics(new Registry());
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { maxLength: 60, size: "max" }), async (events) => {
        const model = new Model(metrics);
        for (const event of events) {
          model.apply(event);
          model.check();
        }
        await model.finish();
      }),
      { numRuns: 300 },
    );
  },
});

/**
 * Records on arrival: checked, given a partition, and put into the accumulator, or refused.
 *
 * @module
 */
import { DeliveryError, type DeliveryFailure, rootCause } from "../errors.ts";
import type { ProducerMetrics } from "../metrics.ts";
import { type Accumulator, fits, maxSize, type PartitionQueue } from "./accumulator.ts";
import { HEADER_BYTES } from "./batch_layout.ts";
import type { TopicMetadata } from "./cluster.ts";
import type { Delivery, Rejected } from "./delivery.ts";
import { partitionForKey } from "./partitioner.ts";
import { estimateSize, type ProducerRecord } from "./record_batch.ts";

/** Refusals that the same record may not meet again. */
const RETRIABLE: ReadonlySet<DeliveryFailure> = new Set(["buffer-full", "closing", "kafka", "aborted", "timed-out"]);

/** The settings that bound what is taken in, in bytes. */
interface Limits {
  batchBytes: number;
  bufferBytes: number;
}

/** Takes records in. */
export class Intake {
  readonly #accumulator: Accumulator;
  readonly #metrics: ProducerMetrics;
  readonly #limits: Limits;

  constructor({ accumulator, metrics }: { accumulator: Accumulator; metrics: ProducerMetrics }, limits: Limits) {
    this.#accumulator = accumulator;
    this.#metrics = metrics;
    this.#limits = limits;
  }

  /** Puts every record into the accumulator, or gives it its outcome: one bad record does not harm the others. */
  accept(records: readonly ProducerRecord[], topic: TopicMetadata, delivery: Delivery, now = Date.now()): void {
    // All or nothing: a call that fits in part would be refused somewhere in its middle.
    if (!this.#hasRoomFor(records)) return this.refuse(delivery, this.#bufferFull());
    const sticky: { queue?: PartitionQueue } = {};
    for (let index = 0; index < records.length; index++) {
      try {
        this.#checkSize(records[index]);
        const queue = this.#queueFor(records[index], topic, sticky);
        this.#accumulator.append(queue, records[index], now, delivery, index);
      } catch (cause) {
        const failed = cause instanceof DeliveryError;
        const error = failed ? cause : new DeliveryError("invalid-record", rootCause(cause), { cause });
        this.#metrics.records.inc({ outcome: "rejected" });
        delivery.settle(index, rejection(error));
      }
    }
  }

  /** Refuses every record that has no outcome yet. */
  refuse(delivery: Delivery, error: DeliveryError): void {
    const refused = delivery.settleRest(rejection(error));
    this.#metrics.records.inc({ outcome: "rejected" }, refused);
  }

  /** Where records do not fit: resolves when something has made room, which may not be enough or not last. */
  whenRoomFor(records: readonly ProducerRecord[]): Promise<void> | undefined {
    if (this.#hasRoomFor(records) || this.#accumulator.bytes === 0) return undefined; // or they never will
    return this.#accumulator.whenRoom();
  }

  #hasRoomFor(records: readonly ProducerRecord[]): boolean {
    let bound = 0;
    for (const record of records) bound += maxSize(record);
    return this.#accumulator.hasRoomFor(bound) || this.#accumulator.hasRoomFor(exactSize(records));
  }

  #bufferFull(): DeliveryError {
    const { bytes, records } = this.#accumulator;
    const text =
      `The buffer is full: ${records} records, ${bytes} of ${this.#limits.bufferBytes} bytes, wait for Kafka`;
    return new DeliveryError("buffer-full", text);
  }

  #checkSize(record: ProducerRecord): void {
    const limit = this.#limits.batchBytes - HEADER_BYTES;
    if (fits(record, limit)) return;
    const text = `The record takes ${estimateSize(record)} bytes; expected at most ${limit} (KAFKA_BATCH_BYTES)`;
    throw new DeliveryError("too-large", text);
  }

  /** Where a record says that it goes, by number or by key; those that don't say go together. */
  #queueFor(
    { key, partition }: ProducerRecord,
    { topic, leaders }: TopicMetadata,
    sticky: { queue?: PartitionQueue },
  ): PartitionQueue {
    if (partition !== undefined) {
      if (Number.isInteger(partition) && partition in leaders) return this.#accumulator.queue(topic, partition);
      const text = `Topic "${topic}" has no partition ${partition}; expected 0 to ${leaders.length - 1}`;
      throw new DeliveryError("unknown-partition", text);
    }
    if (key !== undefined && key !== null) {
      return this.#accumulator.queue(topic, partitionForKey(key, leaders.length));
    }
    return sticky.queue ??= this.#accumulator.stickyQueue(topic, leaders.length, (p) => leaders[p] >= 0);
  }
}

/** The size of what can be encoded; the rest will be refused. */
function exactSize(records: readonly ProducerRecord[]): number {
  let sum = 0;
  for (const record of records) {
    try {
      sum += estimateSize(record);
    } catch {
      continue;
    }
  }
  return sum;
}

function rejection(error: DeliveryError): Rejected {
  return { status: "rejected", error, retriable: RETRIABLE.has(error.failure) };
}

/**
 * Records on their way to one partition, and who waits to hear what became of them.
 *
 * @module
 */
import { HEADER_BYTES } from "./batch_layout.ts";
import type { Delivery, Outcome } from "./delivery.ts";
import { type BatchIdentity, type Compression, type ProducerRecord, RecordBatch } from "./record_batch.ts";

/** A batch's records, and who waits for them. */
export class Batch {
  readonly records: RecordBatch;
  // Who waits: records #firsts[i] up to #firsts[i + 1] are of #deliveries[i], which calls the first of them #indexes[i]
  // and knows what follows. Not an object for each: with one record a call, a quarter of the time went into collecting
  // what waits for an outcome.
  readonly #deliveries: Delivery[] = [];
  readonly #indexes: number[] = [];
  readonly #firsts: number[] = [];
  /** What its delivery calls the last record. */
  #lastIndex = -1;
  /** When the first record came in, in ms since 1970. */
  readonly arrivedAt: number;
  /** Its share of the buffer. */
  reservedBytes = 0;
  /** Set when it is first sent. From then on it takes no records, and every attempt sends these same bytes. */
  frozen?: Uint8Array;
  /** An attempt ended without an answer, or with one that does not say: the records may be in the log. */
  maybeWritten = false;
  /** The request that carries it is with the operating system, and has no answer yet. */
  onTheWire = false;
  /** Attempts that did not succeed. */
  failures = 0;
  /** How many of them were on other brokers than the one that it was last sent to. */
  failuresElsewhere = 0;
  /** Why the last attempt did not succeed. */
  lastError?: unknown;
  /** Somebody flushes: no lingering. */
  urgent = false;
  /** The outcome has been told. Only a batch still in flight when its deadline passed stays in its queue after that. */
  settled = false;
  #whenSettled?: { promise: Promise<void>; resolve: () => void };

  constructor(arrivedAt: number, records: RecordBatch = new RecordBatch()) {
    this.arrivedAt = arrivedAt;
    this.records = records;
  }

  /** Encodes a record at the end. @throws {TypeError} when it cannot be encoded; the batch is as before then */
  append(record: ProducerRecord, now: number, delivery: Delivery, index: number): void {
    this.#note(delivery, index, this.records.append(record, now));
  }

  /** Fills in header and checksum, compresses, and keeps the bytes. */
  freeze(identity: BatchIdentity, compression: Compression): void | Promise<void> {
    const bytes = this.records.freeze(identity, compression);
    if (bytes instanceof Promise) return bytes.then((b) => void (this.frozen = b));
    this.frozen = bytes;
  }

  /** Tells everybody who waits. `outcome` is given the index of each record in the batch. */
  settle(outcome: (index: number) => Outcome): void {
    this.settled = true;
    for (let i = 0; i < this.#deliveries.length; i++) {
      const first = this.#firsts[i];
      this.#deliveries[i].settleChain(this.#indexes[i], this.#endOf(i) - first, outcome, first);
    }
    this.#whenSettled?.resolve();
  }

  /** Resolves when the outcome is told. */
  whenSettled(): Promise<void> {
    return (this.#whenSettled ??= Promise.withResolvers<void>()).promise;
  }

  /** Two batches with the same records, cut as by {@linkcode RecordBatch.split}, and the same people waiting. */
  split(isFirst?: (index: number) => boolean): [Batch, Batch] {
    const [left, right] = this.records.split(isFirst);
    const parts: [Batch, Batch] = [new Batch(this.arrivedAt, left), new Batch(this.arrivedAt, right)];
    const goesLeft = isFirst ?? ((index: number) => index < left.count);
    const counts = [0, 0];
    for (const [i, delivery] of this.#deliveries.entries()) {
      let index = this.#indexes[i];
      for (let record = this.#firsts[i]; record < this.#endOf(i); record++) {
        const part = goesLeft(record) ? 0 : 1;
        parts[part].#note(delivery, index, counts[part]++);
        index = delivery.following(index);
      }
    }
    parts[0].reservedBytes = Math.min(this.reservedBytes, left.sizeInBytes - HEADER_BYTES);
    parts[1].reservedBytes = this.reservedBytes - parts[0].reservedBytes;
    for (const part of parts) part.urgent = this.urgent;
    // Whoever waits for the whole waits for both parts.
    void Promise.all(parts.map((part) => part.whenSettled())).then(() => this.#whenSettled?.resolve());
    return parts;
  }

  /** Notes who waits for a record that has just been added. */
  #note(delivery: Delivery, index: number, record: number): void {
    const follows = this.#deliveries[this.#deliveries.length - 1] === delivery;
    if (follows) delivery.chain(this.#lastIndex, index);
    else {
      this.#deliveries.push(delivery);
      this.#indexes.push(index);
      this.#firsts.push(record);
    }
    this.#lastIndex = index;
  }

  #endOf(span: number): number {
    return span + 1 < this.#firsts.length ? this.#firsts[span + 1] : this.records.count;
  }
}

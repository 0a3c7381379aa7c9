/**
 * Records on their way to one partition, and who waits to hear what became of them.
 *
 * @module
 */
import type { Delivery, Outcome } from "./delivery.ts";
import { type BatchIdentity, type Compression, type ProducerRecord, RecordBatch } from "./record_batch.ts";

/** Records `first`, `first + 1`, … of a batch are records `index`, `index + 1`, … of a delivery. */
interface Span {
  delivery: Delivery;
  index: number;
  first: number;
  count: number;
}

/** A batch's records, and who waits for them. */
export class Batch {
  readonly records: RecordBatch;
  readonly #spans: Span[];
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
  /** Why the last attempt did not succeed. */
  lastError?: unknown;
  /** Somebody flushes: no lingering. */
  urgent = false;
  /** The outcome has been told. Only a batch still in flight when its deadline passed stays in its queue after that. */
  settled = false;
  #whenSettled?: { promise: Promise<void>; resolve: () => void };

  constructor(arrivedAt: number, records: RecordBatch = new RecordBatch(), spans: Span[] = []) {
    this.arrivedAt = arrivedAt;
    this.records = records;
    this.#spans = spans;
  }

  /** Encodes a record at the end. @throws {TypeError} when it cannot be encoded; the batch is as before then */
  append(record: ProducerRecord, now: number, delivery: Delivery, index: number): void {
    const first = this.records.append(record, now);
    const last = this.#spans[this.#spans.length - 1];
    if (last?.delivery === delivery && last.index + last.count === index) last.count++;
    else this.#spans.push({ delivery, index, first, count: 1 });
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
    for (const { delivery, index, first, count } of this.#spans) {
      for (let i = 0; i < count; i++) delivery.settle(index + i, outcome(first + i));
    }
    this.#whenSettled?.resolve();
  }

  /** Resolves when the outcome is told. */
  whenSettled(): Promise<void> {
    return (this.#whenSettled ??= Promise.withResolvers<void>()).promise;
  }

  /** Two batches with the same records and the same people waiting. */
  split(): [Batch, Batch] {
    const [left, right] = this.records.split();
    const spans: [Span[], Span[]] = [[], []];
    for (const span of this.#spans) {
      const before = Math.max(0, Math.min(span.count, left.count - span.first));
      if (before > 0) spans[0].push({ ...span, count: before });
      if (before < span.count) {
        const first = Math.max(span.first, left.count) - left.count;
        spans[1].push({ ...span, index: span.index + before, first, count: span.count - before });
      }
    }
    const halves: [Batch, Batch] = [
      new Batch(this.arrivedAt, left, spans[0]),
      new Batch(this.arrivedAt, right, spans[1]),
    ];
    halves[0].reservedBytes = Math.floor(this.reservedBytes / 2);
    halves[1].reservedBytes = this.reservedBytes - halves[0].reservedBytes;
    for (const half of halves) half.urgent = this.urgent;
    // Whoever waits for the whole waits for both halves.
    void Promise.all(halves.map((half) => half.whenSettled())).then(() => this.#whenSettled?.resolve());
    return halves;
  }
}

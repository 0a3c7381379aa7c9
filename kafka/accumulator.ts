/**
 * Records become batches here, one first-in-first-out queue for each partition. Nothing in this file knows how
 * batches travel; `sender.ts` takes the first of a queue, and the queue moves on when its outcome is known.
 *
 * @module
 */
import { Batch } from "./batch.ts";
import type { Delivery, Outcome } from "./delivery.ts";
import { NO_HEADERS } from "./record.ts";
import { estimateSize, type ProducerRecord } from "./record_batch.ts";

/** Limits of an accumulator. */
export interface AccumulatorLimits {
  /** Largest batch before compression, in bytes. */
  batchBytes: number;
  /** All records without an outcome, in bytes. */
  bufferBytes: number;
  /** From a record's arrival to its outcome, in ms. */
  deliveryTimeoutMs: number;
}

/** Who writes to a partition, and which sequence comes next. */
export interface Identity {
  producerId: bigint;
  producerEpoch: number;
  nextSequence: number;
}

/** One partition's batches, oldest first, and what the sender must remember about it. */
export class PartitionQueue {
  readonly batches: Batch[] = [];
  /** A request with the first batch is on its way, or being made. Never two: the next sequence needs an answer. */
  busy = false;
  /** Not before this time, in ms since 1970, is the first batch sent again to the broker that it failed on. */
  retryAt = 0;
  /** The broker that the first batch was last sent to; -1 for none. */
  sentTo = -1;
  /** Undefined until there is one: at first, and after an outcome that stays unknown. */
  identity?: Identity;
  /** The id that all partitions start with was this one's too, so that the next one must be its own. */
  hadIdentity = false;

  constructor(readonly topic: string, readonly partition: number) {}

  /** Before when, in ms since 1970, nothing goes to a broker: a failure on another one is no reason to wait for it. */
  waitsUntil(broker: number): number {
    return broker === this.sentTo ? this.retryAt : 0;
  }

  /** Whether a record that came in now would leave at once, as far as this queue knows. */
  get idle(): boolean {
    const [first, second] = this.batches;
    return !this.busy && !second && !first?.failures;
  }
}

/** Whether a batch has left, or is about to. */
function isTaken(batch: Batch, queue: PartitionQueue): boolean {
  return batch.frozen !== undefined || (queue.busy && queue.batches[0] === batch);
}

/** Whether a record takes at most so many bytes. Measuring a text takes time, bounding it does not. */
export function fits(record: ProducerRecord, bytes: number): boolean {
  return maxSize(record) <= bytes || estimateSize(record) <= bytes;
}

/** A bound of a record's size in a batch, NaN for what is no record: no character of a text takes over three bytes. */
export function maxSize(record: ProducerRecord): number {
  const { key, value, headers = NO_HEADERS } = record ?? {};
  if (!Array.isArray(headers)) return NaN;
  let size = 32 + 3 * ((key?.length ?? 0) + (value?.length ?? 0));
  for (const header of headers) size += 10 + 3 * (header?.[0]?.length + (header?.[1]?.length ?? 0));
  return size;
}

/** A topic's queues, and where its keyless records go. */
interface TopicState {
  queues: PartitionQueue[];
  /** Where the search for an idle partition begins. */
  sticky: number;
  /** What the search found, until a queue gets busy or idle, or its batch is full. */
  chosen?: PartitionQueue;
}

/** The queues of all partitions, bounded in bytes. */
export class Accumulator {
  /** Queues with batches in them; the one that was served longest ago comes first. */
  readonly active = new Set<PartitionQueue>();
  #bytes = 0;
  #records = 0;
  #room = Promise.withResolvers<void>();
  readonly #limits: AccumulatorLimits;
  readonly #topics = new Map<string, TopicState>();

  constructor(limits: AccumulatorLimits) {
    this.#limits = limits;
  }

  /** Bytes of records without an outcome. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Records without an outcome. */
  get records(): number {
    return this.#records;
  }

  /** Whether so many bytes fit into the buffer now. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#limits.bufferBytes;
  }

  /** The queue of a partition. */
  queue(topic: string, partition: number): PartitionQueue {
    const { queues } = this.#topic(topic);
    return queues[partition] ??= new PartitionQueue(topic, partition);
  }

  /**
   * Where records without a key go: all that come in at once to one partition, so that they travel in one batch, and
   * the next ones to the next partition that can send at once, else to the one with the fewest batches before them (the
   * idea of KIP-480 and KIP-794).
   *
   * @param usable whether a partition has a leader
   */
  stickyQueue(topic: string, partitions: number, usable: (partition: number) => boolean): PartitionQueue {
    const state = this.#topic(topic);
    // Looking at all partitions for each record of its own would take longer than encoding it.
    const { chosen } = state;
    if (chosen && chosen.partition < partitions && usable(chosen.partition)) return chosen;
    const first = state.sticky % partitions;
    let found = this.queue(topic, first);
    let least = Infinity;
    for (let i = 0; i < partitions && least >= 0; i++) {
      const partition = (first + i) % partitions;
      if (!usable(partition)) continue;
      const queue = this.queue(topic, partition);
      const before = queue.idle ? -1 : queue.batches.length;
      if (before < least) [found, least] = [queue, before];
    }
    state.chosen = found;
    state.sticky = found.partition;
    return state.chosen;
  }

  /**
   * Encodes a record into the last batch of its partition, or a new one. (Five arguments and no object: this runs a
   * million times a second.)
   *
   * @throws {TypeError} when it cannot be encoded
   */
  append(queue: PartitionQueue, record: ProducerRecord, now: number, delivery: Delivery, index: number): void {
    const last = queue.batches[queue.batches.length - 1];
    const isNew = last === undefined || !this.#accepts(last, queue, record, now);
    const batch = isNew ? new Batch(now) : last;
    const before = batch.records.sizeInBytes;
    batch.append(record, now, delivery, index);
    if (isNew) {
      queue.batches.push(batch);
      this.active.add(queue);
      if (last && !isTaken(last, queue)) this.#topic(queue.topic).chosen = undefined; // full: on to another partition
    }
    const bytes = batch.records.sizeInBytes - before;
    batch.reservedBytes += bytes;
    this.#bytes += bytes;
    this.#records++;
  }

  /** A batch is closed by being sent, by being full, and by age: its deadline is that of its first record. */
  #accepts(batch: Batch, queue: PartitionQueue, record: ProducerRecord, now: number): boolean {
    const full = !fits(record, this.#limits.batchBytes - batch.records.sizeInBytes);
    const old = now - batch.arrivedAt > this.#limits.deliveryTimeoutMs / 10;
    return !isTaken(batch, queue) && !full && !old;
  }

  /** Tells everybody who waits for a batch its outcome, and gives its bytes back to the buffer. The first one stands. */
  settle(batch: Batch, outcome: (index: number) => Outcome): void {
    if (batch.settled) return;
    this.#bytes -= batch.reservedBytes;
    this.#records -= batch.records.count;
    batch.settle(outcome);
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  /** Takes a batch out of its queue, for good. */
  remove(queue: PartitionQueue, batch: Batch): void {
    const at = queue.batches.indexOf(batch);
    if (at < 0) return;
    queue.batches.splice(at, 1);
    batch.records.release(); // its bytes were copied into each request
    if (queue.batches.length === 0) this.active.delete(queue);
    this.#topic(queue.topic).chosen = undefined; // this one may be idle now, while the chosen one is not
  }

  /** Resolves when a batch has got its outcome, and so made room. */
  whenRoom(): Promise<void> {
    return this.#room.promise;
  }

  /** Ends lingering for what is here now. Resolves when all of it has its outcome. */
  async flush(): Promise<void> {
    const batches = [...this.active].flatMap((queue) => queue.batches);
    for (const batch of batches) batch.urgent = true;
    await Promise.all(batches.map((batch) => batch.settled || batch.whenSettled()));
  }

  /** Puts two parts in the place of a queue's first batch: halves, or the records that are named before the others. */
  splitFirst(queue: PartitionQueue, isFirst?: (index: number) => boolean): void {
    const [whole] = queue.batches.splice(0, 1, ...queue.batches[0].split(isFirst));
    whole.records.release();
  }

  /** To be called when a queue's batch leaves: it goes to the end of the line, and keyless records move on. */
  served(queue: PartitionQueue): void {
    this.active.delete(queue);
    this.active.add(queue);
    const state = this.#topic(queue.topic);
    if (state.sticky === queue.partition) state.sticky++;
    state.chosen = undefined;
  }

  #topic(topic: string): TopicState {
    let state = this.#topics.get(topic);
    if (!state) this.#topics.set(topic, state = { queues: [], sticky: Math.floor(Math.random() * 1_000) });
    return state;
  }
}

/**
 * What one run of the consumer shares over all its clients: whether it is to stop and why, how much is left to do.
 *
 * @module
 */
import type { TopicPartition } from "../kafka/group_requests.ts";

/** Why a run ends without anything being wrong. */
export class Finished extends Error {
  override name = "Finished";
}

/** One run, from start to stop. */
export class Run {
  /** Aborts when work is to stop: on a signal, at the end, or with an error. */
  readonly stop: AbortSignal;
  /** Records that were handled. */
  handled = 0;
  /** Whether a partition could not be read on. */
  damaged = false;
  /** When the last record came, in ms since 1970. */
  lastRecordAt = Date.now();
  readonly #controller = new AbortController();
  readonly #ends = new Map<string, number>();
  readonly #reached = new Set<string>();
  readonly #exit: boolean;
  #left: number;
  #underWay = 0;

  /**
   * @param options.count Stop after so many records. Default: never.
   * @param options.exit Stop when every partition was read up to where it ended at the start.
   */
  constructor(signal: AbortSignal, options: { count?: number; exit: boolean }) {
    this.stop = AbortSignal.any([signal, this.#controller.signal]);
    this.#left = options.count ?? Infinity;
    this.#exit = options.exit;
  }

  /** Ends the run in order: what is under way is finished and committed. The first reason counts. */
  end(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** What ended the run, unless it was a signal or a run that did what it should. */
  get failure(): Error | undefined {
    const { reason } = this.#controller.signal;
    return reason instanceof Finished ? undefined : reason;
  }

  /** Of so many records, how many may be handled now. */
  admit(records: number): number {
    const admitted = Math.min(records, this.#left);
    this.#left -= admitted;
    this.#underWay += admitted;
    return admitted;
  }

  /** Of the admitted records, so many are no longer under way, and so many of them were handled. */
  settle(admitted: number, handled: number): void {
    this.#underWay -= admitted;
    this.#left += admitted - handled;
    this.handled += handled;
  }

  /** Partitions whose end at the start is not known yet. */
  withoutEnd<T extends TopicPartition>(partitions: readonly T[]): T[] {
    return this.#exit ? partitions.filter((p) => !this.#ends.has(keyOf(p))) : [];
  }

  /** The end of a partition as the run begins for it. */
  setEnd(partition: TopicPartition, offset: number): void {
    this.#ends.set(keyOf(partition), offset);
  }

  /** A partition was read up to here. */
  reached(partition: TopicPartition, offset: number): void {
    const key = keyOf(partition);
    if (this.#exit && offset >= (this.#ends.get(key) ?? Infinity)) this.#reached.add(key);
  }

  /** Ends the run if it has done what it should. */
  endIfDone(assigned: readonly TopicPartition[]): void {
    if (this.#left + this.#underWay <= 0) this.end(new Finished("the wanted number of records was handled"));
    if (this.#exit && assigned.every((partition) => this.#reached.has(keyOf(partition)))) {
      this.end(new Finished("the end was reached"));
    }
  }
}

/** A partition's name, unique and readable. */
export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`;
}

/**
 * What becomes of records: one outcome each, and one promise for all that came in together.
 *
 * @module
 */
import type { DeliveryError } from "../errors.ts";

/** Every record ends as exactly one of these. */
export type Outcome = Acknowledged | Rejected | Unknown;

/** In Kafka, once, on all in-sync replicas (with acks=all). */
export interface Acknowledged {
  readonly status: "acknowledged";
  readonly partition: number;
  /** -1 with acks=0, where the broker does not say. */
  readonly offset: number;
  /** In ms since 1970: the record's, or the broker's where the topic is set to LogAppendTime. */
  readonly timestamp: number;
  /** From the arrival of the first record of its batch, so at most so long for this one, in ms. */
  readonly latencyMs: number;
}

/** Not in Kafka, and never will be. */
export interface Rejected {
  readonly status: "rejected";
  readonly error: DeliveryError;
  /** Whether the same record may fare better later. */
  readonly retriable: boolean;
}

/** Nobody can tell whether it is in Kafka: an answer got lost and the deadline passed. */
export interface Unknown {
  readonly status: "unknown";
  readonly error: DeliveryError;
}

/** What became of a batch's records, by their index in the batch. */
export type OutcomeOf = (record: number) => Outcome;

/** The records of one call, waiting for their outcomes. */
export class Delivery {
  /** Resolves, never rejects, when every record has its outcome, in the order of the records. */
  readonly settled: Promise<Outcome[]>;
  // What is known while others wait, made when the first is known: most wait for a while, and what waits is copied by
  // the garbage collector. So it is no object for each record, but its batch's function and its index there.
  #known?: (OutcomeOf | undefined)[];
  #records?: number[];
  /** By index, the index of the record that follows it in its batch, where that is not the next one. */
  #following?: number[];
  #waiting: number;
  #resolve!: (outcomes: Outcome[]) => void;

  constructor(count: number) {
    this.#waiting = count;
    this.settled = new Promise((resolve) => this.#resolve = resolve);
    if (count === 0) this.#resolve([]);
  }

  /** Records without an outcome. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Notes that two of the records follow each other in a batch. They may do so anew when the batch is split. */
  chain(index: number, next: number): void {
    if (next !== index + 1) (this.#following ??= new Array(this.#waiting))[index] = next;
  }

  /** The record after this one in its batch, where there is one. */
  following(index: number): number {
    return this.#following?.[index] ?? index + 1;
  }

  /** The first outcome stands: a caller that stopped waiting has been told "unknown" and hears no more. */
  settle(index: number, outcome: Outcome): void {
    this.#note(index, () => outcome, 0);
  }

  /**
   * The same for records that were chained: `count` from this one on have the outcomes that `outcomeOf` says of a
   * batch's records, from `record` on.
   */
  settleChain(index: number, count: number, outcomeOf: OutcomeOf, record: number): void {
    if (!this.#known && count === this.#waiting) return this.#settleAll(outcomeOf, record);
    for (const end = record + count; record < end; record++) {
      this.#note(index, outcomeOf, record);
      index = this.following(index);
    }
  }

  /** Gives what has no outcome yet this one. @returns how many records that were */
  settleRest(outcome: Outcome): number {
    const rest = this.#waiting;
    for (let i = 0; this.#waiting > 0; i++) this.settle(i, outcome);
    return rest;
  }

  #note(index: number, outcomeOf: OutcomeOf, record: number): void {
    if (this.#waiting === 0) return;
    const known = this.#known ??= new Array(this.#waiting);
    if (known[index] !== undefined) return;
    const records = this.#records ??= new Array(this.#waiting);
    known[index] = outcomeOf;
    records[index] = record;
    if (--this.#waiting === 0) this.#resolve(known.map((of, i) => of!(records[i])));
  }

  /** Without notes where one batch has all: most calls are of that kind. */
  #settleAll(outcomeOf: OutcomeOf, record: number): void {
    const outcomes = new Array<Outcome>(this.#waiting);
    this.#waiting = 0;
    for (let i = 0; i < outcomes.length; i++) outcomes[i] = outcomeOf(record + i);
    this.#resolve(outcomes);
  }
}

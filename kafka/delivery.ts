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

/** Records of one call that follow each other in a batch and have their outcomes. */
interface Span {
  /** What the call calls the first of them. */
  readonly index: number;
  readonly count: number;
  readonly outcomeOf: OutcomeOf;
  /** What the batch calls the first of them. */
  readonly record: number;
}

/** The records of one call, waiting for their outcomes. */
export class Delivery {
  /** Resolves, never rejects, when every record has its outcome, in the order of the records. */
  readonly settled: Promise<Outcome[]>;
  /** What is known while others wait. Not an outcome for each record: what waits is copied by the garbage collector. */
  #spans?: Span[];
  /** By index, outcomes that no batch has told. */
  #told?: Outcome[];
  /** By index, the index of the record that follows it in its batch, where that is not the next one. */
  #following?: number[];
  /** Of all records; set with the first outcomes. In the constructor it made a promise per record a fifth slower. */
  #count?: number;
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

  /** Gives a record an outcome of its own, where no batch will. The first one stands. */
  settle(index: number, outcome: Outcome): void {
    if (this.#waiting === 0) return;
    const told = this.#told ??= new Array(this.#count ??= this.#waiting);
    if (told[index] !== undefined) return;
    told[index] = outcome;
    if (--this.#waiting === 0) this.#resolve(this.#known());
  }

  /**
   * Gives records that were chained their outcomes, once for each: `count` from this one on have what `outcomeOf` says
   * of a batch's records, from `record` on. Who stopped waiting has been told "unknown" of all the rest, and hears no
   * more.
   */
  settleChain(index: number, count: number, outcomeOf: OutcomeOf, record: number): void {
    if (this.#waiting === 0) return;
    if (this.#count === undefined && count === this.#waiting) return this.#settleAll(outcomeOf, record);
    this.#note(index, count, outcomeOf, record);
  }

  #note(index: number, count: number, outcomeOf: OutcomeOf, record: number): void {
    this.#count ??= this.#waiting;
    this.#waiting -= count;
    if (this.#waiting > 0) return void (this.#spans ??= []).push({ index, count, outcomeOf, record });
    const outcomes = this.#known();
    this.#fill(outcomes, index, count, outcomeOf, record);
    this.#resolve(outcomes);
  }

  /** Gives what has no outcome yet this one. @returns how many records that were */
  settleRest(outcome: Outcome): number {
    const rest = this.#waiting;
    this.#count ??= rest;
    if (rest === 0) return 0;
    this.#waiting = 0;
    const outcomes = this.#known();
    for (let i = 0; i < outcomes.length; i++) outcomes[i] ??= outcome;
    this.#resolve(outcomes);
    return rest;
  }

  /** Most calls have all their records in one batch, in their order. */
  #settleAll(outcomeOf: OutcomeOf, record: number): void {
    const outcomes = new Array<Outcome>(this.#waiting);
    this.#waiting = 0;
    for (let i = 0; i < outcomes.length; i++) outcomes[i] = outcomeOf(record + i);
    this.#resolve(outcomes);
  }

  #known(): Outcome[] {
    const outcomes = this.#told ?? new Array<Outcome>(this.#count!);
    if (this.#spans) {
      for (const { index, count, outcomeOf, record } of this.#spans) {
        this.#fill(outcomes, index, count, outcomeOf, record);
      }
    }
    return outcomes;
  }

  #fill(outcomes: Outcome[], index: number, count: number, outcomeOf: OutcomeOf, record: number): void {
    for (const end = record + count; record < end; record++) {
      outcomes[index] = outcomeOf(record);
      index = this.following(index);
    }
  }
}

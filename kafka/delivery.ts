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

/** The records of one call, waiting for their outcomes. */
export class Delivery {
  /** Resolves, never rejects, when every record has its outcome, in the order of the records. */
  readonly settled: Promise<Outcome[]>;
  /** Made when the first is known: most wait for a while, and what waits is copied by the garbage collector. */
  #outcomes?: (Outcome | undefined)[];
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

  /** The first outcome stands: a caller that stopped waiting has been told "unknown" and hears no more. */
  settle(index: number, outcome: Outcome): void {
    const outcomes = this.#outcomes ??= new Array(this.#waiting);
    if (outcomes[index] !== undefined) return;
    outcomes[index] = outcome;
    if (--this.#waiting === 0) this.#resolve(outcomes as Outcome[]);
  }

  /** Gives what has no outcome yet this one. @returns how many records that were */
  settleRest(outcome: Outcome): number {
    const rest = this.#waiting;
    for (let i = 0; this.#waiting > 0; i++) this.settle(i, outcome);
    return rest;
  }
}

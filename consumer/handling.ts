/**
 * Calls the handler: again, later and later, when it fails; in the end the record is a dead letter.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { FatalError } from "../kafka/broker_error.ts";
import { sleep } from "../kafka/wait.ts";
import { OutputClosed } from "../handlers/print.ts";
import type { BatchHandler, ConsumedRecord, Handler, HandlerContext, HandlerModule } from "../handlers/types.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { Turns } from "./turns.ts";

/** The longest pause between two attempts, in ms. */
const MAX_PAUSE_MS = 30_000;

/** Settings of {@linkcode Handling}. */
export interface HandlingOptions {
  /** 1: never again. */
  maxAttempts: number;
  /** Before the second attempt, in ms; doubles with each further one. */
  retryBackoffMs: number;
  /** Where records go that cannot be handled. Undefined: such a record ends the run. */
  deadLetters: DeadLetters | undefined;
  log: Logger;
}

/** What surrounds the handling of some records. */
export interface Surroundings {
  /** Aborts when no further record is to be begun. */
  stop: AbortSignal;
  /** Aborts when those under way are to be given up. */
  hurry: AbortSignal;
  /** Told after each record, or after the last one of several: everything up to it is done. */
  onHandled: (record: ConsumedRecord) => void;
}

/** Handles records. */
export class Handling {
  readonly #one: Handler;
  readonly #many: BatchHandler | undefined;
  readonly #options: HandlingOptions;
  readonly #turns = new Turns();

  constructor(module: HandlerModule, options: HandlingOptions) {
    const { batch } = module;
    this.#one = module.default ?? ((record, context) => batch!([record], context));
    this.#many = batch;
    this.#options = options;
  }

  /**
   * Handles records of one partition in order. Returns early when it is told to stop.
   *
   * @throws {OutputClosed} when the handler has nowhere to put records any more
   * @throws {FatalError} when a record can neither be handled nor become a dead letter
   */
  async handle(records: readonly ConsumedRecord[], surroundings: Surroundings): Promise<void> {
    if (this.#many && records.length > 1 && await this.#handleTogether(records, surroundings)) return;
    const context: HandlerContext = { signal: surroundings.hurry, attempt: 1, log: this.#options.log };
    for (const record of records) {
      if (surroundings.stop.aborted) return;
      try {
        const handled = this.#one(record, context);
        if (handled) await handled; // a promise that need not be awaited costs more than most handlers
      } catch (error) {
        if (!await this.#handleAgain(record, { error, ...surroundings })) return;
      }
      surroundings.onHandled(record);
      if (this.#turns.due) await this.#turns.give();
    }
  }

  async #handleTogether(records: readonly ConsumedRecord[], { hurry, onHandled }: Surroundings): Promise<boolean> {
    const { log } = this.#options;
    try {
      await this.#many!(records, { signal: hurry, attempt: 1, log });
      onHandled(records.at(-1)!);
      if (this.#turns.due) await this.#turns.give();
      return true;
    } catch (error) {
      if (error instanceof OutputClosed) throw error;
      const [{ topic, partition, offset }] = records;
      log.warn(`handler failed; handling its ${records.length} records one by one`, {
        topic,
        partition,
        offset,
        error,
      });
      return false;
    }
  }

  /**
   * Tries again after the first attempt has failed.
   *
   * @returns whether it was handled, or became a dead letter; not when there was no time for that
   */
  async #handleAgain(
    record: ConsumedRecord,
    { error, stop, hurry }: { error: unknown; stop: AbortSignal; hurry: AbortSignal },
  ): Promise<boolean> {
    const { maxAttempts, retryBackoffMs, log } = this.#options;
    const { topic, partition, offset } = record;
    for (let attempt = 1, failure = error;; attempt++) {
      if (failure instanceof OutputClosed) throw failure;
      if (hurry.aborted) return false;
      const hopeless = (failure as { retriable?: boolean } | undefined)?.retriable === false;
      if (attempt >= maxAttempts || hopeless) return await this.#bury(record, { error: failure, attempt, hurry });
      const pauseMs = Math.min(MAX_PAUSE_MS, retryBackoffMs * 2 ** (attempt - 1)) * (0.5 + Math.random());
      log.warn("handler failed; trying again", {
        topic,
        partition,
        offset,
        attempt,
        pauseMs: pauseMs | 0,
        error: failure,
      });
      await sleep(pauseMs, stop);
      if (stop.aborted) return false;
      try {
        await this.#one(record, { signal: hurry, attempt: attempt + 1, log });
        return true;
      } catch (error) {
        failure = error;
      }
    }
  }

  async #bury(
    record: ConsumedRecord,
    { error, attempt, hurry }: { error: unknown; attempt: number; hurry: AbortSignal },
  ): Promise<boolean> {
    const { deadLetters, log } = this.#options;
    const { topic, partition, offset } = record;
    if (!deadLetters) {
      const text =
        `The handler failed ${attempt} times with offset ${offset} of ${topic}[${partition}], which is not ` +
        `committed: ${(error as Error)?.message ?? error}; mend the handler, or name a --dead-letter-topic`;
      throw new FatalError(text, { cause: error });
    }
    const place = await deadLetters.send(record, { error, attempts: attempt, signal: hurry });
    if (!place) return false;
    log.error("handler failed for good; the record is a dead letter", {
      topic,
      partition,
      offset,
      attempts: attempt,
      deadLetter: place,
      error,
    });
    return true;
  }
}

/**
 * A consumer that goes on for ever: a new client after each that failed.
 *
 * @module
 */
import type { Logger } from "@std/log";
import type { Config } from "../config.ts";
import { rootCause } from "../errors.ts";
import type { HandlerModule } from "../handlers/types.ts";
import { fatalIn } from "../kafka/broker_error.ts";
import { sleep } from "../kafka/wait.ts";
import { DeadLetters } from "./dead_letters.ts";
import { Handling } from "./handling.ts";
import { Run } from "./run.ts";
import { Session, type Shared } from "./session.ts";
import { Slots } from "./slots.ts";

/** Before the second client, in ms; doubles up to the longest, with jitter. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** A client that lived so long, in ms, was not part of a row of failures. */
const GOOD_LIFE_MS = 60_000;

/** Reads topics and has their records handled. */
export class Consumer {
  readonly #config: Config<"consume">;
  readonly #module: HandlerModule;
  readonly #log: Logger;
  #session: Session | undefined;
  #run: Run | undefined;

  constructor(config: Config<"consume">, module: HandlerModule, log: Logger) {
    this.#config = config;
    this.#module = module;
    this.#log = log;
  }

  /** Where each partition is, and how many records were handled so far. */
  get progress(): { handled: number; lastRecordAt: number; positions: Session["positions"] } {
    const { handled = 0, lastRecordAt = Date.now() } = this.#run ?? {};
    return { handled, lastRecordAt, positions: this.#session?.positions ?? [] };
  }

  /**
   * Consumes until the signal aborts or there is nothing left to do, then finishes what is under way.
   *
   * @returns whether all that was begun was finished
   * @throws {Error} when going on would make no sense
   */
  async consume(signal: AbortSignal): Promise<boolean> {
    const { groupId, deadLetterTopic, shutdownTimeoutMs, maxAttempts, retryBackoffMs, grep, concurrency } =
      this.#config;
    const log = this.#log;
    const run = this.#run = new Run(signal, this.#config);
    const deadLetters = deadLetterTopic === "none"
      ? undefined
      : new DeadLetters(this.#config, { pattern: deadLetterTopic, group: groupId, log });
    const shared: Shared = {
      run,
      log,
      handling: new Handling(this.#module, { maxAttempts, retryBackoffMs, deadLetters, log }),
      slots: new Slots(concurrency),
      wanted: grep ? (record) => grep.test(record.text() ?? "") : () => true,
      memberId: "",
      left: new Map(),
      unfinished: new Map(),
    };
    try {
      await this.#sessions(run, shared);
    } finally {
      await deadLetters?.close(Date.now() + shutdownTimeoutMs * 0.1);
    }
    if (run.failure) throw run.failure;
    return shared.unfinished.size === 0 && !run.damaged;
  }

  async #sessions(run: Run, shared: Shared): Promise<void> {
    for (let failures = 0; !run.stop.aborted;) {
      const started = Date.now();
      try {
        this.#session = new Session(this.#config, shared);
        await this.#session.run();
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) throw error;
        const fatal = fatalIn(error);
        if (fatal) throw fatal;
        failures = Date.now() - started > GOOD_LIFE_MS ? 1 : failures + 1;
        const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1)) * (0.5 + Math.random());
        this.#log.warn("consuming failed; starting over with a new client", {
          cause: rootCause(error),
          pauseMs: pauseMs | 0,
        });
        await sleep(pauseMs, run.stop);
      }
    }
  }
}

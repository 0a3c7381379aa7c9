/**
 * Which brokers cannot be reached, told once each: one that is down while others answer, or that advertises an address
 * which clients cannot use. kafkajs would tell of every attempt.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { rootCause } from "../errors.ts";

/** Where changes of state are told. */
export type StateLog = Pick<Logger, "info" | "warn">;

/** For where another part of the process tells the same: its changes of state are for debugging. */
export function quiet(log: Logger): StateLog {
  const debug: Logger["debug"] = log.debug.bind(log);
  return { info: debug, warn: debug };
}

/** For less than this, in ms, a broker may be away without a word: it restarts, or Kafka stops and this one was first. */
const AWAY_MS = 2_000;

/** Attempts that have failed, in a row. */
interface Failure {
  /** The first one, in ms since 1970. */
  since: number;
  /** Of the last one. */
  cause: unknown;
}

/** What attempts to connect have come to. */
export class Reachability {
  /** By `host:port`; undefined where the last attempt succeeded. */
  readonly #attempts = new Map<string, Failure | undefined>();
  /** Brokers that were said to be away. */
  readonly #away = new Set<number>();

  /** An attempt to connect to `host:port` has succeeded, or failed with this cause. */
  note(address: string, cause?: unknown, now = Date.now()): void {
    const { since = now } = this.#attempts.get(address) ?? {};
    this.#attempts.set(address, cause === undefined ? undefined : { since, cause });
  }

  /** Kafka did not answer at all, and does now: what failed meanwhile says nothing about single brokers. */
  reset(): void {
    this.#attempts.clear();
  }

  /** Logs what has changed about brokers that Kafka says are there. To be called now and then while it answers. */
  report(brokers: readonly { nodeId: number; host: string; port: number }[], log: StateLog, now = Date.now()): void {
    const listed = new Map(brokers.map(({ nodeId, host, port }) => [`${host}:${port}`, nodeId]));
    for (const address of this.#attempts.keys()) if (!listed.has(address)) this.#attempts.delete(address);
    for (const [address, broker] of listed) {
      if (!this.#attempts.has(address)) continue;
      const failure = this.#attempts.get(address);
      if (!failure) {
        if (this.#away.delete(broker)) log.info("a broker can be reached again", { broker, address });
      } else if (!this.#away.has(broker) && now - failure.since >= AWAY_MS) {
        this.#away.add(broker);
        const cause = rootCause(failure.cause);
        log.warn("a broker cannot be reached at the address that it advertises", { broker, address, cause });
      }
    }
  }
}

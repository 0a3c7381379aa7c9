/**
 * Which messages the fault proxy disturbs, and how.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { type Errors, partsOf, REFUSABLE } from "./kafka_errors.ts";
import type { ApiName, Part, Request } from "./kafka_frames.ts";
import type { Random } from "./wait.ts";

/** Which of the two messages: client to broker, or broker to client. */
export type Direction = "request" | "response";

/** How a connection ends: a reset (`ECONNRESET`), or an orderly end. */
export type Ending = "rst" | "fin";

/** What happens to a message that a rule matches. */
export type Action =
  /** Nothing, and other rules may act on it: this one counts requests. */
  | { do: "count" }
  /** It waits, and all behind it on its connection, for `release()`. */
  | { do: "hold"; at: Direction }
  /** It waits `ms`, give or take up to `jitter` ms, and all behind it too. */
  | { do: "delay"; at: Direction; ms: number; jitter?: number }
  /** It disappears; the connection stays open. */
  | { do: "drop"; at: Direction }
  /**
   * The connection is cut, on both sides, after the first `bytes` (0 by
   * default) of the message were passed on. At the response, the broker has
   * done what it was asked.
   */
  | { do: "cut"; at: Direction; with: Ending; bytes?: number | "half" }
  /**
   * The answer says error `code`. With `forward` the broker was asked all the
   * same: a record is written and answered with an error. Without, it was not:
   * Produce loses just the partitions that the rule names, the others go on.
   */
  | { do: "error"; code: number; forward: boolean }
  /** The answer says that the client is throttled for `ms` (KIP-219). */
  | { do: "throttle"; ms: number }
  /** The answer's body (after the correlation id) is replaced. */
  | { do: "rewrite"; body: (body: Buffer, request: Request) => Uint8Array }
  /** The request is not forwarded and gets this body as its answer. */
  | { do: "answer"; body: (request: Request) => Uint8Array };

/** Which messages a rule is for; all conditions must hold. */
export interface RuleOptions {
  action: Action;
  /** The request type or types; all by default. */
  api?: ApiName | ApiName[];
  /** Produce and Fetch that carry this topic; errors then hit it alone. */
  topic?: string;
  /** Produce and Fetch that carry this partition; errors then hit it alone. */
  partition?: number;
  /** Only responses of at least so many bytes, such as fetches with records. */
  responseBytes?: number;
  /** Any other condition. */
  when?: (request: Request) => boolean;
  /** Lets so many matching messages pass first; 0 by default. */
  skip?: number;
  /** How often it acts; for ever by default. */
  times?: number;
  /** Acts on this share of the matching messages (seeded); 1 by default. */
  chance?: number;
}

/** A rule at work; disposing it (or the proxy) ends it and frees what it holds. */
export class Rule implements Disposable {
  readonly options: Readonly<RuleOptions>;
  /** Where it acts: an error that is not forwarded, for one, at the request. */
  readonly at: Direction;
  #random: Random;
  #seen = 0;
  #taken = 0;
  #hits = 0;
  #ended = false;
  #released = Promise.withResolvers<void>();
  #waiters = new Set<() => void>();

  constructor(options: RuleOptions, random: Random) {
    const { action } = options;
    if (action.do === "error" && !action.forward) {
      const bad = [options.api ?? "all"].flat()
        .filter((api) => !REFUSABLE.includes(api));
      if (bad.length > 0) {
        throw new Error(
          `cannot refuse ${bad}: without forwarding, errors are for ${REFUSABLE}`,
        );
      }
    }
    this.options = options;
    this.#random = random;
    this.at = directionOf(action);
  }

  get action(): Action {
    return this.options.action;
  }

  /** How often it acted so far. */
  get hits(): number {
    return this.#hits;
  }

  /** What a `hold` waits for. */
  get released(): Promise<void> {
    return this.#released.promise;
  }

  /**
   * Resolves when the rule acted `count` times: held or delayed a message,
   * swallowed it, cut, or changed it. Rejects after `timeout` ms (30,000 by
   * default) or when the rule ends.
   */
  hit(count = 1, { timeout = 30_000 } = {}): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (why: string) =>
      reject(
        new Error(
          `waited for hit ${count} of the rule ${this}, had ${this.#hits}: ${why}`,
        ),
      );
    const timer = setTimeout(() => fail(`${timeout} ms passed`), timeout);
    const check = () => {
      if (this.#hits >= count) resolve();
      else if (this.#ended) fail("the rule has ended");
      else return;
      clearTimeout(timer);
      this.#waiters.delete(check);
    };
    this.#waiters.add(check);
    check();
    promise.catch(() => {}); // it may end before anybody awaits it
    return promise;
  }

  /** Lets go of what a `hold` holds, and of all that comes later. */
  release(): void {
    this.#released.resolve();
  }

  /** Whether it acts on this message; counts for `skip` and `times`. */
  takes(request: Request, response?: Buffer): boolean {
    const { api, responseBytes = 0, when, skip = 0, times, chance = 1 } = this.options;
    if (this.#ended || this.#taken >= (times ?? Infinity)) return false;
    if (api && ![api].flat().some((name) => name === request.api)) return false;
    if (response && response.length < responseBytes) return false;
    if (!this.#carriesPart(request) || when?.(request) === false) return false;
    if (this.#seen++ < skip) return false;
    if (chance < 1 && this.#random.next() >= chance) return false;
    this.#taken++;
    return true;
  }

  #carriesPart(request: Request): boolean {
    const { topic, partition } = this.options;
    if (topic === undefined && partition === undefined) return true;
    return partsOf(request).some((part) => this.#isFor(part));
  }

  #isFor({ topic, partition }: Part): boolean {
    return topic === (this.options.topic ?? topic) &&
      partition === (this.options.partition ?? partition);
  }

  /** What an `error` says, and to whom. */
  get errors(): Errors {
    const { action } = this.options;
    if (action.do !== "error") throw new Error(`${this} has no error code`);
    return { error: action.code, isHit: (part) => this.#isFor(part) };
  }

  /** The proxy calls it when the rule has acted. */
  applied(): void {
    this.#hits++;
    for (const check of [...this.#waiters]) check();
  }

  toString(): string {
    const { action, api = "any request", topic, partition } = this.options;
    const part = [topic, partition].filter((it) => it !== undefined).join("/");
    return `${api}${part && ` ${part}`}: ${describeAction(action)}`;
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.release();
    for (const check of [...this.#waiters]) check();
  }
}

function directionOf(action: Action): Direction {
  if ("at" in action) return action.at;
  if (action.do === "count" || action.do === "answer") return "request";
  return action.do === "error" && !action.forward ? "request" : "response";
}

/** An action in a few words, for logs: `cut response (rst)`. */
export function describeAction(action: Action): string {
  switch (action.do) {
    case "error":
      return `error ${action.code}, ${action.forward ? "" : "not "}forwarded`;
    case "cut":
      return `cut ${action.at} after ${action.bytes ?? 0} (${action.with})`;
    case "throttle":
      return `throttle ${action.ms} ms`;
    default:
      return "at" in action ? `${action.do} ${action.at}` : action.do;
  }
}

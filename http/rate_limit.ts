/**
 * So many requests per second for each caller.
 *
 * @module
 */
import { HttpError } from "./errors.ts";

/** Callers that are remembered; beyond, those who have been silent longest are forgotten. */
const MAX_CALLERS = 10_000;

/** What is left to a caller, for the `RateLimit-` headers. */
export interface Allowance {
  limit: number;
  remaining: number;
  /** Whole seconds until all of it is there again. */
  reset: number;
}

/**
 * One number for each caller: the time when the allowance will be whole again. Each request moves it by one request's
 * share of a second; more than a second ahead of now is too much. (The generic cell rate algorithm.)
 */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #wholeAt = new Map<string, number>();

  /** A caller that was silent may send a second's worth at once. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Counts one request. @param now in ms @throws {HttpError} 429 when it is one too many */
  take(caller: string, now: number): Allowance {
    const share = 1000 / this.#perSecond;
    const next = Math.max(this.#wholeAt.get(caller) ?? 0, now) + share;
    const excess = next - now - 1000;
    if (excess > 0.001) {
      const seconds = Math.ceil(excess / 1000);
      throw new HttpError(429, `More than ${this.#perSecond} requests a second; expected a pause (HTTP_RATE_LIMIT)`, {
        headers: { "retry-after": String(seconds), ...allowanceHeaders(this.#allowance(next - share - now)) },
      });
    }
    this.#wholeAt.delete(caller); // what is set anew goes to the end
    this.#wholeAt.set(caller, next);
    if (this.#wholeAt.size > MAX_CALLERS) this.#wholeAt.delete(this.#wholeAt.keys().next().value!);
    return this.#allowance(next - now);
  }

  #allowance(usedMs: number): Allowance {
    const limit = this.#perSecond;
    return {
      limit,
      remaining: Math.max(0, Math.floor((1000 - usedMs) * limit / 1000)),
      reset: Math.ceil(usedMs / 1000),
    };
  }
}

/** As https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-06.html names them. */
export function allowanceHeaders({ limit, remaining, reset }: Allowance): Record<string, string> {
  return {
    "ratelimit-limit": String(limit),
    "ratelimit-remaining": String(remaining),
    "ratelimit-reset": String(reset),
  };
}

/**
 * Time limits for many short waits. A timer for each would cost more than most of the waits: here one timer looks at
 * all of them once in a while.
 *
 * @module
 */

/** How often to look, in ms; waits may last that much longer than they should. */
const LOOK_MS = 500;

interface Wait {
  /** The look at which it ends. */
  readonly end: number;
  readonly fail: () => void;
}

/** Waits with the same limit. */
export class Deadlines {
  readonly #limitMs: number;
  readonly #lookMs: number;
  /** In the order in which they end. */
  readonly #waits = new Set<Wait>();
  #timer?: ReturnType<typeof setInterval>;
  /** Time in looks: asking a clock would be another call into the runtime for each wait. */
  #looks = 0;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#lookMs = Math.min(LOOK_MS, limitMs);
  }

  /** The promise's result, or a rejection with what `late` makes when the time is up. */
  limit<T>(promise: Promise<T>, late: (limitMs: number) => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = this.#looks + Math.ceil(this.#limitMs / this.#lookMs) + 1;
      const wait = { end, fail: () => reject(late(this.#limitMs)) };
      this.#waits.add(wait);
      this.#timer ??= setInterval(() => this.#look(), this.#lookMs);
      promise.then((value) => {
        this.#waits.delete(wait);
        resolve(value);
      }, (error) => {
        this.#waits.delete(wait);
        reject(error);
      });
    });
  }

  #look(): void {
    this.#looks++;
    for (const wait of this.#waits) {
      if (wait.end > this.#looks) break;
      this.#waits.delete(wait);
      wait.fail();
    }
    if (this.#waits.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

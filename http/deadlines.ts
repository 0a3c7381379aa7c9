/**
 * Time limits for many short waits. A timer for each would cost more than most of the waits: here one timer looks at
 * all of them once in a while.
 *
 * @module
 */

/** How often to look, in ms; waits may last that much longer than they should. */
const LOOK_MS = 500;

interface Wait {
  readonly end: number;
  readonly fail: () => void;
}

/** Waits with the same limit. */
export class Deadlines {
  readonly #limitMs: number;
  /** In the order in which they end. */
  readonly #waits = new Set<Wait>();
  #timer?: ReturnType<typeof setInterval>;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** The promise's result, or a rejection with what `late` makes when the time is up. */
  limit<T>(promise: Promise<T>, late: (limitMs: number) => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = { end: performance.now() + this.#limitMs, fail: () => reject(late(this.#limitMs)) };
      this.#waits.add(wait);
      this.#timer ??= setInterval(() => this.#look(), Math.min(LOOK_MS, this.#limitMs));
      const done = () => this.#waits.delete(wait);
      promise.then((value) => {
        done();
        resolve(value);
      }, (error) => {
        done();
        reject(error);
      });
    });
  }

  #look(): void {
    const now = performance.now();
    for (const wait of this.#waits) {
      if (wait.end > now) break;
      this.#waits.delete(wait);
      wait.fail();
    }
    if (this.#waits.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

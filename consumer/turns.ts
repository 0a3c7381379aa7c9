/**
 * Lets timers and sockets have their turn while handlers keep the process busy: heartbeats are among them.
 *
 * @module
 */
import { nextTurn } from "../kafka/wait.ts";

/** How long others may have to wait, in ms. */
const TURN_MS = 50;
/** Handlers are quick while the clock does not move on by more than this, in ms, from one look to the next. */
const QUICK_MS = 1;
/** Records from one look to the next, at most: a look costs as much as many a handler. */
const MOST_BETWEEN = 16;

/** Whose turn it is. */
export class Turns {
  #lookedAt = 0;
  #turnAt = 0;
  /** Records from one look at the clock to the next, and to the next one. */
  #between = 1;
  #left = 1;

  /** Whether others have waited long enough. To be asked after each call of a handler. */
  get due(): boolean {
    if (--this.#left > 0) return false;
    const now = Date.now();
    const quick = now - this.#lookedAt <= QUICK_MS;
    this.#left = this.#between = quick ? Math.min(MOST_BETWEEN, this.#between * 2) : 1;
    this.#lookedAt = now;
    return now > this.#turnAt;
  }

  /** Resolves when others have had their turn. */
  async give(): Promise<void> {
    await nextTurn();
    this.#turnAt = Date.now() + TURN_MS;
  }
}

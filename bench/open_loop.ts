/**
 * Requests on a schedule, whatever becomes of those before, and how long each took from when it SHOULD have been sent.
 *
 * A client that waits for an answer before it sends again sends less while a server is stuck, and then counts one slow
 * request where a schedule has hundreds: coordinated omission (Gil Tene). Here those that should have been sent in the
 * meantime are sent late, and their wait counts.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import type { Schedule } from "./open_loop_clock.ts";
import { Times } from "./percentiles.ts";

/** A load. */
export interface OpenLoop {
  /** Requests a second. */
  rate: number;
  seconds: number;
  /** Each sends one request at a time; those for which none is free wait. `at` is when it should be sent, in ms since 1970. */
  senders: readonly ((at: number) => Promise<void>)[];
}

/** How it went. Times are in ms. */
export interface OpenLoopSeen {
  count: number;
  /** From when a request should have been sent to its answer. */
  answered: Times;
  /** How late our own clock was for a request. */
  late: Times;
}

/** Milliseconds since 1970, with fractions, and the same in all processes of a machine. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

/** Runs a load. @throws what a sender throws */
export async function openLoop({ rate, seconds, senders }: OpenLoop): Promise<OpenLoopSeen> {
  const count = Math.round(rate * seconds);
  const [answered, late] = [new Times(), new Times()];
  using clock = new Clock(rate, count);
  await clock.started;
  let next = 0;
  await Promise.all(senders.map(async (send) => {
    for (let i = next++; i < count; i = next++) {
      const at = clock.timeOf(i);
      if (!clock.isDue(i)) {
        await clock.due(i);
        late.add(wallClock() - at);
      }
      await send(at);
      answered.add(wallClock() - at);
    }
  }));
  return { count, answered, late };
}

/** Tells what is due. A thread of its own keeps it: timers of an event loop are up to two milliseconds off. */
class Clock implements Disposable {
  /** How many requests are due, which the thread counts; and one that says that it runs. */
  readonly #due = new Int32Array(new SharedArrayBuffer(4));
  readonly #rate: number;
  readonly #worker: Worker;
  /** In the order of their requests, as senders come for them. */
  readonly #waiting: { request: number; resolve: () => void }[] = [];
  readonly started: Promise<void>;
  #start = 0;

  constructor(rate: number, count: number) {
    this.#rate = rate;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.started = promise;
    const schedule: Schedule = { due: this.#due, rate, count };
    this.#worker = new Worker(new URL("open_loop_clock.ts", import.meta.url), { workerData: schedule });
    this.#worker.once("error", reject);
    this.#worker.once("message", (start: number) => {
      this.#start = start;
      resolve();
      void this.#follow(count);
    });
  }

  timeOf(request: number): number {
    return this.#start + request * 1_000 / this.#rate;
  }

  isDue(request: number): boolean {
    return request < Atomics.load(this.#due, 0);
  }

  due(request: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ request, resolve }));
  }

  async #follow(count: number): Promise<void> {
    for (let seen = 0; seen < count;) {
      await Atomics.waitAsync(this.#due, 0, seen).value;
      seen = Atomics.load(this.#due, 0);
      while (this.#waiting.length > 0 && this.#waiting[0].request < seen) this.#waiting.shift()!.resolve();
    }
  }

  [Symbol.dispose](): void {
    void this.#worker.terminate();
  }
}

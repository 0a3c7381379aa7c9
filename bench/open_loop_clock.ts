/**
 * The thread of `bench/open_loop.ts` that counts what is due.
 *
 * @module
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";

/** Until the first request, in ms: whoever waits for it must have been told when that is. */
const AHEAD_MS = 20;

/** What it is given. */
export interface Schedule {
  due: Int32Array<SharedArrayBuffer>;
  /** Requests a second. */
  rate: number;
  count: number;
}

function run({ due, rate, count }: Schedule): void {
  const start = performance.now() + AHEAD_MS;
  parentPort!.postMessage(performance.timeOrigin + start);
  for (let i = 0; i < count; i++) {
    const wait = start + i * 1_000 / rate - performance.now();
    if (wait > 0) Atomics.wait(due, 0, i, wait); // nobody else changes it: this is a sleep, to some 0.1 ms
    Atomics.store(due, 0, i + 1);
    Atomics.notify(due, 0);
  }
}

if (!isMainThread) run(workerData);

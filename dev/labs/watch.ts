/**
 * Facts that are looked up again and again while a lab runs.
 *
 * @module
 */
import { sleep } from "../../kafka/wait.ts";

const PAUSE_MS = 400;

/** Calls `look` until it is disposed of. A look that fails is forgotten: Kafka may be paused, and comes back. */
export function watch(look: () => Promise<void>): Disposable {
  const stop = new AbortController();
  const loop = async () => {
    while (!stop.signal.aborted) {
      await look().catch(() => {});
      await sleep(PAUSE_MS, stop.signal);
    }
  };
  void loop();
  return { [Symbol.dispose]: () => stop.abort() };
}

/**
 * Waiting longer after each failure, and never in step with others.
 *
 * @module
 */
import { sleep } from "./wait.ts";

const BASE_MS = 20;
const CAP_MS = 1_000;

/** How long to wait after so many failures in a row, in ms: 20, 40, … up to 1000, each give or take a half. */
export function backoff(failures: number): number {
  return Math.min(CAP_MS, BASE_MS * 2 ** Math.max(0, failures - 1)) * (0.5 + Math.random());
}

/**
 * Tries until it succeeds, waiting longer after each failure.
 *
 * @param options.onFailure Is told each; what it throws ends the attempts
 * @returns what the attempt that succeeded came to; undefined when the signal aborted before
 */
export async function untilDone<T>(
  attempt: () => Promise<T>,
  { signal, onFailure }: { signal: AbortSignal; onFailure: (error: unknown, failures: number) => void },
): Promise<T | undefined> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await attempt();
    } catch (error) {
      onFailure(error, failures);
      await sleep(backoff(failures), signal);
    }
  }
}

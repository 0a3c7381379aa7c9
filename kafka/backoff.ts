/**
 * Waiting longer after each failure, and never in step with others.
 *
 * @module
 */
const BASE_MS = 20;
const CAP_MS = 1_000;

/** How long to wait after so many failures in a row, in ms: 20, 40, … up to 1000, each give or take a half. */
export function backoff(failures: number): number {
  return Math.min(CAP_MS, BASE_MS * 2 ** Math.max(0, failures - 1)) * (0.5 + Math.random());
}

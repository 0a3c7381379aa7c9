/**
 * The handler of `bench/latency.ts`: prints how long ago records should have been sent, in ms.
 *
 * @module
 */
import type { Handler } from "../handlers/types.ts";

/** A line for each record would take more than handling them. */
const LINES_MS = 100;

let seen: number[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

function print(): void {
  console.log(seen.map((ms) => ms.toFixed(3)).join(" "));
  [seen, timer] = [[], undefined];
}

export default ((record) => {
  seen.push(performance.timeOrigin + performance.now() - record.json<{ at: number }>().at);
  timer ??= setTimeout(print, LINES_MS);
}) satisfies Handler;

/**
 * The handler of the labs' consumers. It takes its time, says what it does, and fails where a lab wants that:
 *
 * - `hold N` waits for N seconds, `block N` computes for so long and lets nothing else run;
 * - `poison` cannot be handled, until the handler is mended.
 *
 * KAFKA_DENO_LAB_MS: how long a record takes, in ms. KAFKA_DENO_LAB_MENDED: set when poison is harmless.
 * KAFKA_DENO_LAB_SINGLY: set when records come one by one, and each is committed.
 *
 * @module
 */
import { sleep } from "../../kafka/wait.ts";
import type { BatchHandler, Handler } from "../../handlers/types.ts";

const ms = Number(Deno.env.get("KAFKA_DENO_LAB_MS") ?? 0);
/** Offsets that were computed at: a record that comes again for it is not to block for ever. */
const blocked = new Set<number>();
const mended = Deno.env.has("KAFKA_DENO_LAB_MENDED");

const handle: Handler = async (record, { signal, attempt }) => {
  const value = record.text() ?? "";
  // `toldIn` in workshop.ts reads these lines.
  const tell = (what: string) => console.log(`lab ${what} ${record.offset} ${value}`);
  tell("begins");
  const [, verb, seconds] = /^(hold|block) (\d+)$/.exec(value) ?? [];
  if (verb === "block" && !blocked.has(record.offset)) {
    blocked.add(record.offset);
    block(Number(seconds) * 1_000);
  } else await sleep(verb === "hold" ? Number(seconds) * 1_000 : ms, signal);
  if (signal.aborted) throw signal.reason;
  if (value === "poison" && !mended) {
    tell("fails");
    throw new Error(`this order has no price (attempt ${attempt})`);
  }
  tell("handled");
};
export default handle;

/** All of them, or none: what a transaction of a database would be. */
const handleAll: BatchHandler = async (records, context) => {
  for (const record of records) await handle(record, context);
};
export const batch = Deno.env.has("KAFKA_DENO_LAB_SINGLY") ? undefined : handleAll;

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

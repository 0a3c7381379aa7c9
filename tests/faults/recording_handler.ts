/**
 * A handler that writes down what it handled, and has it on the disk before it returns. Some records take their time,
 * some fail at first. While a file named `disk-full` stands beside its own, its disk is full.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { BatchHandler, ConsumedRecord, Handler } from "../../handlers/types.ts";

const path = Deno.env.get("FAULTS_HANDLED")!;
const full = join(dirname(path), "disk-full");
const encoder = new TextEncoder();
let file: Deno.FsFile | undefined;

function write(text: string): void {
  try {
    Deno.statSync(full);
  } catch {
    file ??= Deno.openSync(path, { create: true, append: true, write: true });
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncDataSync();
    return;
  }
  using none = Deno.openSync("/dev/full", { write: true });
  none.writeSync(encoder.encode(text)); // no space left on device
}

function lineOf(record: ConsumedRecord): string {
  const { topic, partition, offset } = record;
  const id = record.text()!.split(" ", 1)[0];
  return JSON.stringify({ t: Date.now(), topic, partition, offset, id }) + "\n";
}

const handle: Handler = async (record, { attempt }) => {
  const chance = Math.random();
  if (chance < 0.002) await new Promise((resolve) => setTimeout(resolve, 300));
  else if (chance < 0.01 && attempt === 1) throw new TypeError("undefined is not a function");
  write(lineOf(record));
};

const handleAll: BatchHandler = async (records, { attempt }) => {
  const chance = Math.random();
  if (chance < 0.02) await new Promise((resolve) => setTimeout(resolve, 300));
  else if (chance < 0.05 && attempt === 1) throw new TypeError("undefined is not a function");
  write(records.map(lineOf).join(""));
};

export default handle;
/** Only one of the consumers handles many at a time. */
export const batch = Deno.env.get("FAULTS_BATCH") ? handleAll : undefined;

/**
 * The records of a benchmark: lines of JSON of a given size, the same in every run, in files that every tool can read.
 *
 * @module
 */
import { join } from "node:path";

/** Different values; then they repeat. */
const VALUES = 1_000;
const DELIMITER = "|";
/** What a request with JSON values says it is. */
export const RECORD_TYPE = "application/vnd.kafka.json.v2+json";

/** Files of records in a temporary folder. */
export interface Payloads extends AsyncDisposable {
  readonly folder: string;
  /** What stands between key and value. */
  readonly delimiter: string;
  /** Path of a file with a thousand values of so many bytes, one a line. */
  values(bytes: number): string;
  /** The first `count` of those. */
  sample(bytes: number, count: number): string[];
  /** A file with `count` lines, each with a key if asked for. Of several only the last one written is kept. */
  lines(what: { bytes: number; keys: boolean; count: number }): { path: string; write(): Promise<string> };
}

/** Makes the folder. */
export async function writePayloads(): Promise<Payloads> {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  let large: string | undefined;
  const values = (bytes: number) => {
    const path = join(folder, `values-${bytes}`);
    Deno.writeTextFileSync(path, valuesOf(bytes).join("\n") + "\n");
    return path;
  };
  return {
    folder,
    delimiter: DELIMITER,
    values,
    sample: (bytes, count) => valuesOf(bytes, count),
    lines({ bytes, keys, count }) {
      const path = join(folder, `lines-${bytes}-${keys ? "keys-" : ""}${count}`);
      const write = async () => {
        if (path === large || await Deno.stat(path).then(() => true, () => false)) return path;
        if (count > 1 && large) await Deno.remove(large);
        if (count > 1) large = path;
        await writeLines(path, { values: valuesOf(bytes), keys, count });
        return path;
      };
      return { path, write };
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function writeLines(path: string, { values, keys, count }: { values: string[]; keys: boolean; count: number }) {
  using file = await Deno.open(path, { create: true, write: true, truncate: true });
  const writer = file.writable.getWriter();
  const encoder = new TextEncoder();
  for (let from = 0; from < count; from += VALUES) {
    const part = values.slice(0, count - from).map((value, i) => keys ? `key-${i}${DELIMITER}${value}` : value);
    await writer.write(encoder.encode(part.join("\n") + "\n"));
  }
  await writer.close();
}

const WORDS = ["order", "paid", "Shanghai", "sent", "refused", "Berlin", "customer", "Lagos", "price", "returned"];

/** Such as a shop would write: numbers that differ, words that repeat. */
function valuesOf(bytes: number, count = VALUES): string[] {
  let seed = 1;
  const next = (n: number) => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) % n; // the same in every run
  return Array.from({ length: count }, (_, i) => {
    let text = `{"id":${i},"text":"`;
    while (text.length < bytes) text += `${WORDS[next(65_521) % WORDS.length]} ${next(1_000_003)} `;
    return text.slice(0, bytes - 2) + `"}`;
  });
}

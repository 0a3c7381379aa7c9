/** Size is a feature: files and scripts that can be read in one go. */
import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** A file that is longer has two jobs. */
const FILE_LINES = 300;
/** What a person runs, and reads first. */
const SCRIPTS = ["server.ts", "producer.ts", "consumer.ts"];
const SCRIPT_LINES = 260; // "about 250"
/** Folders beside it: tests, benchmarks, documents, the page. */
const ASIDE = ["tests/", "bench/", "docs/", "dashboard/"];

/** The number of lines of each TypeScript file. */
function readSizes(folder = ""): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder || ".", ROOT))) {
    if (isDirectory && !name.startsWith(".") && name !== "node_modules") {
      for (const [path, lines] of readSizes(`${folder}${name}/`)) sizes.set(path, lines);
    } else if (name.endsWith(".ts")) {
      sizes.set(folder + name, Deno.readTextFileSync(new URL(folder + name, ROOT)).split("\n").length - 1);
    }
  }
  return sizes;
}

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: { read: true }, fn });
}

function longerThan(limit: number, sizes: Iterable<[string, number]>): string[] {
  return [...sizes].filter(([, lines]) => lines > limit).map(([path, lines]) => `${path}: ${lines} lines`);
}

function shippedSizes(): [string, number][] {
  return [...readSizes()].filter(([path]) => !ASIDE.some((folder) => path.startsWith(folder)));
}

test(`no file that ships is longer than ${FILE_LINES} lines`, () => {
  assert.deepEqual(longerThan(FILE_LINES, shippedSizes()), []);
});

test(`no script is longer than ${SCRIPT_LINES} lines`, () => {
  const scripts = [...readSizes()].filter(([path]) => SCRIPTS.includes(path));
  assert.equal(scripts.length, SCRIPTS.length);
  assert.deepEqual(longerThan(SCRIPT_LINES, scripts), []);
});

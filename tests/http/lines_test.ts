import assert from "node:assert/strict";
import fc from "fast-check";
import { LineSplitter } from "../../http/lines.ts";

const unit = { permissions: "none" } as const;

function split(text: Uint8Array, cuts: readonly number[], maxBytes = 1_000): [number, string | undefined][] {
  const splitter = new LineSplitter(maxBytes);
  const ends = [...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b);
  const lines = ends.flatMap((end, i) => [...splitter.split(text.slice(ends[i - 1] ?? 0, end))]);
  const rest = splitter.rest();
  return [...lines, ...(rest ? [rest] : [])].map((
    { number, bytes },
  ) => [number, bytes && new TextDecoder().decode(bytes)]);
}

Deno.test("lines are the same however the stream is cut into pieces", unit, () => {
  const text = fc.array(fc.constantFrom("a", "bc", "中", "\n", "\n", "\r\n", " "), { maxLength: 30 });
  fc.assert(fc.property(text, fc.array(fc.nat(), { maxLength: 6 }), (parts, cuts) => {
    const text = parts.join("");
    const expected = text.split("\n")
      .map((line, i) => [i + 1, line.replace(/\r$/, "")])
      .filter(([, line]) => line !== "");
    assert.deepEqual(split(new TextEncoder().encode(text), cuts), expected);
  }));
});

Deno.test(
  "a line over the limit is told without its bytes, and those after it are as if it were not there",
  unit,
  () => {
    const text = new TextEncoder().encode(`${"x".repeat(11)}\nok\n${"y".repeat(10)}\n${"z".repeat(5_000)}`);
    for (const cuts of [[], [3], [3, 11, 12], [20, 30, 40, 50]]) {
      assert.deepEqual(split(text, cuts, 10), [[1, undefined], [2, "ok"], [3, "y".repeat(10)], [4, undefined]]);
    }
  },
);

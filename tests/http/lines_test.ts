import assert from "node:assert/strict";
import fc from "fast-check";
import { type Line, LineSplitter } from "../../http/lines.ts";

const unit = { permissions: "none" } as const;

/** Number, text and fault of every line, where the text comes in pieces. */
function split(text: Uint8Array, cuts: readonly number[], maxBytes = 1_000): [number, string, Line["fault"]][] {
  const splitter = new LineSplitter(maxBytes);
  const ends = [...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b);
  const lines: Line[] = [];
  for (const [i, end] of ends.entries()) {
    splitter.push(text.slice(ends[i - 1] ?? 0, end));
    for (let line = splitter.next(); line; line = splitter.next()) lines.push(line);
  }
  const rest = splitter.rest();
  if (rest) lines.push(rest);
  return lines.map(({ number, bytes, fault }) => [number, new TextDecoder().decode(bytes), fault]);
}

Deno.test("lines are the same however the stream is cut into pieces", unit, () => {
  const text = fc.array(fc.constantFrom("a", "bc", "中", "\n", "\n", "\r\n", " "), { maxLength: 30 });
  fc.assert(fc.property(text, fc.array(fc.nat(), { maxLength: 6 }), (parts, cuts) => {
    const text = parts.join("");
    const expected = text.split("\n")
      .map((line, i) => [i + 1, line.replace(/\r$/, ""), undefined])
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
      assert.deepEqual(split(text, cuts, 10), [
        [1, "", "too long"],
        [2, "ok", undefined],
        [3, "y".repeat(10), undefined],
        [4, "", "too long"],
      ]);
    }
  },
);

Deno.test("bytes that are not UTF-8 are the fault of their line alone, wherever the stream is cut", unit, () => {
  const bytes = new Uint8Array([
    ...new TextEncoder().encode("a中\n"),
    0xe4,
    0xb8,
    0x0a,
    ...new TextEncoder().encode("中"),
  ]);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      assert.deepEqual(split(bytes, [first, second]).map(([number, , fault]) => [number, fault]), [
        [1, undefined],
        [2, "not UTF-8"],
        [3, undefined],
      ]);
    }
  }
});

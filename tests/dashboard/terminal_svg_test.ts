/** The recording of a terminal: nothing in it is markup, columns stand, and what came later is shown later. */
import assert from "node:assert/strict";
import { terminalSvg } from "./terminal_svg.ts";

const COMMAND = { at: 0, text: "deno task start" };

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: "none", fn });
}

/** Each text with where it stands and how long it is, in columns. */
function textsOf(...lines: string[]): [text: string, column: number, columns: number][] {
  const svg = terminalSvg([{ command: COMMAND, lines: lines.map((text) => ({ at: 1, text })) }], "a title");
  const found = [...svg.matchAll(/<text x="([\d.]+)" y="\d+" textLength="([\d.]+)"[^>]*>([^<]*)</g)].slice(2);
  return found.map(([, x, length, text]) => [text, Math.round((+x - 16) / 8.4), Math.round(+length / 8.4)]);
}

test("what looks like markup is a text, and control characters are left out", () => {
  assert.deepEqual(textsOf('</text><script>"&\x07'), [["&lt;/text&gt;&lt;script&gt;&quot;&amp;", 0, 17]]);
});

test("a Chinese character takes two columns, and what follows stands after it", () => {
  assert.deepEqual(textsOf('{"value":"唐治涛"}'), [
    ["{&quot;value&quot;:&quot;", 0, 10],
    ["唐治涛", 10, 6],
    ["&quot;}", 16, 2],
  ]);
});

test("colours end where the program ends them, and blanks are not drawn", () => {
  assert.deepEqual(textsOf("\x1b[33mkafka    |\x1b[0m created it", "", "    x"), [
    ["kafka", 0, 5],
    ["|", 9, 1],
    ["created it", 11, 10],
    ["x", 4, 1],
  ]);
});

test("a line that is too long is cut at the edge", () => {
  const [[text], [dots, column, columns]] = textsOf("a".repeat(101));
  assert.deepEqual([text.length, dots, column, columns], [99, "…", 99, 1]);
  assert.deepEqual(textsOf("唐".repeat(51)).map(([, column, columns]) => [column, columns]), [[0, 98], [98, 1]]);
});

test("a line is shown from its time on, and all of them where nothing moves", () => {
  const lines = [{ at: 0, text: "first" }, { at: 4_000, text: "second" }];
  const svg = terminalSvg([{ command: COMMAND, lines }], "a title");
  assert.match(svg, /g\{animation:10000ms step-end infinite\}/);
  assert.match(svg, /@keyframes r3\{0%\{opacity:0\}40\.00%\{opacity:1\}\}/);
  assert.match(svg, /<g><text[^>]*>first</);
  assert.match(svg, /<g style="animation-name:r3"><text[^>]*>second</);
  assert.match(svg, /prefers-reduced-motion:reduce\)\{g\{animation:none\}\}/);
});

import assert from "node:assert/strict";
import { usageOf } from "../../bench/usage.ts";

Deno.test("what a process has used is told: its memory, and the CPU time of work it has done", () => {
  const before = usageOf(Deno.pid);
  const end = performance.now() + 200;
  while (performance.now() < end);
  const after = usageOf(Deno.pid);
  assert.ok(Math.abs(after.rssBytes / Deno.memoryUsage().rss - 1) < 0.2);
  // Ticks are 10 ms, and others may have the CPU meanwhile.
  const took = after.cpuSeconds - before.cpuSeconds;
  assert.ok(took > 0.02, `${took} s; expected nearly 0.2`);
});

Deno.test("a process that is not there is an error", () => {
  assert.throws(() => usageOf(2 ** 22 + 1), /tells nothing of process 4194305/);
});

/** How long is waited after failures. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { backoff } from "../../kafka/backoff.ts";

Deno.test({
  name: "the wait is about 20 ms after one failure, doubles with each, and ends at about a second",
  permissions: "none",
  fn() {
    const middle = [20, 40, 80, 160, 320, 640, 1000, 1000];
    for (const [index, ms] of middle.entries()) {
      const waits = Array.from({ length: 500 }, () => backoff(index + 1));
      assert.ok(Math.min(...waits) >= ms * 0.5 && Math.max(...waits) < ms * 1.5, `after ${index + 1} failures`);
      const mean = waits.reduce((sum, wait) => sum + wait) / waits.length;
      assert.ok(Math.abs(mean / ms - 1) < 0.1, `after ${index + 1} failures ${mean} ms on average`);
    }
  },
});

Deno.test({
  name: "waits are spread, so that those who failed together do not come back together",
  permissions: "none",
  fn() {
    const waits = Array.from({ length: 500 }, () => backoff(7) / 1000);
    for (let low = 0.5; low < 1.5; low += 0.25) {
      const share = waits.filter((wait) => wait >= low && wait < low + 0.25).length / waits.length;
      assert.ok(share > 0.15, `${share} of the waits from ${low} to ${low + 0.25} s`);
    }
  },
});

Deno.test({
  name: "whatever the number of failures, the wait is some time and at most 1.5 s",
  permissions: "none",
  fn() {
    const anyCount = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 31, 32, 1024, Number.MAX_SAFE_INTEGER));
    fc.assert(fc.property(anyCount, (failures) => {
      const wait = backoff(failures);
      return wait >= 10 && wait < 1500;
    }));
  },
});

import assert from "node:assert/strict";
import { Times } from "../../bench/percentiles.ts";

function times(values: readonly number[]): Times {
  const times = new Times();
  for (const value of values) times.add(value);
  return times;
}

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: "none", fn });
}

test("a percentile is the smallest time that this share of all does not exceed, in whatever order they came", () => {
  const hundred = times(Array.from({ length: 100 }, (_, i) => (i * 37) % 100 + 1));
  assert.deepEqual([0, 0.07, 0.5, 0.99, 0.999, 1].map((share) => hundred.at(share)), [1, 7, 50, 99, 100, 100]);
});

test("one slow time in a thousand is seen at p99.9 only when it is more than one in a thousand", () => {
  const fast = Array.from({ length: 999 }, () => 1);
  assert.deepEqual([times([...fast, 50]).at(0.999), times([...fast, 50, 50]).at(0.999)], [1, 50]);
});

test("times may be added after a percentile was asked for", () => {
  const some = times([3, 1]);
  assert.equal(some.at(1), 3);
  some.add(2);
  assert.deepEqual([some.count, some.at(0.5), some.at(1)], [3, 2, 3]);
});

test("of no times there is no percentile", () => {
  assert.ok(Number.isNaN(times([]).at(0.5)));
});

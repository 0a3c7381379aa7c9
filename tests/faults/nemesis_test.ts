import assert from "node:assert/strict";
import { FAULTS, SMALL } from "./faults.ts";
import { plan } from "./nemesis.ts";

const kinds = (seed: number, count = 60) => plan(seed, { count, ms: 300_000, long: true }).map(({ kind }) => kind);

Deno.test("the same seed makes the same plan, another one another", () => {
  const show = (seed: number) =>
    plan(seed, { count: 20, ms: 40_000, long: false }).map(({ at, kind, seed }) => ({ at, kind, seed }));
  assert.deepEqual(show(5), show(5));
  assert.notDeepEqual(show(5), show(6));
});

Deno.test("a plan is in the order of time and within its time", () => {
  const times = plan(3, { count: 50, ms: 10_000, long: false }).map(({ at }) => at);
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  assert.ok(times.every((at) => at >= 0 && at <= 10_000));
});

Deno.test("a long plan has every kind of fault in it, half of them the network's", () => {
  const planned = kinds(1, 140);
  for (const kind of Object.values(FAULTS).flatMap((part) => Object.keys(part))) {
    assert.ok(planned.includes(kind), kind);
  }
  assert.equal(planned.filter((kind) => kind in FAULTS.network).length, 70);
});

Deno.test("small faults of the network come on top, and change nothing about the others", () => {
  const some = { count: 20, ms: 60_000, long: true };
  const others = plan(4, some).map(({ kind, at, seed }) => ({ kind, at, seed }));
  const all = plan(4, { ...some, small: 30 });
  assert.equal(all.length, 50);
  assert.deepEqual(all.map(({ at }) => at), all.map(({ at }) => at).toSorted((a, b) => a - b));
  for (const { kind, at, seed } of others) {
    assert.ok(all.some((it) => it.kind === kind && it.at === at && it.seed === seed), kind);
  }
  assert.equal(
    all.filter(({ kind }) => SMALL.includes(kind)).length,
    30 + others.filter(({ kind }) => SMALL.includes(kind)).length,
  );
  assert.equal(new Set(all.map(({ id }) => id)).size, 50);
});

Deno.test("even a short plan has something for each part of the system", () => {
  for (let seed = 0; seed < 50; seed++) {
    const planned = kinds(seed, 15);
    for (const [part, faults] of Object.entries(FAULTS)) {
      assert.ok(planned.some((kind) => kind in faults), `seed ${seed}: ${part}`);
    }
  }
});

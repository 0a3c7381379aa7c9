import assert from "node:assert/strict";
import fc from "fast-check";
import { Positions } from "../../http/positions.ts";

Deno.test("positions come back as they went in, whatever they are", { permissions: "none" }, () => {
  const pair = fc.tuple(
    fc.oneof(fc.nat(3), fc.nat(2 ** 31 - 1)),
    fc.oneof(fc.nat(300), fc.integer({ min: -1, max: 2 ** 52 - 1 })),
  );
  fc.assert(fc.property(fc.array(pair, { maxLength: 300 }), (pairs) => {
    const positions = new Positions();
    for (const [partition, offset] of pairs) positions.push(partition, offset);
    assert.deepEqual([...positions], pairs);
  }));
});

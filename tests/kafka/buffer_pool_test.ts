import assert from "node:assert/strict";
import fc from "fast-check";
import { BufferPool } from "../../kafka/buffer_pool.ts";

Deno.test("a buffer has at least the size asked for, and is not twice as large unless that is very small", () => {
  const pool = new BufferPool();
  fc.assert(fc.property(fc.integer({ min: 1, max: 1 << 22 }), (size) => {
    const { length } = pool.take(size);
    assert.ok(length >= size && (length < 2 * size || length === 1024), `${length} for ${size}`);
  }));
});

Deno.test("a buffer that was given back is given out again, to one at a time", () => {
  const pool = new BufferPool();
  const buffer = pool.take(5000);
  pool.give(buffer);
  assert.equal(pool.heldBytes, 8192);
  assert.equal(pool.take(4097), buffer);
  assert.equal(pool.heldBytes, 0);
  assert.notEqual(pool.take(4097), buffer);
});

Deno.test("a buffer of another size is not given out", () => {
  const pool = new BufferPool();
  pool.give(pool.take(5000));
  assert.equal(pool.take(4096).length, 4096);
  assert.equal(pool.heldBytes, 8192);
});

Deno.test("the pool keeps no more than it may", () => {
  const pool = new BufferPool(10_000);
  const buffers = [pool.take(4096), pool.take(4096), pool.take(4096), pool.take(1024)];
  for (const buffer of buffers) pool.give(buffer);
  assert.equal(pool.heldBytes, 4096 * 2 + 1024);
});

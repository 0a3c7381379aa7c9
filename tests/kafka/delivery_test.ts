/** One outcome per record, one promise per call. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { DeliveryError } from "../../errors.ts";
import { Delivery, type Outcome } from "../../kafka/delivery.ts";

function at(offset: number): Outcome {
  return { status: "acknowledged", partition: 0, offset, timestamp: 0, latencyMs: 0 };
}

const GONE: Outcome = { status: "unknown", error: new DeliveryError("aborted", "gone") };

/** Whether a promise has settled once everything that waits for a microtask has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  await new Promise((resolve) => setTimeout(resolve));
  return await Promise.race([promise, pending]) !== pending;
}

function test(name: string, fn: () => void | Promise<void>) {
  Deno.test({ name, permissions: "none", fn });
}

test("outcomes come in the order of the records, whatever the order they are settled in", async () => {
  const anyOrder = fc.integer({ min: 1, max: 20 }).chain((count) =>
    fc.shuffledSubarray(Array.from({ length: count }, (_, i) => i), { minLength: count })
  );
  await fc.assert(fc.asyncProperty(anyOrder, async (order) => {
    const delivery = new Delivery(order.length);
    for (const index of order) delivery.settle(index, at(index));
    const outcomes = await delivery.settled;
    assert.deepEqual(outcomes, order.map((_, index) => at(index)));
  }));
});

test("a delivery settles with its last record, not before", async () => {
  const delivery = new Delivery(3);
  delivery.settle(2, at(2));
  delivery.settle(0, at(0));
  assert.equal(await isSettled(delivery.settled), false);
  delivery.settle(1, at(1));
  assert.equal(await isSettled(delivery.settled), true);
});

test("a delivery without records is settled from the start", async () => {
  assert.deepEqual(await new Delivery(0).settled, []);
});

test("the first outcome of a record stands, and a second one does not count for another record", async () => {
  const delivery = new Delivery(2);
  delivery.settle(0, at(7));
  delivery.settle(0, at(8));
  assert.equal(await isSettled(delivery.settled), false);
  delivery.settle(1, at(9));
  delivery.settle(1, GONE);
  assert.deepEqual(await delivery.settled, [at(7), at(9)]);
});

test("who stops waiting is told so for the rest only, and what comes later is not heard", async () => {
  const delivery = new Delivery(4);
  delivery.settle(1, at(1));
  delivery.settle(3, at(3));
  assert.equal(delivery.settleRest(GONE), 2);
  for (let index = 0; index < 4; index++) delivery.settle(index, at(100));
  assert.deepEqual(await delivery.settled, [GONE, at(1), GONE, at(3)]);
  assert.equal(delivery.settleRest(GONE), 0);
});

test("records that are chained get the outcomes of a batch's records, whatever lies between them", async () => {
  const delivery = new Delivery(5);
  delivery.chain(0, 3);
  delivery.chain(3, 4);
  delivery.chain(1, 2);
  delivery.settleChain(1, 2, at, 20);
  delivery.settleChain(0, 3, at, 10);
  assert.deepEqual(await delivery.settled, [at(10), at(20), at(21), at(11), at(12)]);
});

test("a batch that has all records of a call settles it at once, and what comes later is not heard", async () => {
  const delivery = new Delivery(3);
  delivery.settleChain(0, 3, at, 7);
  delivery.settle(1, GONE);
  delivery.settleChain(0, 3, at, 100);
  assert.equal(delivery.settleRest(GONE), 0);
  assert.equal(delivery.waiting, 0);
  assert.deepEqual(await delivery.settled, [at(7), at(8), at(9)]);
});

/** Records on arrival: where they go, and which of them are refused. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { DeliveryError } from "../../errors.ts";
import { Accumulator } from "../../kafka/accumulator.ts";
import { Delivery } from "../../kafka/delivery.ts";
import { Intake } from "../../kafka/intake.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";
import type { ProducerRecord } from "../../kafka/record_batch.ts";
import { createProducerMetrics } from "../../metrics.ts";
import { toldOf } from "./outcomes_stage.ts";

const LIMITS = { batchBytes: 1_000, bufferBytes: 3_000, deliveryTimeoutMs: 30_000 };
const TOPIC = { topic: "t", code: 0, leaders: [1, 2, 1, 2] };

/** An intake, and the accumulator behind it. */
class Stage {
  readonly registry = new Registry();
  readonly accumulator = new Accumulator(LIMITS);
  readonly intake = new Intake(
    { accumulator: this.accumulator, metrics: createProducerMetrics(this.registry) },
    LIMITS,
  );

  accept(records: readonly ProducerRecord[], topic = TOPIC): Delivery {
    const delivery = new Delivery(records.length);
    this.intake.accept(records, topic, delivery);
    return delivery;
  }

  /** Records in each partition. */
  get counts(): number[] {
    return TOPIC.leaders.map((_, partition) =>
      this.accumulator.queue("t", partition).batches.reduce((sum, { records }) => sum + records.count, 0)
    );
  }

  /** All that waits is acknowledged. */
  acknowledge(): void {
    for (const queue of this.accumulator.active) {
      for (const batch of [...queue.batches]) {
        const { partition } = queue;
        this.accumulator.remove(queue, batch);
        this.accumulator.settle(
          batch,
          (offset) => ({ status: "acknowledged", partition, offset, timestamp: 0, latencyMs: 0 }),
        );
      }
    }
  }
}

function test(name: string, fn: (stage: Stage) => void | Promise<void>) {
  Deno.test({ name, permissions: { env: true }, fn: () => fn(new Stage()) });
}

test("a record goes to the partition that it names, or that its key has for Java's client", (stage) => {
  stage.accept([{ value: "a", partition: 2 }, { value: "b", partition: 0, key: "k" }]);
  assert.deepEqual(stage.counts, [1, 0, 1, 0]);
  stage.acknowledge();
  stage.accept([{ key: "k", value: "a" }, { key: new TextEncoder().encode("k"), value: "b" }]);
  assert.equal(stage.counts[partitionForKey("k", 4)], 2);
  stage.acknowledge();
  stage.accept([{ key: "", value: "an empty key is a key" }]);
  assert.equal(stage.counts[partitionForKey("", 4)], 1);
});

test("records without a key that come in together stay together, where there is a leader", (stage) => {
  for (let turn = 0; turn < 8; turn++) {
    stage.accept(Array.from({ length: 5 }, () => ({ key: turn % 2 ? null : undefined, value: "x" })), {
      ...TOPIC,
      leaders: [-1, 2, -1, 2],
    });
    const places = stage.counts.flatMap((count, partition) => count ? [[partition, count]] : []);
    assert.equal(places.length, 1);
    assert.ok([1, 3].includes(places[0][0]) && places[0][1] === 5);
    stage.acknowledge();
  }
});

test("one bad record is refused by itself, with the reason, and the others are delivered", async (stage) => {
  const bad: [record: unknown, told: string, message: RegExp][] = [
    [{ value: 7 }, "rejected invalid-record", /value is 7 \(number\), expected string, Uint8Array or null/],
    [{}, "rejected invalid-record", /value is undefined/],
    [{ key: {}, value: "x" }, "rejected invalid-record", /key is \[object Object\]/],
    [{ value: "x", headers: [["a", 7]] }, "rejected invalid-record", /header "a" is 7/],
    [{ value: "x", timestamp: -1 }, "rejected invalid-record", /timestamp is -1/],
    [{ value: "x", partition: 4 }, "rejected unknown-partition", /Topic "t" has no partition 4; expected 0 to 3/],
    [{ value: "x", partition: -1 }, "rejected unknown-partition", /no partition -1/],
    [{ value: "x", partition: 1.5 }, "rejected unknown-partition", /no partition 1\.5/],
    [
      { value: "x".repeat(1_000) },
      "rejected too-large",
      /takes 10\d\d bytes; expected at most 939 \(KAFKA_BATCH_BYTES\)/,
    ],
  ];
  for (const [record, expected, message] of bad) {
    const delivery = stage.accept([{ value: "before" }, record as ProducerRecord, { value: "after" }]);
    stage.acknowledge();
    const told = await toldOf(delivery);
    assert.deepEqual([told[0].split(" ")[0], told[1], told[2].split(" ")[0]], [
      "acknowledged",
      expected,
      "acknowledged",
    ]);
    const outcome = (await delivery.settled)[1];
    assert.ok(outcome.status === "rejected");
    assert.match(outcome.error.message, message);
  }
  assert.match(await stage.registry.metrics(), /records_total\{outcome="rejected"\} 9/);
});

test("a call that does not fit into the buffer is refused as a whole, and may fare better later", async (stage) => {
  const records = Array.from({ length: 3 }, () => ({ value: "x".repeat(600) }));
  const first = stage.accept(records);
  const { bytes } = stage.accumulator;
  const second = stage.accept(records);
  assert.deepEqual(await toldOf(second), Array(3).fill("rejected buffer-full retriable"));
  const [refused] = await second.settled;
  assert.ok(refused.status === "rejected");
  assert.equal(refused.error.message, `The buffer is full: 3 records, ${bytes} of 3000 bytes, wait for Kafka`);
  assert.equal(stage.accumulator.bytes, bytes);
  stage.acknowledge();
  const third = stage.accept(records);
  stage.acknowledge();
  for (const delivery of [first, third]) {
    assert.ok((await toldOf(delivery)).every((it) => it.startsWith("acknowledged")));
  }
});

test("a text whose bytes cannot be more than the room left is not refused for what it might have been", (stage) => {
  // 2,600 letters are 2,600 bytes, though as many other characters could be three times that.
  stage.accept(Array.from({ length: 4 }, () => ({ value: "x".repeat(650) })));
  assert.equal(stage.accumulator.records, 4);
});

test("who waits for room is let in as soon as there is enough, or nothing is left to wait for", async (stage) => {
  const big = [{ value: "x".repeat(900) }];
  for (let i = 0; i < 3; i++) stage.accept(big);
  let in_ = false;
  const waiting = stage.intake.whenRoomFor(big)!.then(() => in_ = true);
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(in_, false);
  stage.acknowledge();
  await waiting;
  await stage.intake.whenRoomFor([...big, ...big, ...big, ...big]); // will never fit: the refusal says so
});

test("refusing a call leaves the outcomes alone that its records have already", async (stage) => {
  const delivery = new Delivery(2);
  delivery.settle(0, { status: "acknowledged", partition: 0, offset: 7, timestamp: 0, latencyMs: 0 });
  stage.intake.refuse(delivery, new DeliveryError("unknown-topic", "gone"));
  assert.deepEqual(await toldOf(delivery), ["acknowledged 0@7", "rejected unknown-topic"]);
  assert.match(await stage.registry.metrics(), /records_total\{outcome="rejected"\} 1/);
});

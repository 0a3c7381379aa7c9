import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import kafkajsMurmur2 from "kafkajs/src/producer/partitioners/default/murmur2.js";
import { Partitioners } from "kafkajs";
import { murmur2, partitionForKey } from "../../kafka/partitioner.ts";

/** Any string, lone surrogates included, and long enough to leave the scratch memory. */
const anyKey = fc.oneof(
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 100 }),
  fc.array(fc.nat(0xffff), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
  fc.tuple(fc.string({ minLength: 1 }), fc.nat(400)).map(([text, times]) => text.repeat(times)),
);

Deno.test("murmur2 gives the results that Kafka's own tests expect", () => {
  // org.apache.kafka.common.utils.UtilsTest.testMurmur2
  const vectors: [string, number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [key, expected] of vectors) assert.equal(murmur2(Buffer.from(key)), expected, key);
});

Deno.test("murmur2 of any bytes is kafkajs's", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.equal(murmur2(bytes), kafkajsMurmur2(Buffer.from(bytes)));
  }));
});

Deno.test("a key's partition is that of kafkajs's Java-compatible partitioner, as string and as bytes", () => {
  const partitioner = Partitioners.JavaCompatiblePartitioner();
  fc.assert(fc.property(anyKey, fc.integer({ min: 1, max: 100 }), (text, count) => {
    const key = Buffer.from(text);
    const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: 1 }));
    // deno-lint-ignore no-explicit-any -- kafkajs's type asks for fields that the partitioner does not read
    const expected = partitioner({ topic: "t", partitionMetadata, message: { key, value: null } } as any);
    assert.equal(partitionForKey(text, count), expected);
    assert.equal(partitionForKey(key, count), expected);
  }));
});

Deno.test("a key's partition does not depend on whether it comes as string or as bytes, whatever its length", () => {
  for (const character of ["a", "é", "张", "😀", "\ud800"]) {
    for (const times of [1, 2, 24, 47, 48, 49, 128, 255, 256, 257, 300, 768, 769, 5000]) {
      const text = character.repeat(times);
      assert.equal(
        partitionForKey(text, 1009),
        partitionForKey(Buffer.from(text), 1009),
        `${times} times ${character}`,
      );
    }
  }
});

Deno.test("an empty key has a partition like any other key", () => {
  assert.equal(murmur2(new Uint8Array()), 275646681);
  assert.equal(partitionForKey("", 10), 1);
});

Deno.test("a key whose hash is negative belongs to a partition that exists", () => {
  assert.equal(partitionForKey("21", 7), (-973932308 & 0x7fffffff) % 7);
});

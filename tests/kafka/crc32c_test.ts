import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import kafkajsCrc32c from "kafkajs/src/protocol/recordBatch/crc32C/index.js";
import { crc32c } from "../../kafka/crc32c.ts";

Deno.test("crc32c gives the results of RFC 3720, appendix B.4, and of the usual check string", () => {
  const upwards = Uint8Array.from({ length: 32 }, (_, i) => i);
  const vectors: [Uint8Array, number][] = [
    [Buffer.from("123456789"), 0xe3069283],
    [Buffer.from(""), 0],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [upwards, 0x46dd794e],
    [upwards.toReversed(), 0x113fdb5c],
  ];
  for (const [bytes, expected] of vectors) assert.equal(crc32c(bytes), expected);
});

Deno.test("crc32c of any part of any bytes, at any alignment, is what kafkajs computes", () => {
  const aligned = new Uint8Array(512);
  const lengths = fc.integer({ min: 0, max: 200 });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 7 }),
      lengths,
      lengths,
      fc.infiniteStream(fc.nat(255)),
      (shift, before, length, random) => {
        const bytes = aligned.subarray(shift);
        for (let i = 0; i < before + length; i++) bytes[i] = random.next().value!;
        assert.equal(crc32c(bytes, before, before + length), kafkajsCrc32c(bytes.subarray(before, before + length)));
      },
    ),
  );
});

Deno.test("crc32c of every length up to 200 is what kafkajs computes", () => {
  const bytes = Uint8Array.from({ length: 200 }, (_, i) => i * 89 + 7);
  for (let length = 0; length <= bytes.length; length++) {
    assert.equal(crc32c(bytes, 0, length), kafkajsCrc32c(bytes.subarray(0, length)), `${length} bytes`);
  }
});

Deno.test("crc32c of a megabyte is what kafkajs computes", () => {
  const bytes = new Uint8Array(1 << 20);
  for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  assert.equal(crc32c(bytes, 21), kafkajsCrc32c(bytes.subarray(21)));
});

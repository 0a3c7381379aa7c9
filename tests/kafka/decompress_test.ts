import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Field, HEADER_BYTES } from "../../kafka/batch_layout.ts";
import { recordBytes } from "../../kafka/decompress.ts";
import { type Compression } from "../../kafka/record_batch.ts";
import { decodeLz4, decodeSnappy } from "../../kafka/lz.ts";
import { type BatchHeader, readBatchHeader, readRecords } from "../../kafka/record_reader.ts";
import { BARE_SNAPPY, JAVA_BATCHES } from "./java_batches.ts";
import { anyRecords, batchOf, freeze, NOBODY } from "./random_records.ts";

const SENTENCES = "the quick brown fox, the quick brown dog, ".repeat(5) + "z".repeat(100);
const LIMIT = 10_000;

function javaBatch(codec: keyof typeof JAVA_BATCHES): { bytes: Buffer; header: BatchHeader } {
  const bytes = Buffer.from(JAVA_BATCHES[codec], "base64");
  const header = readBatchHeader(bytes, 0);
  assert.ok(header);
  return { bytes, header };
}

/** The compressed part of Java's batch. */
function compressed(codec: keyof typeof JAVA_BATCHES): Buffer {
  return javaBatch(codec).bytes.subarray(HEADER_BYTES);
}

const records = compressed("none");

for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
  Deno.test(`a batch of Kafka's Java producer is read: ${codec}`, async () => {
    const { bytes, header } = javaBatch(codec);
    const { baseOffset, nextOffset, producerId, producerEpoch, baseSequence, partitionLeaderEpoch, compression } =
      header;
    assert.deepEqual([compression, header.crcValid, header.transactional, header.control], [codec, true, true, false]);
    assert.deepEqual([baseOffset, nextOffset, partitionLeaderEpoch], [5000, 5005, 9]);
    assert.deepEqual([producerId, producerEpoch, baseSequence], [7n, 3, 42]);
    const noise = Uint8Array.from({ length: 100 }, (_, i) => i * i * 31 + 7);
    assert.deepEqual(
      Array.from(readRecords(header, await recordBytes(bytes, header)), (record) => [
        record.offset,
        record.timestamp,
        record.key?.toString(),
        record.value,
        record.headers.map(([name, value]) => [name, value?.toString()]),
      ]),
      [
        [5000, 1_700_000_000_000, "k1", Buffer.from("abc".repeat(50)), []],
        [5001, 1_699_999_999_999, "k2", null, []],
        [5003, 1_700_000_000_500, undefined, Buffer.from(noise), [["h", undefined], ["h", "x"]]],
        [5004, 1_700_000_000_001, "", Buffer.from("a".repeat(300)), []],
      ],
    );
  });
}

for (const codec of ["gzip", "snappy", "lz4", "zstd"] as const) {
  const refusal = new RegExp(`^Error: Cannot (read .*|decompress the batch at offset 5000 with ${codec}: .+)`);
  const readAll = async (bytes: Buffer, header: BatchHeader) =>
    Array.from(readRecords(header, await recordBytes(bytes, header)), ({ headers }) => headers);

  Deno.test(`damaged bytes end in an error that names batch and codec, or in other records: ${codec}`, async () => {
    const { bytes, header } = javaBatch(codec);
    for (let at = HEADER_BYTES; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 0xff;
      await readAll(damaged, header).catch((error) => assert.match(String(error), refusal));
    }
  });

  Deno.test(`bytes that are cut off end in an error that names batch and codec: ${codec}`, async () => {
    const { bytes, header } = javaBatch(codec);
    const needed = codec === "zstd" ? bytes.length - 3 : bytes.length; // Java's zstd ends with an empty block
    for (let end = HEADER_BYTES; end < needed; end++) {
      await assert.rejects(readAll(bytes, { ...header, end }), refusal, `${end} of ${bytes.length} bytes`);
    }
  });

  Deno.test(`a batch that holds more than is allowed is refused: ${codec}`, async () => {
    const { bytes, header } = javaBatch(codec);
    assert.equal((await recordBytes(bytes, header, { maxBytes: records.length })).length, records.length);
    await assert.rejects(
      async () => await recordBytes(bytes, header, { maxBytes: records.length - 1 }),
      /Cannot decompress the batch at offset 5000/,
    );
  });
}

Deno.test("a codec that nobody knows is refused with those that are known", async () => {
  const { bytes } = javaBatch("none");
  bytes[Field.attributes + 1] = 6;
  const header = readBatchHeader(bytes, 0)!;
  await assert.rejects(async () => await recordBytes(bytes, header), {
    message: "Cannot decompress the batch at offset 5000: its codec is 6, expected one of gzip, snappy, lz4, zstd",
  });
});

Deno.test("our own compressed batches come back", async () => {
  const anyCodec = fc.constantFrom<Compression>("gzip", "zstd");
  await fc.assert(fc.asyncProperty(anyRecords, anyCodec, async (records, codec) => {
    const plain = await freeze(batchOf(records));
    const bytes = await freeze(batchOf(records), NOBODY, codec);
    assert.deepEqual(await recordBytes(bytes, readBatchHeader(bytes, 0)!), plain.subarray(HEADER_BYTES));
  }));
});

Deno.test("Snappy is read bare, as librdkafka sends it, and in several blocks, as Java does with much data", () => {
  const block = Buffer.from(BARE_SNAPPY, "base64");
  assert.equal(decodeSnappy(block, LIMIT).toString(), SENTENCES);
  const frame = compressed("snappy");
  assert.deepEqual(decodeSnappy(Buffer.concat([frame, frame.subarray(16)]), LIMIT), Buffer.concat([records, records]));
});

Deno.test("LZ4 is read in several blocks, compressed and not, with the frame's optional fields", () => {
  const frame = compressed("lz4");
  const blocks = frame.subarray(7, frame.length - 4);
  const stored = Buffer.from([3, 0, 0, 0x80, 1, 2, 3]);
  const several = Buffer.concat([frame.subarray(0, 7), blocks, stored, blocks, frame.subarray(-4)]);
  const expected = Buffer.concat([records, Buffer.from([1, 2, 3]), records]);
  assert.deepEqual(decodeLz4(several, LIMIT), expected);

  const checksum = Buffer.alloc(4);
  const withOptions = Buffer.concat([
    frame.subarray(0, 6),
    Buffer.alloc(8),
    frame.subarray(6, 7),
    blocks,
    checksum,
    stored,
    checksum,
    frame.subarray(-4),
  ]);
  withOptions[4] |= 0x18; // content size, block checksums
  assert.deepEqual(decodeLz4(withOptions, LIMIT), Buffer.concat([records, Buffer.from([1, 2, 3])]));
});

/** A frame of one block. */
function lz4Frame(...block: number[]): Buffer {
  return Buffer.concat([
    compressed("lz4").subarray(0, 7),
    Buffer.from([block.length, 0, 0, 0]),
    Buffer.from(block),
    Buffer.alloc(4),
  ]);
}

Deno.test("each way to write a length or a distance in Snappy and LZ4 is read", () => {
  const long = Uint8Array.from({ length: 300 }, (_, i) => i);
  const decoded = (bytes: number[]) => Buffer.from([...long, ...bytes]);
  const literal = [0, 61 << 2, 0x2b, 1, ...long]; // 300 bytes: their number, less one, in two bytes
  assert.deepEqual(
    decodeSnappy(Buffer.from([0, 60 << 2, 99, ...long.subarray(0, 100)]), LIMIT),
    Buffer.from(long.subarray(0, 100)),
  );
  assert.deepEqual(decodeSnappy(Buffer.from([...literal, 1 << 5 | 1, 0x2c]), LIMIT), decoded([0, 1, 2, 3]));
  assert.deepEqual(decodeSnappy(Buffer.from([...literal, 4 << 2 | 2, 0x2b, 1]), LIMIT), decoded([1, 2, 3, 4, 5]));
  assert.deepEqual(decodeSnappy(Buffer.from([...literal, 2 << 2 | 3, 0x2a, 1, 0, 0]), LIMIT), decoded([2, 3, 4]));
  assert.deepEqual(decodeLz4(lz4Frame(0x1f, 7, 1, 0, 255, 1), LIMIT), Buffer.alloc(1 + 15 + 255 + 1 + 4, 7));
});

Deno.test("references to bytes that are not there, and more bytes than allowed, are refused", () => {
  const lz4 = (...block: number[]) => () => decodeLz4(lz4Frame(...block), 10);
  const snappy = (...block: number[]) => () => decodeSnappy(Buffer.from([0, ...block]), 10);
  assert.throws(snappy(0, 97, 2, 0, 0), /^Error: a reference goes 0 bytes back, of 1$/);
  assert.throws(snappy(0, 97, 2, 2, 0), /^Error: a reference goes 2 bytes back, of 1$/);
  assert.throws(lz4(0x10, 97, 0, 0), /^Error: a reference goes 0 bytes back, of 1$/);
  assert.throws(lz4(0x10, 97, 2, 0), /^Error: a reference goes 2 bytes back, of 1$/);
  assert.throws(snappy(4, 97), /^Error: the input ends too early$/);
  assert.throws(snappy(0, 97, 2, 1), /^Error: the input ends too early$/);
  assert.throws(lz4(0x20, 97), /^Error: the input ends too early$/);
  assert.throws(lz4(0x10, 97, 1), /^Error: the input ends too early$/);
  assert.throws(snappy(0, 97, 9 << 2 | 2, 1, 0), /^Error: there are more than the 10 bytes allowed$/);
  assert.throws(lz4(0x16, 97, 1, 0), /^Error: there are more than the 10 bytes allowed$/);
  assert.equal(lz4(0x15, 97, 1, 0)().length, 10);
});

Deno.test("random bytes as LZ4 or Snappy end in an error or in bytes, within the limit", () => {
  const header = compressed("lz4").subarray(0, 7);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(random.length);
      const attempts = [
        () => decodeSnappy(Buffer.from(random), 200),
        () => decodeLz4(Buffer.concat([header, size, random, Buffer.alloc(4)]), 200),
      ];
      for (const decode of attempts) {
        try {
          assert.ok(decode().length <= 200);
        } catch (error) {
          assert.match(
            String(error),
            /^Error: (the input ends too early|a reference goes|there are more than the 200 bytes allowed)/,
          );
        }
      }
    }),
    { numRuns: 2000 },
  );
});

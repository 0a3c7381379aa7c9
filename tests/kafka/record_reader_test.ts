import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Attribute, Field, HEADER_BYTES } from "../../kafka/batch_layout.ts";
import { crc32c } from "../../kafka/crc32c.ts";
import { type BatchContext, type BatchHeader, readBatchHeader, readRecords } from "../../kafka/record_reader.ts";
import { anyRecords, batchOf, expectedFields, freeze, NOW } from "./random_records.ts";

const CONTEXT: BatchContext = {
  baseOffset: 100,
  recordCount: 1,
  timestampType: "CreateTime",
  baseTimestamp: NOW,
  maxTimestamp: NOW,
};

function headerOf(bytes: Buffer, start = 0): BatchHeader {
  const header = readBatchHeader(bytes, start);
  assert.ok(header);
  return header;
}

function headerOrError(bytes: Buffer): BatchHeader | undefined | Error {
  try {
    return readBatchHeader(bytes, 0);
  } catch (error) {
    return error as Error;
  }
}

/** All fields of all records, each of which must lie within the bytes. */
function fieldsOf(context: BatchContext, records: Buffer) {
  return Array.from(readRecords(context, records), (record) => {
    const { offset, timestamp, key, value, headers } = record;
    return { offset, timestamp, key, value, headers };
  });
}

function withAttributes(bytes: Buffer, attributes: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeInt16BE(attributes, Field.attributes);
  changed.writeUInt32BE(crc32c(changed, Field.attributes), Field.crc);
  return changed;
}

Deno.test("batches are read one after another, and one that is cut off is left for later", async () => {
  const first = await freeze(batchOf([{ value: "a" }, { value: "b" }]));
  const second = await freeze(batchOf([{ value: "c" }]));
  second.writeBigInt64BE(2n ** 40n, Field.baseOffset);
  const bytes = Buffer.concat([first, second, first.subarray(0, 70)]);

  const header = headerOf(bytes);
  assert.deepEqual([header.baseOffset, header.nextOffset, header.end, header.recordCount], [0, 2, first.length, 2]);
  const next = headerOf(bytes, header.end);
  assert.deepEqual([next.baseOffset, next.nextOffset, next.end], [2 ** 40, 2 ** 40 + 1, first.length + second.length]);
  assert.deepEqual(fieldsOf(next, bytes.subarray(next.start + HEADER_BYTES, next.end)).map(({ offset }) => offset), [
    2 ** 40,
  ]);
  assert.equal(readBatchHeader(bytes, next.end), undefined);
  assert.equal(readBatchHeader(bytes, bytes.length), undefined);
});

Deno.test("the attributes tell codec, transaction, control batch and kind of timestamp", async () => {
  const bytes = await freeze(
    batchOf([{ value: "a", timestamp: 5 }, { value: "b", timestamp: 9 }, { value: "c", timestamp: 7 }]),
  );
  const plain = headerOf(bytes);
  assert.deepEqual([plain.compression, plain.transactional, plain.control, plain.timestampType], [
    "none",
    false,
    false,
    "CreateTime",
  ]);
  assert.ok(headerOf(withAttributes(bytes, Attribute.transactional)).transactional);
  assert.ok(headerOf(withAttributes(bytes, Attribute.control)).control);
  const codecs = [0, 1, 2, 3, 4, 5].map((codec) => headerOf(withAttributes(bytes, codec)).compression);
  assert.deepEqual(codecs, ["none", "gzip", "snappy", "lz4", "zstd", "5"]);

  const appended = headerOf(withAttributes(bytes, Attribute.logAppendTime));
  assert.equal(appended.timestampType, "LogAppendTime");
  const timestamps = (header: BatchHeader) =>
    fieldsOf(header, bytes.subarray(HEADER_BYTES)).map(({ timestamp }) => timestamp);
  assert.deepEqual(timestamps(plain), [5, 9, 7]);
  assert.deepEqual(timestamps(appended), [9, 9, 9]);
});

Deno.test("keys and values are views of the batch, not copies", async () => {
  const bytes = await freeze(batchOf([{ key: "key", value: "value", headers: [["h", "x"]] }]));
  const [{ key, value, headers: [[, header]] }] = readRecords(CONTEXT, bytes.subarray(HEADER_BYTES));
  bytes.fill("z");
  assert.deepEqual([key, value, header].map(String), ["zzz", "zzzzz", "z"]);
});

Deno.test("a batch that compaction has emptied has no records", async () => {
  const bytes = (await freeze(batchOf([{ value: "a" }, { value: "b" }]))).subarray(0, HEADER_BYTES);
  bytes.writeInt32BE(HEADER_BYTES - 12, Field.batchLength);
  bytes.writeInt32BE(0, Field.recordCount);
  const header = headerOf(bytes);
  assert.deepEqual(fieldsOf(header, bytes.subarray(HEADER_BYTES)), []);
  assert.equal(header.nextOffset, 2);
});

Deno.test("a batch that ends too early is not read, wherever it ends", async () => {
  await fc.assert(fc.asyncProperty(anyRecords, async (records) => {
    const bytes = await freeze(batchOf(records));
    for (let length = 0; length < Math.min(bytes.length, 500); length++) {
      assert.equal(readBatchHeader(bytes.subarray(0, length), 0), undefined);
    }
  }));
});

Deno.test("any byte that changes is seen: an error, an incomplete batch or a wrong checksum", async () => {
  const bytes = await freeze(batchOf([{ key: "k", value: "v".repeat(70), headers: [["h", null]] }, { value: null }]));
  // The broker sets these, so the checksum leaves them out.
  const free = { baseOffset: 0, nextOffset: 0, partitionLeaderEpoch: 0 };
  const unchanged = { ...headerOf(bytes), ...free };
  assert.ok(unchanged.crcValid);
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= flip;
      const header = headerOrError(damaged);
      if (header instanceof Error) assert.match(header.message, /^Cannot read the record batch at byte 0: /);
      else if (header === undefined) assert.ok(at >= Field.batchLength && at < Field.partitionLeaderEpoch);
      else if (at >= Field.crc) assert.equal(header.crcValid, false, `byte ${at} ^ ${flip}`);
      else if (header.crcValid) assert.deepEqual({ ...header, ...free }, unchanged, `byte ${at} ^ ${flip}`);
    }
  }
});

Deno.test("what is no batch of format 2 is refused", async () => {
  const bytes = await freeze(batchOf([{ value: "a" }]));
  const refused = (change: (bytes: Buffer) => void) => {
    const changed = Buffer.from(bytes);
    change(changed);
    return () => readBatchHeader(changed, 0);
  };
  assert.throws(
    refused((b) => b[Field.magic] = 1),
    /^Error: Cannot read the record batch at byte 0: its format is 1, expected 2$/,
  );
  assert.throws(
    refused((b) => b.writeInt32BE(48, Field.batchLength)),
    /its length is 48, which is less than its header/,
  );
  assert.throws(
    refused((b) => b.writeInt32BE(-1, Field.batchLength)),
    /its length is -1, which is less than its header/,
  );
  assert.throws(refused((b) => b.writeInt32BE(-2, Field.recordCount)), /it holds -2 records/);
});

Deno.test("records that are cut off are refused, wherever they end", async () => {
  await fc.assert(fc.asyncProperty(anyRecords, async (records) => {
    const bytes = (await freeze(batchOf(records))).subarray(HEADER_BYTES);
    const context = { ...CONTEXT, recordCount: records.length };
    for (let length = 0; length < Math.min(bytes.length, 300); length++) {
      assert.throws(
        () => fieldsOf(context, bytes.subarray(0, length)),
        /^Error: Cannot read record \d+ of \d+ in the batch at offset 100: /,
      );
    }
  }));
});

Deno.test("damaged records end in an error or in fields that lie within the batch", async () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(anyRecords, damage, async (records, changes) => {
      const bytes = (await freeze(batchOf(records))).subarray(HEADER_BYTES);
      for (const [at, byte] of changes) bytes[at % Math.min(bytes.length, 60)] = byte;
      let fields: ReturnType<typeof fieldsOf> = [];
      try {
        fields = fieldsOf({ ...CONTEXT, recordCount: records.length }, bytes);
      } catch (error) {
        assert.match(String(error), /^Error: Cannot read (record|the batch|the headers)/);
      }
      const total = fields.flatMap(({ key, value, headers }) => [key, value, ...headers.map(([, value]) => value)])
        .reduce((sum, data) => sum + (data?.length ?? 0), 0);
      assert.ok(total <= bytes.length);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("random bytes as records end in an error or in fields, soon", () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ max: 20, maxLength: 100 }));
  fc.assert(
    fc.property(bytes, fc.integer({ min: 0, max: 2 ** 31 - 1 }), (random, recordCount) => {
      try {
        assert.ok(fieldsOf({ ...CONTEXT, recordCount }, Buffer.from(random)).length <= random.length);
      } catch (error) {
        assert.match(String(error), /^Error: Cannot read (record|the batch|the headers)/);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("an error names the record and what is wrong with it", () => {
  // A record: length 6, attributes, timestamp delta, offset delta, key -1, value -1, 0 headers; lengths in zigzag.
  const good = [12, 0, 0, 0, 1, 1, 0];
  assert.deepEqual(fieldsOf(CONTEXT, Buffer.from(good)), [{
    offset: 100,
    timestamp: NOW,
    key: null,
    value: null,
    headers: [],
  }]);

  const record = "Cannot read record 1 of 1 in the batch at offset 100: ";
  const headers = "Cannot read the headers of the record at offset 100: ";
  const cases: [number[], string][] = [
    [[], `${record}its bytes end in the middle of an integer`],
    [[11], `${record}its length is -6`],
    [[0xff, 0xff, 0xff, 0xff, 0x0f], `${record}its length is -2147483648`],
    [[14, ...good.slice(1)], `${record}its 7 bytes go beyond the end of the batch`],
    [[10, ...good.slice(1)], `${record}it ends before its headers`],
    [[0], `${record}a field of 1 bytes goes beyond the record's end`],
    [[12, 0, 0, 0, 3, 1, 0], `${record}a field has the length -2`],
    [[12, 0, 0, 0, 10, 1, 0], `${record}a field of 5 bytes goes beyond the record's end`],
    [[12, 0, 0, 0, 0xff, 0xff, 0xff], `${record}its bytes end in the middle of an integer`],
    [Array(50).fill(0xff), `${record}an integer has more than 5 bytes`],
    [[40, 0, ...Array(19).fill(0xff)], `${record}an integer has more than 10 bytes`],
    [[...good, 0], "Cannot read the batch at offset 100: 1 bytes follow its last record"],
    [[14, 0, 0, 0, 1, 1, 0, 0], `${headers}1 bytes follow the last of them`],
    [[12, 0, 0, 0, 1, 1, 1], `${headers}their number is -1`],
    [[12, 0, 0, 0, 1, 1, 2], `${headers}its bytes end in the middle of an integer`],
    [[14, 0, 0, 0, 1, 1, 2, 1], `${headers}the name of header 1 has the length -1`],
    [[16, 0, 0, 0, 1, 1, 2, 0, 4], `${headers}a field of 2 bytes goes beyond the record's end`],
  ];
  for (const [bytes, message] of cases) assert.throws(() => fieldsOf(CONTEXT, Buffer.from(bytes)), { message });
});

Deno.test("a wrong number of records is refused", async () => {
  const bytes = (await freeze(batchOf([{ value: "a" }, { value: "b" }]))).subarray(HEADER_BYTES);
  const read = (recordCount: number) => () => fieldsOf({ ...CONTEXT, recordCount }, bytes);
  assert.throws(read(1), /Cannot read the batch at offset 100: 8 bytes follow its last record/);
  assert.equal(read(2)().length, 2);
  assert.throws(
    read(3),
    /Cannot read record 3 of 3 in the batch at offset 100: its bytes end in the middle of an integer/,
  );
});

Deno.test("offsets and timestamps count from those of the batch", async () => {
  await fc.assert(fc.asyncProperty(anyRecords, fc.integer({ min: 0, max: 2 ** 52 }), async (records, baseOffset) => {
    const bytes = await freeze(batchOf(records));
    bytes.writeBigInt64BE(BigInt(baseOffset), Field.baseOffset);
    const header = headerOf(bytes);
    assert.ok(header.crcValid);
    const expected = records.map((record, index) => expectedFields(record, { offset: baseOffset + index, now: NOW }));
    assert.deepEqual(fieldsOf(header, bytes.subarray(HEADER_BYTES)), expected);
  }));
});

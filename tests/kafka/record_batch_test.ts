import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { BufferPool } from "../../kafka/buffer_pool.ts";
import { estimateSize, nextSequence, type ProducerRecord, RecordBatch } from "../../kafka/record_batch.ts";
import { recordBytes } from "../../kafka/decompress.ts";
import { readBatchHeader, readRecords } from "../../kafka/record_reader.ts";
import {
  anyCompression,
  anyIdentity,
  anyRecord,
  anyRecords,
  batchOf,
  expectedFields,
  freeze,
  NOBODY,
  NOW,
} from "./random_records.ts";

/** What our own reader makes of a batch: its independence is tested beside it, against kafkajs. */
async function read(bytes: Buffer) {
  const header = readBatchHeader(bytes, 0);
  assert.ok(header?.crcValid);
  const records = readRecords(header, await recordBytes(bytes, header));
  return Array.from(
    records,
    ({ offset, timestamp, key, value, headers }) => ({ offset, timestamp, key, value, headers }),
  );
}

function expectedOf(records: readonly ProducerRecord[]) {
  return records.map((record, offset) => expectedFields(record, { offset, now: NOW }));
}

Deno.test("every field comes back, headers in order with repeated names and null values", async () => {
  await fc.assert(fc.asyncProperty(anyRecords, anyCompression, async (records, compression) => {
    assert.deepEqual(await read(await freeze(batchOf(records), NOBODY, compression)), expectedOf(records));
  }));
});

Deno.test("a tombstone, an empty value, an empty key and no key are four different things", async () => {
  const records = [{ key: "", value: null }, { key: null, value: "" }, { value: new Uint8Array() }, {
    key: new Uint8Array(),
    value: null,
  }];
  const fields = (await read(await freeze(batchOf(records)))).map(({ key, value }) => [key?.length, value?.length]);
  assert.deepEqual(fields, [[0, undefined], [undefined, 0], [undefined, 0], [0, undefined]]);
});

Deno.test("a lone surrogate becomes U+FFFD, with the three bytes that its length says", async () => {
  for (const text of ["\ud800", "a\udc00b", "\ud800\ud800\udc00", "x".repeat(100) + "\udfff"]) {
    const [{ value }] = await read(await freeze(batchOf([{ value: text }])));
    assert.equal(value?.toString(), text.toWellFormed());
  }
});

Deno.test("records keep timestamps far before and after the first one's", async () => {
  const timestamps = [NOW, 0, 2 ** 53 - 1, NOW - 1, NOW + 2 ** 31, NOW - 2 ** 31 - 1, NOW + 2 ** 32, NOW];
  const batch = batchOf(timestamps.map((timestamp) => ({ value: "x", timestamp })));
  assert.deepEqual((await read(await freeze(batch))).map(({ timestamp }) => timestamp), timestamps);
  for (const [first, second] of [[0, 2 ** 53 - 1], [2 ** 53 - 1, 0]]) {
    const decoded = await read(
      await freeze(batchOf([{ value: "x", timestamp: first }, { value: "x", timestamp: second }])),
    );
    assert.deepEqual(decoded.map(({ timestamp }) => timestamp), [first, second]);
  }
});

Deno.test("timestampOf tells each record's timestamp, also after release", () => {
  fc.assert(fc.property(anyRecords, (records) => {
    const batch = batchOf(records);
    batch.release();
    const told = records.map((_, index) => batch.timestampOf(index));
    assert.deepEqual(told, records.map((record) => record.timestamp ?? NOW));
  }));
  assert.throws(() => batchOf([{ value: "x" }]).timestampOf(1), RangeError);
  assert.throws(() => new RecordBatch().timestampOf(0), RangeError);
});

Deno.test("append counts records and bytes, and never takes more than estimateSize said", async () => {
  await fc.assert(fc.asyncProperty(anyRecords, async (records) => {
    const batch = new RecordBatch();
    assert.deepEqual([batch.count, batch.sizeInBytes], [0, 61]);
    for (const [index, record] of records.entries()) {
      const before = batch.sizeInBytes;
      assert.equal(batch.append(record, NOW), index);
      assert.equal(batch.count, index + 1);
      const [size, estimate] = [batch.sizeInBytes - before, estimateSize(record)];
      assert.ok(size <= estimate && estimate <= size + 16, `${size} bytes, estimated ${estimate}`);
    }
    assert.equal((await freeze(batch)).length, batch.sizeInBytes);
  }));
});

Deno.test("estimateSize holds where the deltas are largest", () => {
  const batch = batchOf([{ value: null, timestamp: 2 ** 53 - 1 }]);
  for (let i = 0; i < 10_000; i++) batch.append({ value: null }, NOW);
  const before = batch.sizeInBytes;
  const record = { value: "x".repeat(50), timestamp: 0 };
  batch.append(record, NOW);
  assert.ok(batch.sizeInBytes - before <= estimateSize(record));
});

Deno.test("a record that cannot be encoded is refused by name and leaves the batch as it was", async () => {
  const refused: [unknown, string][] = [
    [{ value: 5 }, "value is 5 (number), expected string, Uint8Array or null"],
    [{}, "value is undefined (undefined), expected string, Uint8Array or null"],
    [{ value: { a: 1 } }, "value is [object Object], expected string, Uint8Array or null"],
    [{ value: "v", key: true }, "key is true (boolean), expected string, Uint8Array or null"],
    [{ value: "v", key: new Date(0) }, "key is [object Date], expected string, Uint8Array or null"],
    [{ value: "v", headers: { a: "b" } }, "headers is [object Object], expected an array of [name, value]"],
    [{ value: "v", headers: null }, "headers is [object Null], expected an array of [name, value]"],
    [{ value: "v", headers: [["ok", "ok"], "no"] }, "a header is no (string), expected [name, value]"],
    [{ value: "v", headers: [["ok", "ok"], [7, "no"]] }, "a header's name is 7 (number), expected string"],
    [
      { value: "v", headers: [["ok", "ok"], ["x", 7]] },
      'header "x" is 7 (number), expected string, Uint8Array or null',
    ],
    [{ value: "v", headers: [["x"]] }, 'header "x" is undefined (undefined), expected string, Uint8Array or null'],
    ...[-1, 1.5, NaN, 2 ** 53, "now", null].map((timestamp): [unknown, string] => [
      { value: "v", timestamp },
      `timestamp is ${
        timestamp === null ? "[object Null]" : `${timestamp} (${typeof timestamp})`
      }, expected a whole number of milliseconds since the epoch`,
    ]),
  ];
  const first = { key: "k", value: "before", headers: [["h", null]] as const };
  const batch = batchOf([first]);
  for (const [record, problem] of refused) {
    const expected = { name: "TypeError", message: `Cannot encode record: ${problem}` };
    const size = batch.sizeInBytes;
    assert.throws(() => batch.append(record as ProducerRecord, NOW), expected);
    assert.throws(() => estimateSize(record as ProducerRecord), expected);
    assert.deepEqual([batch.count, batch.sizeInBytes], [1, size]);
  }
  const last = { value: "after" };
  batch.append(last, NOW);
  assert.deepEqual(await read(await freeze(batch)), expectedOf([first, last]));
});

Deno.test("a frozen batch takes no record, and an empty one cannot be frozen", () => {
  const batch = batchOf([{ value: "x" }]);
  batch.freeze(NOBODY, "none");
  assert.throws(() => batch.append({ value: "y" }, NOW), /^Error: Cannot append to a batch that is frozen$/);
  assert.throws(() => new RecordBatch().freeze(NOBODY, "none"), /^Error: Cannot freeze a batch without records$/);
});

Deno.test("freezing gives bytes at once without compression, the same each time", () => {
  const batch = batchOf([{ value: "x" }]);
  const bytes = batch.freeze(NOBODY, "none");
  assert.ok(bytes instanceof Uint8Array);
  const copy = Buffer.from(bytes);
  assert.deepEqual(batch.freeze(NOBODY, "none"), copy);
});

Deno.test("freezing again with another identity changes the identity and nothing else", async () => {
  await fc.assert(fc.asyncProperty(anyRecords, anyCompression, anyIdentity, async (records, compression, identity) => {
    const batch = batchOf(records);
    await freeze(batch, { producerId: 7n, producerEpoch: 1, baseSequence: 9 }, compression);
    assert.deepEqual(await freeze(batch, identity, compression), await freeze(batchOf(records), identity, compression));
  }));
});

Deno.test("a batch that compression would only enlarge is sent as it is", async () => {
  const batch = batchOf([{ value: crypto.getRandomValues(new Uint8Array(1000)) }]);
  for (const compression of ["gzip", "zstd"] as const) {
    assert.deepEqual(await freeze(batch, NOBODY, compression), await freeze(batch));
  }
  const zeros = batchOf([{ value: new Uint8Array(1000) }]);
  assert.equal(readBatchHeader(await freeze(zeros, NOBODY, "gzip"), 0)?.compression, "gzip");
  assert.equal(readBatchHeader(await freeze(zeros, NOBODY, "zstd"), 0)?.compression, "zstd");
});

Deno.test("splitting keeps every record, in order, with its timestamp", async () => {
  const records = fc.array(anyRecord(), { minLength: 2, maxLength: 40 });
  await fc.assert(fc.asyncProperty(records, fc.boolean(), async (records, frozen) => {
    const batch = batchOf(records);
    if (frozen) batch.freeze(NOBODY, "none");
    const halves = batch.split();
    assert.ok(halves.every(({ count }) => count > 0));
    assert.equal(halves[0].count + halves[1].count, records.length);
    const read1 = await read(await freeze(halves[0]));
    const read2 = await read(await freeze(halves[1]));
    const together = [...read1, ...read2.map((record) => ({ ...record, offset: record.offset + halves[0].count }))];
    assert.deepEqual(together, expectedOf(records));
    assert.equal(halves[1].timestampOf(0), batch.timestampOf(halves[0].count));
  }));
});

Deno.test("a batch is split at half of its bytes, not of its records", () => {
  const small = Array.from({ length: 10 }, () => ({ value: "x" }));
  const large = { value: "x".repeat(10_000) };
  assert.deepEqual(batchOf([large, ...small]).split().map(({ count }) => count), [1, 10]);
  assert.deepEqual(batchOf([...small, large]).split().map(({ count }) => count), [10, 1]);
  assert.deepEqual(batchOf([...small, ...small]).split().map(({ count }) => count), [10, 10]);
  assert.throws(() => batchOf([large]).split(), /Cannot split a batch of 1 records, expected at least 2/);
});

Deno.test("a released batch gives its buffer to the next one, once, and has no bytes any more", async () => {
  const pool = new BufferPool();
  const batch = batchOf([{ value: "x" }, { value: "y" }], pool);
  batch.release();
  batch.release();
  assert.equal(pool.heldBytes, 1024);
  assert.throws(() => batch.append({ value: "z" }, NOW), /Cannot append to a batch that is released/);
  assert.throws(() => batch.freeze(NOBODY, "none"), /Cannot freeze a batch that is released/);
  assert.throws(() => batch.split(), /Cannot split a batch that is released/);

  const [one, two] = [batchOf([{ value: "1" }], pool), batchOf([{ value: "2" }], pool)];
  assert.equal(pool.heldBytes, 0);
  assert.deepEqual(await read(await freeze(one)), expectedOf([{ value: "1" }]));
  assert.deepEqual(await read(await freeze(two)), expectedOf([{ value: "2" }]));
});

Deno.test("what a buffer held before does not show in the batch", async () => {
  const pool = new BufferPool();
  const used = pool.take(1024).fill(0xff);
  pool.give(used);
  const records = [{ key: "k", value: "v", headers: [["h", null]] as const }, { value: null }];
  const batch = batchOf(records, pool);
  assert.equal(pool.heldBytes, 0);
  assert.deepEqual(await freeze(batch), await freeze(batchOf(records, new BufferPool())));
});

Deno.test("a batch released while it is compressed gives no bytes, and leaves its buffer to the next one", async () => {
  const pool = new BufferPool();
  const batch = batchOf([{ value: "x" }], pool);
  const frozen = freeze(batch, NOBODY, "gzip");
  batch.release();
  const next = batchOf([{ value: "y" }], pool);
  assert.equal(pool.heldBytes, 0);
  const bytes = await freeze(next);
  await assert.rejects(frozen, /Cannot freeze a batch that is released/);
  assert.deepEqual(await freeze(next), bytes);
  assert.deepEqual(await read(bytes), expectedOf([{ value: "y" }]));
});

Deno.test("a batch that outgrows its buffer keeps its records and returns the old buffer", async () => {
  const pool = new BufferPool();
  const records = Array.from({ length: 500 }, (_, i) => ({ key: String(i), value: "v".repeat(i) }));
  const batch = batchOf(records, pool);
  assert.equal(pool.heldBytes, 131072 - 1024); // 1, 2, ... 64 KiB; the batch is in the next larger one
  assert.deepEqual(await read(await freeze(batch)), expectedOf(records));
});

Deno.test("sequence numbers start again at 0 after 2^31 - 1", () => {
  assert.equal(nextSequence(0, 5), 5);
  assert.equal(nextSequence(2 ** 31 - 2, 1), 2 ** 31 - 1);
  assert.equal(nextSequence(2 ** 31 - 1, 1), 0);
  assert.equal(nextSequence(2 ** 31 - 3, 5), 2);
  const anySequence = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  fc.assert(fc.property(anySequence, anySequence, (sequence, n) => {
    assert.equal(nextSequence(sequence, n), (sequence + n) % 2 ** 31);
  }));
});

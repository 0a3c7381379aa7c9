/** Random records for the tests of everything that encodes or decodes them. */

import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { BufferPool } from "../../kafka/buffer_pool.ts";
import { type BatchIdentity, type Compression, type ProducerRecord, RecordBatch } from "../../kafka/record_batch.ts";

/** The time at which `batchOf` lets records arrive. */
export const NOW = 1_700_000_000_050;

/** The identity of a producer without idempotence. */
export const NOBODY: BatchIdentity = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };

export const anyCompression = fc.constantFrom<Compression>("none", "gzip", "zstd");

export const anyIdentity = fc.oneof(
  fc.constant(NOBODY),
  fc.record({
    producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    producerEpoch: fc.integer({ min: 0, max: 32767 }),
    baseSequence: fc.oneof(fc.integer({ min: 0, max: 2 ** 31 - 1 }), fc.constant(2 ** 31 - 1)),
  }),
);

/**
 * Text at every border that matters: the sizes of length fields, ASCII or not, with lone surrogates, byte order marks
 * and nothing at all.
 */
export const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 80 }),
  fc.array(fc.nat(0xffff), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom("", "\ufeff", "a\ud800", "\udc00b", "张伟", "😀"),
  fc.tuple(
    fc.constantFrom("a", "é", "张", "😀", "\ud800"),
    fc.constantFrom(20, 32, 48, 49, 63, 64, 65, 2731, 4096, 8191, 8192),
  )
    .map(([character, times]) => character.repeat(times)),
);

/** What a key or a value may be. */
export const anyData = fc.oneof(anyText, fc.uint8Array({ maxLength: 200 }), fc.constant(null));

/** Arrival times close together, and any others that a record can have. */
const anyTimestamp = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_100 }),
  fc.integer({ min: 0, max: 2 ** 53 - 1 }),
  fc.constantFrom(0, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
);

/** The headers that a record may have; `name` limits the names, as some readers fold headers into one object. */
export function anyHeaders(name: fc.Arbitrary<string> = anyText): fc.Arbitrary<[string, string | Uint8Array | null][]> {
  return fc.array(fc.tuple(fc.oneof(name, fc.constant("again")), anyData), { maxLength: 4 });
}

/** Any record that is acceptable. */
export function anyRecord(headers = anyHeaders()): fc.Arbitrary<ProducerRecord> {
  return fc.record({ key: anyData, value: anyData, headers, timestamp: anyTimestamp }, { requiredKeys: ["value"] });
}

/** At least one record. */
export const anyRecords = fc.array(anyRecord(), { minLength: 1, maxLength: 40 });

/** A batch with these records. */
export function batchOf(records: readonly ProducerRecord[], pool?: BufferPool): RecordBatch {
  const batch = new RecordBatch(pool);
  for (const record of records) batch.append(record, NOW);
  return batch;
}

/** The batch's bytes, as a copy of their own. */
export async function freeze(
  batch: RecordBatch,
  identity = NOBODY,
  compression: Compression = "none",
): Promise<Buffer> {
  return Buffer.from(await batch.freeze(identity, compression));
}

/** What `data` is when it comes back. */
export function asBuffer(data: string | Uint8Array | null | undefined): Buffer | null {
  return data == null ? null : typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
}

/** The fields of `record` as a reader should see them. */
export function expectedFields(record: ProducerRecord, { offset, now }: { offset: number; now: number }) {
  return {
    offset,
    timestamp: record.timestamp ?? now,
    key: asBuffer(record.key),
    value: asBuffer(record.value),
    headers: (record.headers ?? []).map(([name, value]) => [Buffer.from(name).toString(), asBuffer(value)]),
  };
}

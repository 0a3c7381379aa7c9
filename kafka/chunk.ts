/**
 * What a Fetch brought of one partition, as records: checksums checked, compressed batches opened, markers and
 * records of aborted transactions left out, and what lies before the position that was asked for.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Field, HEADER_BYTES, LENGTH_PREFIX_BYTES } from "./batch_layout.ts";
import type { AbortedTransaction } from "./fetch_requests.ts";
import type { TopicPartition } from "./group_requests.ts";
import { recordBytes } from "./decompress.ts";
import { type BatchHeader, readBatchHeader, readRecords, walkRecords } from "./record_reader.ts";
import { TopicRecord } from "./topic_record.ts";

/** Record batches of one partition. */
export interface Chunk extends TopicPartition {
  records: Buffer;
  aborted: readonly AbortedTransaction[];
  /** The first offset that is wanted: a broker sends whole batches, and it may lie inside the first one. */
  from: number;
  /** The offset after the last complete batch. */
  next: number;
  /** The end of the partition, where these records reach it. */
  end?: number;
}

/** Records that cannot be trusted: their bytes are not those that the producer sent. */
export class CorruptBatchError extends Error {
  override name = "CorruptBatchError";
}

/** Offset after the last batch that is complete in these bytes, undefined if none is. Nothing is checked here. */
export function nextOffset(bytes: Buffer): number | undefined {
  let next: number | undefined;
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const end = at + LENGTH_PREFIX_BYTES + bytes.readInt32BE(at + Field.batchLength);
    if (end > bytes.length || end < at + HEADER_BYTES) break;
    next = Number(bytes.readBigInt64BE(at + Field.baseOffset)) + bytes.readInt32BE(at + Field.lastOffsetDelta) + 1;
    at = end;
  }
  return next;
}

/** The records of one batch, and the position after it. */
export interface RecordsOfBatch {
  records: TopicRecord[];
  next: number;
}

/**
 * Reads a chunk batch by batch.
 *
 * @throws {CorruptBatchError} at a batch whose checksum is wrong or whose bytes are not what the format says
 */
export async function* readChunk(chunk: Chunk): AsyncGenerator<RecordsOfBatch, void, undefined> {
  const transactions = new Transactions(chunk.aborted);
  for (let at = 0;;) {
    const header = orCorrupt(chunk, () => readBatchHeader(chunk.records, at));
    if (!header) return;
    if (!header.crcValid) throw corrupt(chunk, `the checksum of the batch at offset ${header.baseOffset} is wrong`);
    at = header.end;
    const next = header.nextOffset;
    if (next <= chunk.from) continue;
    if (transactions.leavesOut(header, chunk.records)) {
      yield { records: [], next };
      continue;
    }
    const bytes = recordBytes(chunk.records, header);
    const opened = bytes instanceof Promise ? await bytes.catch((cause) => orCorrupt(chunk, () => fail(cause))) : bytes;
    yield { records: orCorrupt(chunk, () => recordsOf(chunk, header, opened)), next };
  }
}

function recordsOf(chunk: Chunk, header: BatchHeader, bytes: Buffer): TopicRecord[] {
  const records: TopicRecord[] = [];
  walkRecords(header, bytes, (cursor) => {
    const record = new TopicRecord(cursor, header, chunk);
    if (record.offset >= chunk.from) records.push(record);
  });
  return records;
}

/** Knows which batches belong to transactions that were aborted. */
class Transactions {
  readonly #coming: AbortedTransaction[];
  readonly #open = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#coming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  leavesOut(batch: BatchHeader, bytes: Buffer): boolean {
    while (this.#coming.length > 0 && this.#coming[0].firstOffset < batch.nextOffset) {
      this.#open.add(this.#coming.shift()!.producerId);
    }
    if (!batch.control) return batch.transactional && this.#open.has(batch.producerId);
    if (isAbortMarker(batch, bytes)) this.#open.delete(batch.producerId);
    return true;
  }
}

/** A control record's key is its version and its type, int16 each; type 0 is an abort (KIP-98). */
function isAbortMarker(header: BatchHeader, bytes: Buffer): boolean {
  if (header.recordCount === 0) return false; // a marker that compaction removed
  const [{ key }] = readRecords(header, bytes.subarray(header.start + HEADER_BYTES, header.end));
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
}

function orCorrupt<T>(chunk: Chunk, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw corrupt(chunk, (error as Error).message, error);
  }
}

function corrupt({ topic, partition }: Chunk, problem: string, cause?: unknown): CorruptBatchError {
  return new CorruptBatchError(`Cannot read ${topic}[${partition}]: ${problem}`, { cause });
}

function fail(error: unknown): never {
  throw error;
}

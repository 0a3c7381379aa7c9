/**
 * The records of one partition on their way to the broker. Each is encoded as it arrives, straight into the batch's one
 * buffer, so that a waiting record costs its bytes and nothing else. `freeze` completes the header: from then on the
 * bytes stay as they are until their fate is known, as Kafka recognizes what was sent twice only if it is the same
 * (KIP-98).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gzip, zstdCompress } from "node:zlib";
import { CODECS, Field, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC } from "./batch_layout.ts";
import { BufferPool } from "./buffer_pool.ts";
import { ByteWriter } from "./byte_writer.ts";
import { crc32c } from "./crc32c.ts";
import { estimateSize, type ProducerRecord, timestampFor, writeRecord } from "./record.ts";
import { type BatchContext, readRecords } from "./record_reader.ts";

export { estimateSize, type ProducerRecord };

/** How a batch may be compressed when it is sent. */
export type Compression = "none" | "gzip" | "zstd";

/** What a broker recognizes a repeated batch by. Without idempotence -1n, -1 and -1. */
export interface BatchIdentity {
  producerId: bigint;
  producerEpoch: number;
  /** The number of the batch's first record in its partition, as `nextSequence` counts. */
  baseSequence: number;
}

// Deno compresses on the main thread, promise or not: a full batch of short JSON, 900 kB, takes gzip some 40 ms and zstd
// 3 ms in which nothing else runs. A worker would spare callers the wait, but not the time: both cores are busy at full
// speed, and gzip's is that of librdkafka already. Whoever minds the 40 ms takes zstd, or smaller batches.
const compressors = { gzip: promisify(gzip), zstd: promisify(zstdCompress) };
const sharedPool = new BufferPool();

/** Records of one partition, in order. */
export class RecordBatch {
  readonly #pool: BufferPool;
  readonly #writer: ByteWriter;
  #state: "open" | "frozen" | "released" = "open";
  #count = 0;
  #maxTimestamp = 0;
  // Timestamps by runs: records #runStarts[i] and the following have #runTimes[i]. Records that come together share
  // their time of arrival.
  readonly #runStarts: number[] = [];
  readonly #runTimes: number[] = [];

  /** The buffer comes from `pool`, and goes back there with `release`. */
  constructor(pool: BufferPool = sharedPool) {
    this.#pool = pool;
    this.#writer = new ByteWriter(pool, HEADER_BYTES);
  }

  /** The number of records. */
  get count(): number {
    return this.#count;
  }

  /** Header and encoded records, before compression. */
  get sizeInBytes(): number {
    return this.#writer.position;
  }

  /**
   * Encodes the record at the end and returns its index in the batch. `now` (ms since the epoch) is its timestamp if it
   * has none.
   *
   * @throws {TypeError} if a field has a type or value that no record can have. The batch is then as before.
   */
  append(record: ProducerRecord, now: number): number {
    if (this.#state !== "open") throw new Error(`Cannot append to a batch that is ${this.#state}`);
    const index = this.#count;
    const timestamp = timestampFor(record, now);
    const timestampDelta = index === 0 ? 0 : timestamp - this.#runTimes[0];
    writeRecord(this.#writer, record, index, timestampDelta);
    this.#count++;
    this.#noteTimestamp(index, timestamp);
    return index;
  }

  /** The timestamp of the record at `index`, in ms since the epoch. Also known after `release`. */
  timestampOf(index: number): number {
    if (!(index >= 0 && index < this.#count)) {
      throw new RangeError(`Cannot tell the timestamp of record ${index}: the batch has ${this.#count} records`);
    }
    let low = 0;
    let high = this.#runStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#runStarts[middle] <= index) low = middle;
      else high = middle - 1;
    }
    return this.#runTimes[low];
  }

  /**
   * The whole batch as it is sent: header, checksum, records. Nothing can be appended afterwards. Bytes at once without
   * compression, and a promise of them with it. May be called again, with another identity, only if the batch is known
   * not to be in the log; this changes the bytes given before.
   */
  freeze(identity: BatchIdentity, compression: Compression): Uint8Array | Promise<Uint8Array> {
    if (this.#count === 0) throw new Error("Cannot freeze a batch without records");
    const plain = this.#bytesTo("freeze");
    this.#state = "frozen";
    return compression === "none" ? this.#seal(plain, identity, "none") : this.#compress(plain, identity, compression);
  }

  /**
   * The same records in two batches, in their order: those that `isFirst` names by their index, and the others. By
   * default about half of the bytes in each, at least one record: for a batch that the broker finds too large.
   *
   * @throws {RangeError} if there are less than two records.
   */
  split(isFirst?: (index: number) => boolean): [RecordBatch, RecordBatch] {
    if (this.#count < 2) throw new RangeError(`Cannot split a batch of ${this.#count} records, expected at least 2`);
    const records = this.#bytesTo("split").subarray(HEADER_BYTES);
    const [first, second] = [new RecordBatch(this.#pool), new RecordBatch(this.#pool)];
    const half = HEADER_BYTES + records.length / 2;
    isFirst ??= (index) => index < this.#count - 1 && first.sizeInBytes < half;
    for (const record of readRecords(this.#context(), records)) {
      const target = isFirst(record.offset) ? first : second;
      target.append(record, record.timestamp);
    }
    return [first, second];
  }

  /**
   * Gives the buffer to the next batch. To be called when nobody holds the bytes of `freeze` any more: they are about
   * to change.
   */
  release(): void {
    this.#state = "released";
    this.#writer.release();
  }

  #noteTimestamp(index: number, timestamp: number): void {
    this.#maxTimestamp = Math.max(this.#maxTimestamp, timestamp);
    if (timestamp === this.#runTimes[this.#runTimes.length - 1]) return;
    this.#runStarts.push(index);
    this.#runTimes.push(timestamp);
  }

  #context(): BatchContext {
    return {
      baseOffset: 0,
      recordCount: this.#count,
      timestampType: "CreateTime",
      baseTimestamp: this.#runTimes[0],
      maxTimestamp: this.#maxTimestamp,
    };
  }

  #bytesTo(action: string): Buffer {
    if (this.#state === "released") throw new Error(`Cannot ${action} a batch that is released: its bytes are gone`);
    return this.#writer.bytes.subarray(0, this.#writer.position);
  }

  async #compress(plain: Buffer, identity: BatchIdentity, compression: keyof typeof compressors): Promise<Uint8Array> {
    const records = await compressors[compression](plain.subarray(HEADER_BYTES));
    this.#bytesTo("freeze"); // released meanwhile, the buffer would be another's by now
    // Each batch names its codec: what would only grow is sent as it is.
    if (HEADER_BYTES + records.length >= plain.length) return this.#seal(plain, identity, "none");
    const compressed = Buffer.allocUnsafeSlow(HEADER_BYTES + records.length);
    compressed.set(records, HEADER_BYTES);
    return this.#seal(compressed, identity, compression);
  }

  /** Fills in the header. The base offset and the leader epoch are the broker's to set. */
  #seal(bytes: Buffer, identity: BatchIdentity, compression: Compression): Buffer {
    bytes.writeBigInt64BE(0n, Field.baseOffset);
    bytes.writeInt32BE(bytes.length - LENGTH_PREFIX_BYTES, Field.batchLength);
    bytes.writeInt32BE(-1, Field.partitionLeaderEpoch);
    bytes.writeInt8(MAGIC, Field.magic);
    bytes.writeInt16BE(CODECS.indexOf(compression), Field.attributes);
    bytes.writeInt32BE(this.#count - 1, Field.lastOffsetDelta);
    bytes.writeBigInt64BE(BigInt(this.#runTimes[0]), Field.baseTimestamp);
    bytes.writeBigInt64BE(BigInt(this.#maxTimestamp), Field.maxTimestamp);
    bytes.writeBigInt64BE(identity.producerId, Field.producerId);
    bytes.writeInt16BE(identity.producerEpoch, Field.producerEpoch);
    bytes.writeInt32BE(identity.baseSequence, Field.baseSequence);
    bytes.writeInt32BE(this.#count, Field.recordCount);
    bytes.writeUInt32BE(crc32c(bytes, Field.attributes), Field.crc);
    return bytes;
  }
}

/** The sequence number `n` records after `sequence`: sequence numbers start again at 0 after 2^31 - 1. */
export function nextSequence(sequence: number, n: number): number {
  return (sequence + n) & 0x7fffffff;
}

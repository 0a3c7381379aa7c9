/**
 * Reads record batches as a Fetch response brings them. Nothing is copied: a record is a view of the batch's bytes, its
 * fields are cut out when they are asked for. Bytes that are not what the format says end in an error that names the
 * record.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Attribute, CODECS, Field, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC } from "./batch_layout.ts";
import { crc32c } from "./crc32c.ts";

/** The header of a record batch, and where the batch lies in the bytes it was read from. */
export interface BatchHeader {
  /** Position of the batch's first byte, and of the first byte after it. */
  readonly start: number;
  readonly end: number;
  readonly baseOffset: number;
  /**
   * The offset after the batch's last record, also where compaction has removed that record: where to fetch from next.
   */
  readonly nextOffset: number;
  readonly partitionLeaderEpoch: number;
  /** Whether the checksum is that of the bytes. If not, nothing else here or in the records can be trusted. */
  readonly crcValid: boolean;
  /** One of `CODECS`, or a number that no known codec has. */
  readonly compression: string;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  readonly transactional: boolean;
  /** A control batch holds markers of transactions, not records for the application. */
  readonly control: boolean;
  /** Milliseconds since the epoch. */
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** -1 without idempotence, like the epoch and the sequence. */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** 0 where compaction removed every record and the batch remains for its sequence. */
  readonly recordCount: number;
}

/**
 * Reads the batch header at `start`. Returns `undefined` if the bytes end before the batch does: a broker cuts a Fetch
 * response off at the size asked for, so the last batch is often incomplete.
 *
 * @throws {Error} if the bytes are not a batch of format 2.
 */
export function readBatchHeader(bytes: Buffer, start: number): BatchHeader | undefined {
  if (start + Field.crc > bytes.length) return undefined;
  const refuse = (problem: string) => new Error(`Cannot read the record batch at byte ${start}: ${problem}`);
  const magic = bytes[start + Field.magic];
  if (magic !== MAGIC) throw refuse(`its format is ${magic}, expected ${MAGIC}`);
  const length = bytes.readInt32BE(start + Field.batchLength);
  if (length < HEADER_BYTES - LENGTH_PREFIX_BYTES) {
    throw refuse(`its length is ${length}, which is less than its header`);
  }
  const end = start + LENGTH_PREFIX_BYTES + length;
  if (end > bytes.length) return undefined;

  const baseOffset = Number(bytes.readBigInt64BE(start + Field.baseOffset));
  const lastOffsetDelta = bytes.readInt32BE(start + Field.lastOffsetDelta);
  const recordCount = bytes.readInt32BE(start + Field.recordCount);
  if (recordCount < 0) throw refuse(`it holds ${recordCount} records`);
  const attributes = bytes.readInt16BE(start + Field.attributes);
  const codec = attributes & Attribute.codec;
  return {
    start,
    end,
    baseOffset,
    nextOffset: baseOffset + lastOffsetDelta + 1,
    partitionLeaderEpoch: bytes.readInt32BE(start + Field.partitionLeaderEpoch),
    crcValid: bytes.readUInt32BE(start + Field.crc) === crc32c(bytes, start + Field.attributes, end),
    compression: CODECS[codec] ?? String(codec),
    timestampType: attributes & Attribute.logAppendTime ? "LogAppendTime" : "CreateTime",
    transactional: (attributes & Attribute.transactional) !== 0,
    control: (attributes & Attribute.control) !== 0,
    baseTimestamp: Number(bytes.readBigInt64BE(start + Field.baseTimestamp)),
    maxTimestamp: Number(bytes.readBigInt64BE(start + Field.maxTimestamp)),
    producerId: bytes.readBigInt64BE(start + Field.producerId),
    producerEpoch: bytes.readInt16BE(start + Field.producerEpoch),
    baseSequence: bytes.readInt32BE(start + Field.baseSequence),
    recordCount,
  };
}

/** What it takes of a header to read the records. */
export type BatchContext = Pick<
  BatchHeader,
  "baseOffset" | "recordCount" | "timestampType" | "baseTimestamp" | "maxTimestamp"
>;

/**
 * The records of a batch in order. `records` are the bytes after the header, as `recordBytes` returns them.
 *
 * @throws {Error} as {@linkcode walkRecords} does
 */
export function readRecords(header: BatchContext, records: Buffer): RecordView[] {
  const views: RecordView[] = [];
  walkRecords(header, records, (cursor) => views.push(new RecordView(cursor, header)));
  return views;
}

/**
 * Calls `visit` with the cursor before each record of a batch, in order: it has to make a `RecordView` there, which
 * moves the cursor behind the record.
 *
 * @throws {Error} at the first record that does not fit into its declared size or into the batch, and at the end if
 * bytes are left over.
 */
export function walkRecords(header: BatchContext, records: Buffer, visit: (cursor: Cursor) => void): void {
  const cursor = new Cursor(records);
  let index = 0;
  try {
    for (; index < header.recordCount; index++) visit(cursor);
  } catch (cause) {
    const which = `record ${index + 1} of ${header.recordCount} in the batch at offset ${header.baseOffset}`;
    throw new Error(`Cannot read ${which}: ${(cause as Error).message}`, { cause });
  }
  const rest = records.length - cursor.position;
  if (rest > 0) {
    throw new Error(`Cannot read the batch at offset ${header.baseOffset}: ${rest} bytes follow its last record`);
  }
}

/** A name with a value, or with null. Names may repeat, and their order has meaning. */
export type RecordHeader = readonly [name: string, value: Buffer | null];

/**
 * One record. `key`, `value` and `headers` are cut from the batch each time they are read, and share its memory:
 * whoever keeps them beyond the batch keeps all of it.
 */
export class RecordView {
  readonly offset: number;
  readonly #batch: BatchContext;
  readonly #bytes: Buffer;
  readonly #timestampDelta: number;
  readonly #keyStart: number;
  readonly #keyLength: number;
  readonly #valueStart: number;
  readonly #valueLength: number;
  readonly #headersStart: number;
  readonly #end: number;

  /** Reads the record at the cursor and moves the cursor behind it. */
  constructor(cursor: Cursor, batch: BatchContext) {
    cursor.enterRecord();
    cursor.skip(1); // the record's own attributes, which have no meaning yet
    this.#timestampDelta = cursor.varlong();
    this.offset = batch.baseOffset + cursor.varint();
    this.#batch = batch;
    this.#bytes = cursor.bytes;
    this.#keyLength = cursor.varint();
    this.#keyStart = cursor.skip(this.#keyLength);
    this.#valueLength = cursor.varint();
    this.#valueStart = cursor.skip(this.#valueLength);
    this.#headersStart = cursor.position;
    this.#end = cursor.leaveRecord();
  }

  /** Milliseconds since the epoch; exact up to 2^53. */
  get timestamp(): number {
    const { timestampType, baseTimestamp, maxTimestamp } = this.#batch;
    return timestampType === "CreateTime" ? baseTimestamp + this.#timestampDelta : maxTimestamp;
  }

  get key(): Buffer | null {
    return this.#keyLength < 0 ? null : this.#bytes.subarray(this.#keyStart, this.#keyStart + this.#keyLength);
  }

  /** Null is a tombstone. */
  get value(): Buffer | null {
    return this.#valueLength < 0 ? null : this.#bytes.subarray(this.#valueStart, this.#valueStart + this.#valueLength);
  }

  /** The value as text; bytes that are not UTF-8 become U+FFFD. Null for a tombstone. */
  text(): string | null {
    if (this.#valueLength < 0) return null;
    return this.#bytes.toString("utf8", this.#valueStart, this.#valueStart + this.#valueLength);
  }

  /** @throws {Error} if the headers do not fit into the record; they are read only here. */
  get headers(): RecordHeader[] {
    const cursor = new Cursor(this.#bytes, this.#headersStart, this.#end);
    try {
      return readHeaders(cursor);
    } catch (cause) {
      throw new Error(`Cannot read the headers of the record at offset ${this.offset}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
}

function readHeaders(cursor: Cursor): RecordHeader[] {
  const count = cursor.varint();
  if (count < 0) throw new Error(`their number is ${count}`);
  const headers: RecordHeader[] = [];
  while (headers.length < count) {
    const nameLength = cursor.varint();
    if (nameLength < 0) throw new Error(`the name of header ${headers.length + 1} has the length ${nameLength}`);
    const nameStart = cursor.skip(nameLength);
    const name = cursor.bytes.toString("utf8", nameStart, nameStart + nameLength);
    const valueLength = cursor.varint();
    const valueStart = cursor.skip(valueLength);
    headers.push([name, valueLength < 0 ? null : cursor.bytes.subarray(valueStart, valueStart + valueLength)]);
  }
  if (cursor.position !== cursor.limit) {
    throw new Error(`${cursor.limit - cursor.position} bytes follow the last of them`);
  }
  return headers;
}

/** A place in the bytes that moves forward, never beyond the limit. Throws where the bytes do not fit the format. */
export class Cursor {
  readonly bytes: Buffer;
  position: number;
  limit: number;

  constructor(bytes: Buffer, position = 0, limit = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.limit = limit;
  }

  enterRecord(): void {
    this.limit = this.bytes.length;
    const length = this.varint();
    if (length < 0) throw new Error(`its length is ${length}`);
    if (this.position + length > this.limit) throw new Error(`its ${length} bytes go beyond the end of the batch`);
    this.limit = this.position + length;
  }

  /** Moves to the record's end, over the headers, and returns where that is. */
  leaveRecord(): number {
    if (this.position >= this.limit) throw new Error("it ends before its headers");
    return this.position = this.limit;
  }

  /** Moves over `length` bytes, -1 standing for none, and returns where they start. */
  skip(length: number): number {
    const start = this.position;
    if (length < -1) throw new Error(`a field has the length ${length}`);
    if (length > 0) this.position += length;
    if (this.position > this.limit) throw new Error(`a field of ${length} bytes goes beyond the record's end`);
    return start;
  }

  /** A zigzag integer of 32 bits. */
  varint(): number {
    const byte = this.#byte();
    return byte < 0x80 ? byte >>> 1 ^ -(byte & 1) : this.#longVarint(byte);
  }

  #longVarint(first: number): number {
    let zigzag = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.#byte();
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return zigzag >>> 1 ^ -(zigzag & 1);
    }
    throw new Error("an integer has more than 5 bytes");
  }

  /**
   * A zigzag integer of 64 bits, exact up to 2^53. The lowest bit is the sign, and is kept apart, so that shifts are
   * not limited to 32 bits.
   */
  varlong(): number {
    let byte = this.#byte();
    const negative = byte & 1;
    let magnitude = byte >>> 1 & 0x3f;
    for (let unit = 64; byte >= 0x80; unit *= 128) {
      if (unit > 2 ** 62) throw new Error("an integer has more than 10 bytes");
      byte = this.#byte();
      magnitude += (byte & 0x7f) * unit;
    }
    return negative ? -magnitude - 1 : magnitude;
  }

  #byte(): number {
    if (this.position >= this.limit) throw new Error("its bytes end in the middle of an integer");
    return this.bytes[this.position++];
  }
}

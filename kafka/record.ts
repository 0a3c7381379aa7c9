/**
 * One record as a producer gives it, and its encoding in a batch: sizes first, which checks every field, then the
 * bytes.
 * Source: https://kafka.apache.org/documentation/#record
 *
 * @module
 */
import { byteLength, type ByteWriter, varintSize, varlongSize } from "./byte_writer.ts";

type Data = string | Uint8Array;

/** What a producer may send: one record. Strings are sent as UTF-8. */
export interface ProducerRecord {
  /** Default: null, a record without a key. */
  key?: Data | null;
  /** Null is a tombstone: it deletes the key where the topic is compacted. */
  value: Data | null;
  /** In order, names may repeat. */
  headers?: ReadonlyArray<readonly [name: string, value: Data | null]>;
  /** Milliseconds since the epoch. Default: the time of arrival. */
  timestamp?: number;
  /** Default: chosen by the key, or by the producer where there is none. */
  partition?: number;
}

/** The most that a record's attributes, timestamp delta (54 bits with its sign) and offset delta take. */
const MAX_FIXED_BYTES = 1 + 8 + 5;

/** One for all records without any: an array for each would be a third of what encoding leaves to the collector. */
export const NO_HEADERS: NonNullable<ProducerRecord["headers"]> = [];

/**
 * Encodes `record` at the writer's position. Its encoding depends on its distance from the first record of its batch,
 * too.
 *
 * @throws {TypeError} if a field has a type that no record can have. Nothing is written then.
 */
export function writeRecord(
  writer: ByteWriter,
  record: ProducerRecord,
  offsetDelta: number,
  timestampDelta: number,
): void {
  const { key = null, value, headers = NO_HEADERS } = record;
  const keyLength = lengthOf(key) ?? refuse("key", key);
  const valueLength = lengthOf(value) ?? refuse("value", value);
  const size = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + fieldSize(keyLength) +
    fieldSize(valueLength) +
    headersSize(headers);
  writer.reserve(varintSize(size) + size);

  // Nothing throws from here on: a record is written as a whole or not at all.
  writer.varint(size);
  writer.byte(0); // attributes, unused
  writer.varlong(timestampDelta);
  writer.varint(offsetDelta);
  writeField(writer, key, keyLength);
  writeField(writer, value, valueLength);
  writeHeaders(writer, headers);
}

/**
 * The most bytes that `record` can take in a batch: a few more than it will, as that depends on the records before it.
 *
 * @throws {TypeError} as `append` does.
 */
export function estimateSize(record: ProducerRecord): number {
  const { key = null, value, headers = NO_HEADERS } = record;
  timestampFor(record, 0);
  const keyLength = lengthOf(key) ?? refuse("key", key);
  const valueLength = lengthOf(value) ?? refuse("value", value);
  const size = MAX_FIXED_BYTES + fieldSize(keyLength) + fieldSize(valueLength) + headersSize(headers);
  return varintSize(size) + size;
}

/**
 * The record's timestamp, or `now` if it has none.
 *
 * @throws {TypeError} if it is not one.
 */
export function timestampFor(record: ProducerRecord, now: number): number {
  const { timestamp = now } = record;
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return timestamp;
  throw unacceptable("timestamp", timestamp, "a whole number of milliseconds since the epoch");
}

/** Bytes of a key or value, -1 for null as on the wire, nothing if it is neither. */
function lengthOf(data: Data | null): number | undefined {
  if (data === null) return -1;
  if (typeof data === "string" || data instanceof Uint8Array) return byteLength(data);
}

function fieldSize(length: number): number {
  return varintSize(length) + Math.max(length, 0);
}

function headersSize(headers: NonNullable<ProducerRecord["headers"]>): number {
  if (!Array.isArray(headers)) throw unacceptable("headers", headers, "an array of [name, value]");
  let size = varintSize(headers.length);
  for (const header of headers) {
    if (!Array.isArray(header)) throw unacceptable("a header", header, "[name, value]");
    const [name, value] = header;
    if (typeof name !== "string") throw unacceptable("a header's name", name, "string");
    size += fieldSize(byteLength(name)) + fieldSize(lengthOf(value) ?? refuse(`header ${JSON.stringify(name)}`, value));
  }
  return size;
}

function writeHeaders(writer: ByteWriter, headers: NonNullable<ProducerRecord["headers"]>): void {
  writer.varint(headers.length);
  for (const [name, value] of headers) {
    writeField(writer, name, byteLength(name));
    writeField(writer, value, value === null ? -1 : byteLength(value));
  }
}

function writeField(writer: ByteWriter, data: Data | null, length: number): void {
  writer.varint(length);
  if (data !== null) writer.data(data, length);
}

function refuse(field: string, value: unknown): never {
  throw unacceptable(field, value, "string, Uint8Array or null");
}

function unacceptable(field: string, value: unknown, expected: string): TypeError {
  const shown = typeof value === "object"
    ? Object.prototype.toString.call(value)
    : `${String(value)} (${typeof value})`;
  return new TypeError(`Cannot encode record: ${field} is ${shown}, expected ${expected}`);
}

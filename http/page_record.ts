/**
 * Records as the page is told them: the beginning of key and value, since a page can show no megabytes.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import type { RecordView } from "../kafka/record_reader.ts";

/** The beginning of a key or value. */
export interface ShownBytes {
  /** UTF-8 or, where the bytes are something else, their hexadecimal digits. */
  text: string;
  /** How many there are. */
  bytes: number;
  binary?: true;
  /** There is more than is shown. */
  cut?: true;
}

/** A record. Key and value are null where they are in Kafka. */
export interface ShownRecord {
  partition: number;
  offset: number;
  timestamp: number;
  key: ShownBytes | null;
  value: ShownBytes | null;
}

const utf8 = new TextDecoder();
/** How many bytes are shown of what is no text. */
const HEX_BYTES = 32;

/** A record, with no more than so many bytes of its key and of its value. */
export function showRecord(
  { offset, timestamp, key, value }: RecordView,
  partition: number,
  limit: number,
): ShownRecord {
  return { partition, offset, timestamp, key: show(key, limit), value: show(value, limit) };
}

function show(bytes: RecordView["value"], limit: number): ShownBytes | null {
  if (bytes === null) return null;
  let end = Math.min(bytes.length, limit);
  // Not in the middle of a character: its later bytes are 10xxxxxx.
  while (end > 0 && end < bytes.length && (bytes[end] & 0xc0) === 0x80) end--;
  const part = bytes.subarray(0, end);
  const shown = isUtf8(part)
    ? { text: utf8.decode(part), bytes: bytes.length }
    : { text: part.subarray(0, HEX_BYTES).toString("hex"), bytes: bytes.length, binary: true as const };
  const left = shown.binary ? bytes.length > HEX_BYTES : end < bytes.length;
  return left ? { ...shown, cut: true } : shown;
}

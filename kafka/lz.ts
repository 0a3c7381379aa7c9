/**
 * Decoders for LZ4 and Snappy, which Deno does not have and which many producers use. Both formats are a sequence of
 * literal bytes and of references back to bytes that are already there; they differ in how they write that down.
 * Encoders are not needed: our own batches use gzip or zstd.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The bytes decoded so far, never more than the limit. */
class Output {
  readonly #limit: number;
  #bytes: Buffer;
  #length = 0;

  constructor(expected: number, limit: number) {
    this.#limit = limit;
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(expected, limit));
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Appends bytes of the input. */
  literals(source: Buffer, start: number, length: number): void {
    if (start + length > source.length) throw new Error("the input ends too early");
    this.#reserve(length);
    this.#bytes.set(source.subarray(start, start + length), this.#length);
    this.#length += length;
  }

  /**
   * Repeats `length` bytes from `distance` before the end. They may overlap what is being written: then they repeat as
   * a pattern.
   */
  repeat(distance: number, length: number): void {
    if (distance === 0 || distance > this.#length) {
      throw new Error(`a reference goes ${distance} bytes back, of ${this.#length}`);
    }
    this.#reserve(length);
    const bytes = this.#bytes;
    let to = this.#length;
    this.#length += length;
    if (distance >= length) bytes.copyWithin(to, to - distance, to - distance + length);
    else for (; to < this.#length; to++) bytes[to] = bytes[to - distance];
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed > this.#limit) throw new Error(`there are more than the ${this.#limit} bytes allowed`);
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, 2 * this.#bytes.length), this.#limit));
    larger.set(this.bytes);
    this.#bytes = larger;
  }
}

/**
 * Decodes an LZ4 frame. Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md. Its own checksums are
 * skipped: the batch has one.
 */
export function decodeLz4(source: Buffer, limit: number): Buffer {
  if (source.length < 7 || source.readUInt32LE(0) !== 0x184d2204) throw new Error("the input is not an LZ4 frame");
  const flags = source[4];
  const [hasBlockChecksums, hasSize, hasDictionary] = [flags & 0x10, flags & 0x08, flags & 0x01];
  if (hasDictionary) throw new Error("the LZ4 frame needs a dictionary");
  const output = new Output(4 * source.length, limit);
  let at = 7 + (hasSize ? 8 : 0);
  while (true) {
    if (at + 4 > source.length) throw new Error("the input ends too early");
    const size = source.readUInt32LE(at);
    at += 4;
    if (size === 0) return output.bytes;
    const length = size & 0x7fffffff;
    if (at + length > source.length) throw new Error("the input ends too early");
    if (size > length) output.literals(source, at, length); // the highest bit: a block that is not compressed
    else decodeLz4Block(source.subarray(at, at + length), output);
    at += length + (hasBlockChecksums ? 4 : 0);
  }
}

/** Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md */
function decodeLz4Block(source: Buffer, output: Output): void {
  let at = 0;
  /** A length of 15 goes on in the next bytes, as long as they are 255. */
  const extended = (length: number) => {
    if (length < 15) return length;
    let byte;
    do length += byte = byteAt(source, at++); while (byte === 255);
    return length;
  };
  while (at < source.length) {
    const token = source[at++];
    const literals = extended(token >>> 4);
    output.literals(source, at, literals);
    at += literals;
    if (at === source.length) return; // the last sequence has no reference
    const distance = byteAt(source, at++) | byteAt(source, at++) << 8;
    output.repeat(distance, extended(token & 15) + 4);
  }
}

/** The framing of Java's Snappy library: this, two versions of four bytes, then blocks, each behind its length. */
const XERIAL_MAGIC = Buffer.from("\x82SNAPPY\0", "latin1");

/** Decodes Snappy as it occurs in Kafka: in the framing of Java clients, or bare as from librdkafka. */
export function decodeSnappy(source: Buffer, limit: number): Buffer {
  const output = new Output(4 * source.length, limit);
  if (!source.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    decodeSnappyBlock(source, output);
    return output.bytes;
  }
  for (let at = XERIAL_MAGIC.length + 8; at < source.length;) {
    const length = at + 4 <= source.length ? source.readInt32BE(at) : Infinity;
    at += 4;
    if (length < 0 || at + length > source.length) throw new Error("the input ends too early");
    decodeSnappyBlock(source.subarray(at, at + length), output);
    at += length;
  }
  return output.bytes;
}

/** Source: https://github.com/google/snappy/blob/main/format_description.txt */
function decodeSnappyBlock(source: Buffer, output: Output): void {
  let at = 0;
  const little = (bytes: number) => {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += byteAt(source, at++) * 2 ** (8 * i);
    return value;
  };
  while (byteAt(source, at++) >= 0x80); // the length of the whole: the output grows as it must
  while (at < source.length) {
    const tag = source[at++];
    const upper = tag >>> 2;
    switch (tag & 3) {
      case 0: {
        const length = (upper < 60 ? upper : little(upper - 59)) + 1;
        output.literals(source, at, length);
        at += length;
        break;
      }
      case 1:
        output.repeat((tag >>> 5) << 8 | little(1), (upper & 7) + 4);
        break;
      case 2:
        output.repeat(little(2), upper + 1);
        break;
      case 3:
        output.repeat(little(4), upper + 1);
    }
  }
}

function byteAt(source: Buffer, at: number): number {
  if (at >= source.length) throw new Error("the input ends too early");
  return source[at];
}

/**
 * Writes the pieces that Kafka's records are made of, one after another, into one growing buffer.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { BufferPool } from "./buffer_pool.ts";

/** The largest length that Kafka's 32-bit fields can say. */
const MAX_BYTES = 2 ** 31 - 1;
const NO_BYTES = Buffer.alloc(0);

const encoder = new TextEncoder();

/**
 * Up to this length a loop beats a call into the runtime, which takes about 80 ns however short the string (Deno 2.9).
 */
const SHORT_TEXT = 48;

/**
 * The bytes that `data` takes: a string's as UTF-8, where a surrogate without its partner counts as the U+FFFD it
 * becomes.
 */
export function byteLength(data: string | Uint8Array): number {
  return typeof data === "string" ? Buffer.byteLength(data) : data.length;
}

/** The bytes of a zigzag integer of 32 bits: 0 to 63 and -1 to -64 take one, and so on. */
export function varintSize(value: number): number {
  const zigzag = value << 1 ^ value >> 31;
  // Seven bits a byte; `| 1` as zero takes a byte, too.
  return Math.ceil((32 - Math.clz32(zigzag | 1)) / 7);
}

/** The bytes of a zigzag integer of 64 bits, for values up to 2^53 either way. */
export function varlongSize(value: number): number {
  if (value === value >> 0) return varintSize(value);
  let size = 1;
  for (let rest = Math.floor(magnitude(value) / 64); rest > 0; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Zigzag without its lowest bit, which is the sign. With it, 2^53 would no longer be exact. */
function magnitude(value: number): number {
  return value < 0 ? -(value + 1) : value;
}

/**
 * Writes forward from a position, into a buffer that it takes from a pool and exchanges for one twice as large when it
 * is full.
 */
export class ByteWriter {
  readonly #pool: BufferPool;
  bytes: Buffer = NO_BYTES;
  position: number;

  constructor(pool: BufferPool, position = 0) {
    this.#pool = pool;
    this.position = position;
  }

  /** Makes room for `size` bytes more. The other methods don't look. */
  reserve(size: number): void {
    const needed = this.position + size;
    if (needed <= this.bytes.length) return;
    if (needed > MAX_BYTES) {
      throw new RangeError(`Cannot write ${size} bytes: there would be ${needed}, expected at most ${MAX_BYTES}`);
    }
    const larger = this.#pool.take(needed);
    larger.set(this.bytes.subarray(0, this.position));
    this.release();
    this.bytes = larger;
  }

  /** Gives the buffer back. */
  release(): void {
    if (this.bytes !== NO_BYTES) this.#pool.give(this.bytes);
    this.bytes = NO_BYTES;
  }

  byte(value: number): void {
    this.bytes[this.position++] = value;
  }

  /**
   * A zigzag integer of 32 bits, as small as it goes: seven bits a byte, the lowest first, the eighth says that another
   * follows.
   */
  varint(value: number): void {
    const { bytes } = this;
    let at = this.position;
    let rest = value << 1 ^ value >> 31;
    for (; rest & ~0x7f; rest >>>= 7) bytes[at++] = rest & 0x7f | 0x80;
    bytes[at++] = rest;
    this.position = at;
  }

  /** The same with 64 bits, exact for values up to 2^53 either way. */
  varlong(value: number): void {
    if (value === value >> 0) return this.varint(value);
    let rest = magnitude(value);
    let byte = rest % 64 * 2 + (value < 0 ? 1 : 0);
    for (rest = Math.floor(rest / 64); rest > 0; rest = Math.floor(rest / 128)) {
      this.byte(byte | 0x80);
      byte = rest % 128;
    }
    this.byte(byte);
  }

  /** The bytes of `data`, of which there are `length`: what `byteLength` said. */
  data(data: string | Uint8Array, length: number): void {
    const { bytes, position } = this;
    this.position += length;
    if (typeof data !== "string") {
      bytes.set(data, position);
    } else if (length === data.length && length <= SHORT_TEXT) {
      // As many bytes as characters: it is ASCII.
      for (let i = 0; i < length; i++) bytes[position + i] = data.charCodeAt(i);
    } else {
      encoder.encodeInto(data, bytes.subarray(position, position + length));
    }
  }
}

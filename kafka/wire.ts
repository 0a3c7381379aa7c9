/**
 * The fields of Kafka's requests and responses, in the encodings before "flexible versions" (KIP-482).
 * Source: https://kafka.apache.org/protocol#protocol_types
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Writes a request's fields one after another. */
export class RequestWriter {
  readonly #parts: Buffer[] = [];

  int8(value: number): this {
    return this.#add(1, (part) => part.writeInt8(value));
  }

  int16(value: number): this {
    return this.#add(2, (part) => part.writeInt16BE(value));
  }

  int32(value: number): this {
    return this.#add(4, (part) => part.writeInt32BE(value));
  }

  int64(value: number): this {
    return this.#add(8, (part) => part.writeBigInt64BE(BigInt(value)));
  }

  /** A text, or null. */
  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = Buffer.from(value);
    this.int16(bytes.length).#parts.push(bytes);
    return this;
  }

  bytes(value: Buffer): this {
    this.int32(value.length).#parts.push(value);
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    items.forEach(write);
    return this;
  }

  /** All that was written. */
  done(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #add(size: number, write: (part: Buffer) => void): this {
    const part = Buffer.allocUnsafe(size);
    write(part);
    this.#parts.push(part);
    return this;
  }
}

/** Reads a response's fields one after another. @throws {RangeError} where the bytes end too early */
export class ResponseReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#move(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#move(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#move(4));
  }

  /** Exact up to 2^53, more than offsets and times need. */
  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#move(8)));
  }

  bigint64(): bigint {
    return this.#bytes.readBigInt64BE(this.#move(8));
  }

  /** A text; null reads as empty. */
  string(): string {
    const length = this.int16();
    if (length <= 0) return "";
    const start = this.#move(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  /** A view of the bytes; null reads as none. */
  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    const start = this.#move(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Null reads as none. */
  array<T>(read: () => T): T[] {
    const length = Math.max(0, this.int32());
    // An item takes at least a byte: a length beyond that is damage, and must not fill the memory.
    if (length > this.#bytes.length - this.#at) throw new RangeError(`an array of ${length} does not fit`);
    return Array.from({ length }, read);
  }

  #move(bytes: number): number {
    const start = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      throw new RangeError(`the response ends at byte ${this.#bytes.length}, in the middle of a field`);
    }
    return start;
  }
}

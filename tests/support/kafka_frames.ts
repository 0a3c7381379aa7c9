/**
 * The parts of Kafka's wire format that the fault proxy has to understand:
 * frames, request headers, who waits for an answer, and where a response keeps
 * its error codes and its throttle time. From the protocol guide
 * (https://kafka.apache.org/protocol), for the versions kafkajs 2.2.4 speaks.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const API_NAMES = {
  0: "Produce",
  1: "Fetch",
  2: "ListOffsets",
  3: "Metadata",
  8: "OffsetCommit",
  9: "OffsetFetch",
  10: "FindCoordinator",
  11: "JoinGroup",
  12: "Heartbeat",
  13: "LeaveGroup",
  14: "SyncGroup",
  15: "DescribeGroups",
  16: "ListGroups",
  17: "SaslHandshake",
  18: "ApiVersions",
  19: "CreateTopics",
  20: "DeleteTopics",
  21: "DeleteRecords",
  22: "InitProducerId",
  32: "DescribeConfigs",
  36: "SaslAuthenticate",
  37: "CreatePartitions",
  42: "DeleteGroups",
  60: "DescribeCluster",
} as const;

/** A request type by its name in the protocol guide. */
export type ApiName = (typeof API_NAMES)[keyof typeof API_NAMES];

/** One request as a client sent it. */
export interface Request {
  /** The name of its type; `Api<key>` for those not listed here. */
  api: ApiName | `Api${number}`;
  version: number;
  correlationId: number;
  clientId: string | null;
  /** All its bytes, with the four of the length in front. */
  frame: Buffer;
  /** Where the body starts in `frame` (after the header of version 1). */
  body: number;
  /** False for a Produce with acks=0, which the broker does not answer. */
  answered: boolean;
}

/** Cuts a byte stream into frames: four bytes of length, then as many bytes. */
export class FrameSplitter {
  #chunks: Buffer[] = [];
  #size = 0;
  #needed = 4;

  /** Takes what came in; returns the frames that are complete by now. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const frames: Buffer[] = [];
    while (this.#size >= this.#needed) {
      const all = this.rest();
      this.#needed = 4 + all.readUInt32BE(0);
      if (this.#needed > 2 ** 28) {
        throw new Error(
          `read a frame length of ${this.#needed - 4}, expected Kafka's protocol with at most 256 MiB`,
        );
      }
      if (this.#size < this.#needed) break;
      frames.push(all.subarray(0, this.#needed));
      this.#chunks = [all.subarray(this.#needed)];
      this.#size -= this.#needed;
      this.#needed = 4;
    }
    return frames;
  }

  /** The bytes of the frame that is not complete yet. */
  rest(): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

/** Reads the header of a request (version 1; the start of version 2). */
export function parseRequest(frame: Buffer): Request {
  const key = frame.readInt16BE(4);
  const version = frame.readInt16BE(6);
  const idLength = frame.readInt16BE(12);
  const body = 14 + Math.max(idLength, 0);
  const api = API_NAMES[key as keyof typeof API_NAMES] ??
    (`Api${key}` as const);
  return {
    api,
    version,
    correlationId: frame.readInt32BE(8),
    clientId: idLength < 0 ? null : frame.toString("utf8", 14, body),
    frame,
    body,
    answered: api !== "Produce" || produceAcks(frame, version, body) !== 0,
  };
}

function produceAcks(frame: Buffer, version: number, body: number): number {
  if (version < 3) return frame.readInt16BE(body);
  if (version < 9) return new Cursor(frame, body).skipString().int16();
  // From version 9 on: no tags in the header (one zero byte), then the
  // transactional id with its length plus one in front, as one byte.
  return frame.readInt16BE(body + 2 + Math.max(frame[body + 1] - 1, 0));
}

/** Reads a buffer from a place on. */
export class Cursor {
  constructor(readonly buffer: Buffer, public at: number) {}

  int8(): number {
    return this.buffer.readInt8((this.at += 1) - 1);
  }

  int16(): number {
    return this.buffer.readInt16BE((this.at += 2) - 2);
  }

  int32(): number {
    return this.buffer.readInt32BE((this.at += 4) - 4);
  }

  string(): string {
    const start = this.at;
    this.skipString();
    return this.buffer.toString("utf8", start + 2, this.at);
  }

  skipString(): this {
    const length = this.int16();
    return this.skip(Math.max(length, 0));
  }

  /** Bytes or records, with four bytes of length; null as empty. */
  bytes(): Buffer {
    const length = Math.max(this.int32(), 0);
    return this.buffer.subarray(this.at, this.skip(length).at);
  }

  skip(count: number): this {
    this.at += count;
    return this;
  }
}

/** A partition that a request names. */
export interface Part {
  topic: string;
  partition: number;
}

/** Walks `[topic [partition ...]]`; `read` must consume the rest of a part. */
export function readParts<T>(cursor: Cursor, read: (part: Part) => T): T[] {
  const parts: T[] = [];
  for (let topics = cursor.int32(); topics > 0; topics--) {
    const topic = cursor.string();
    for (let count = cursor.int32(); count > 0; count--) {
      parts.push(read({ topic, partition: cursor.int32() }));
    }
  }
  return parts;
}

/** The reverse of {@linkcode readParts}. */
export function writeParts<T extends Part>(
  parts: T[],
  write: (part: T) => Uint8Array[],
): Buffer {
  const topics = Object.entries(Object.groupBy(parts, (part) => part.topic));
  const bytes: Uint8Array[] = [int32(topics.length)];
  for (const [topic, parts] of topics) {
    bytes.push(string(topic), int32(parts!.length));
    for (const part of parts!) {
      bytes.push(int32(part.partition), ...write(part));
    }
  }
  return Buffer.concat(bytes);
}

/** Puts the length in front of the parts of a frame. */
export function frameOf(...parts: Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([int32(length), ...parts]);
}

/** A response with the given body to a request (header of version 0). */
export function responseFrame(request: Request, body: Uint8Array): Buffer {
  return frameOf(int32(request.correlationId), body);
}

export function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
}

export function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

export function string(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
}

/** Refuses a version whose layout is not known here, instead of guessing. */
export function needVersion(
  { api, version }: Request,
  lowest: number,
  highest: number,
): void {
  if (version < lowest || version > highest) {
    throw new Error(
      `cannot read ${api} version ${version}: the proxy knows versions ${lowest} to ${highest}`,
    );
  }
}

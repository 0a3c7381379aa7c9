/**
 * The Produce request, version 8, as bytes, and its response as one outcome per partition.
 *
 * kafkajs can do both, but its parser throws on the first partition that failed and so hides what became of the
 * others. Layouts: https://kafka.apache.org/protocol#The_Messages_Produce
 *
 * @module
 */
import { Buffer } from "node:buffer";

/**
 * Produce's number among the requests, and the version we speak: the first that tells which records of a batch the
 * broker will not have (KIP-467), and the last without tagged fields' bookkeeping.
 */
export const PRODUCE = { apiKey: 0, apiVersion: 8, apiName: "Produce" } as const;

/** One frozen batch on its way. */
export interface PartitionBatch {
  topic: string;
  partition: number;
  bytes: Uint8Array;
}

/** What a broker says of one partition of a request. */
export interface PartitionResult {
  topic: string;
  partition: number;
  /** 0, or an error of https://kafka.apache.org/protocol#protocol_error_codes */
  code: number;
  /** Of the batch's first record; -1 with an error. */
  baseOffset: number;
  /** When the topic stamps records with the broker's time: that, in ms since 1970; else -1. */
  logAppendTime: number;
  /** With an error that is some records' own: which ones, and why. May be left out. */
  invalid: readonly InvalidRecord[];
}

/** A record that a broker will not have. */
export interface InvalidRecord {
  /** In its batch, from 0. */
  index: number;
  /** What is wrong, in the broker's words, where it says. */
  message: string | null;
}

/** What a request asks for. */
export interface ProduceOptions {
  /** -1: all in-sync replicas; 1: the leader; 0: nobody, and no response comes. */
  acks: number;
  /** How long the broker may wait for its replicas. */
  timeoutMs: number;
  /** Where the bytes go: a buffer of at least that size. Default: a new one. */
  allocate?: (bytes: number) => Buffer;
}

/** The body of a request that carries one batch for each of its partitions. */
export function encodeProduceRequest(
  batches: readonly PartitionBatch[],
  { acks, timeoutMs, allocate = Buffer.allocUnsafe }: ProduceOptions,
): Buffer {
  const topics = Map.groupBy(batches, (batch) => batch.topic);
  let size = 12;
  for (const topic of topics.keys()) size += 6 + Buffer.byteLength(topic);
  for (const { bytes } of batches) size += 8 + bytes.length;
  const body = allocate(size).subarray(0, size);
  let at = body.writeInt16BE(-1, 0); // no transactional id
  at = body.writeInt16BE(acks, at);
  at = body.writeInt32BE(timeoutMs, at);
  at = body.writeInt32BE(topics.size, at);
  for (const [topic, partitions] of topics) {
    at = body.writeInt16BE(Buffer.byteLength(topic), at);
    at += body.write(topic, at);
    at = body.writeInt32BE(partitions.length, at);
    for (const { partition, bytes } of partitions) {
      at = body.writeInt32BE(partition, at);
      at = body.writeInt32BE(bytes.length, at);
      body.set(bytes, at);
      at += bytes.length;
    }
  }
  return body;
}

/** What became of each partition, in the broker's order, and for how many ms it wants no more requests (KIP-219). */
export function decodeProduceResponse(body: Buffer): { results: PartitionResult[]; throttleMs: number } {
  const results: PartitionResult[] = [];
  let at = 4;
  for (let topics = body.readInt32BE(0); topics > 0; topics--) {
    const length = body.readInt16BE(at);
    const topic = body.toString("utf8", at + 2, at + 2 + length);
    let partitions = body.readInt32BE(at + 2 + length);
    at += 6 + length;
    for (; partitions > 0; partitions--) {
      const partition = body.readInt32BE(at);
      const code = body.readInt16BE(at + 4);
      const baseOffset = Number(body.readBigInt64BE(at + 6));
      const logAppendTime = Number(body.readBigInt64BE(at + 14));
      at += 30; // the log's start offset is of no interest
      const invalid: InvalidRecord[] = [];
      let records = body.readInt32BE(at);
      for (at += 4; records > 0; records--) {
        const end = endOfText(body, at + 4);
        const message = end > at + 6 ? body.toString("utf8", at + 6, end) : null;
        invalid.push({ index: body.readInt32BE(at), message });
        at = end;
      }
      at = endOfText(body, at); // of the whole batch: the code says enough
      results.push({ topic, partition, code, baseOffset, logAppendTime, invalid });
    }
  }
  return { results, throttleMs: body.readInt32BE(at) };
}

/** Where a text, which may be null, ends. */
function endOfText(body: Buffer, at: number): number {
  return at + 2 + Math.max(0, body.readInt16BE(at));
}

/** What an error code says about the batch it was given for, and so what the sender does. */
export type Verdict =
  /** Certainly not written, and it may be next time: the same bytes again. */
  | "retry"
  /** Perhaps written: the same bytes again, which an idempotent producer's broker recognizes. */
  | "maybe-written"
  /** The broker and we disagree on the sequence: whether it was written cannot be found out any more. */
  | "identity-lost"
  /** Certainly not written: fewer records may fit. */
  | "too-large"
  /** Certainly not written, because of some of its records: the others may be. */
  | "invalid-records"
  /** Certainly not written, now or later. */
  | "refused";

const VERDICTS: Record<number, Verdict> = {
  [-1]: "maybe-written", // unknown server error: says nothing about the log
  2: "retry", // corrupt: damaged on its way, the broker's CRC check refused it
  3: "retry", // unknown topic or partition: metadata may be on its way to the broker
  5: "retry", // leader not available
  6: "retry", // not leader or follower
  7: "maybe-written", // request timed out: the leader wrote it, replicas did not confirm in time
  9: "retry", // replica not available
  10: "too-large", // message too large
  13: "maybe-written", // network exception
  14: "retry", // coordinator load in progress
  15: "retry", // coordinator not available
  16: "retry", // not coordinator
  18: "too-large", // record list too large: more than a segment holds
  19: "retry", // not enough replicas: refused before the write
  20: "maybe-written", // not enough replicas after append: the leader has it
  32: "invalid-records", // a timestamp that the topic does not allow
  45: "identity-lost", // out of order sequence number
  46: "identity-lost", // duplicate sequence number: written before, at an offset that nobody tells any more
  47: "identity-lost", // invalid producer epoch
  56: "retry", // storage error: this replica's disk failed, another one will lead
  59: "identity-lost", // unknown producer id
  72: "retry", // listener not found
  74: "retry", // fenced leader epoch
  75: "retry", // unknown leader epoch
  87: "invalid-records", // such as one without a key in a compacted topic
  89: "retry", // throttling quota exceeded
};

/** What to do about an error code; codes that are not known here are final. */
export function verdictOf(code: number): Verdict {
  return VERDICTS[code] ?? "refused";
}

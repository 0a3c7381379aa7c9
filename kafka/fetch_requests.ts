/**
 * Fetch and ListOffsets, in the newest versions before "flexible versions".
 * Layouts: https://kafka.apache.org/protocol#The_Messages_Fetch
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { BrokerRequest } from "./cluster.ts";
import { type Position, readTopics, type TopicPartition, writeTopics } from "./group_requests.ts";
import { RequestWriter, ResponseReader } from "./wire.ts";

/** Records of transactions that were not committed are left out, and what is still open is not shown. */
const READ_COMMITTED = 1;

/** How much one Fetch may bring, and how long a broker may wait for it. */
export interface FetchLimits {
  maxWaitMs: number;
  /** A first batch beyond a limit still comes whole (KIP-74). */
  maxBytes: number;
  maxPartitionBytes: number;
}

/** A transaction that was aborted: its producer's records from that offset on do not count, up to its marker. */
export interface AbortedTransaction {
  producerId: bigint;
  firstOffset: number;
}

/** What a Fetch brought of one partition. */
export interface FetchedPartition extends TopicPartition {
  code: number;
  /** The last stable offset: where reading ends for now. */
  end: number;
  /** The oldest offset that there still is. */
  logStart: number;
  aborted: AbortedTransaction[];
  /** Record batches, the last of them perhaps incomplete. */
  records: Buffer;
}

/** Reads from the given positions. Earlier ones come first where there is not room for all. */
export function fetchRecords(
  positions: readonly Position[],
  { maxWaitMs, maxBytes, maxPartitionBytes }: FetchLimits,
): BrokerRequest<{ code: number; partitions: FetchedPartition[] }> {
  const body = new RequestWriter().int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(READ_COMMITTED);
  body.int32(0).int32(-1); // no fetch session
  writeTopics(body, positions, ({ partition, offset }) => {
    body.int32(partition).int32(-1).int64(offset).int64(-1).int32(maxPartitionBytes);
  });
  return {
    apiKey: 1,
    apiVersion: 11,
    apiName: "Fetch",
    body: body.int32(0).string("").done(), // nothing to forget of a session, no rack
    decode: decodeFetch,
  };
}

function decodeFetch(body: Buffer): { code: number; partitions: FetchedPartition[] } {
  const reader = new ResponseReader(body);
  reader.int32();
  const code = reader.int16();
  reader.int32();
  const partitions = readTopics(reader, () => {
    const [partition, code] = [reader.int32(), reader.int16()];
    reader.int64(); // the high watermark: records beyond the last stable offset are not for us yet
    const [end, logStart] = [reader.int64(), reader.int64()];
    const aborted = reader.array(() => ({ producerId: reader.bigint64(), firstOffset: reader.int64() }));
    reader.int32();
    return { partition, code, end, logStart, aborted, records: reader.bytes() };
  });
  return { code, partitions };
}

/** Times that stand for a partition's beginning and end. */
export const BEGINNING = -2;
export const END = -1;

/** The first offset at or after a time in ms since 1970, -1 where there is none; or the one at beginning or end. */
export function listOffsets(
  partitions: readonly (TopicPartition & { time: number })[],
): BrokerRequest<(Position & { code: number })[]> {
  const body = new RequestWriter().int32(-1).int8(READ_COMMITTED);
  writeTopics(body, partitions, ({ partition, time }) => body.int32(partition).int32(-1).int64(time));
  return {
    apiKey: 2,
    apiVersion: 5,
    apiName: "ListOffsets",
    body: body.done(),
    decode: (body) => {
      const reader = new ResponseReader(body);
      reader.int32();
      return readTopics(reader, () => {
        const [partition, code] = [reader.int32(), reader.int16()];
        reader.int64();
        const offset = reader.int64();
        reader.int32();
        return { partition, code, offset };
      });
    },
  };
}

/**
 * What is in a topic, by a client that shares no code with ours: the verdict of
 * tests on delivery comes from here. @platformatic/kafka's stream is not used,
 * but its single fetches: they keep null headers, repeated headers and their
 * order, join no group, and end when we say so.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Admin, Consumer, type ConsumerOptions } from "@platformatic/kafka";

/** A record as it is in the log. Whole numbers of 64 bits are bigint. */
export interface ReadRecord {
  partition: number;
  offset: bigint;
  /** Milliseconds since 1970. */
  timestamp: bigint;
  key: Buffer | null;
  value: Buffer | null;
  /** In their order, repeated names included. */
  headers: [name: string, value: Buffer | null][];
}

/** An offset for each partition, by its number. */
export type Offsets = readonly (bigint | undefined)[];

/** Which part of a topic {@linkcode readTopic} reads. */
export interface ReadOptions {
  /** The first offset of each partition; the beginning by default. */
  from?: Offsets;
  /**
   * Where to stop: a number of records in all, which are waited for, or the
   * offset before which each partition stops. By default the end offsets as
   * they are at the start.
   */
  until?: number | Offsets;
  /** Milliseconds for all of it; 30,000 by default. */
  timeout?: number;
}

/** Bits of a record batch's attributes, by the message format's document. */
const LOG_APPEND_TIME = 1 << 3;
const CONTROL = 1 << 5;

const LATEST = -1n;
const EARLIEST = -2n;

/**
 * Reads a topic, sorted by partition and offset. `bootstrap` is a broker's
 * address, `127.0.0.1:9092`, or several with commas between them. Control records are left out,
 * those of aborted transactions are not.
 *
 * @throws {Error} when the time is up; it says how far each partition was read.
 */
export async function readTopic(
  bootstrap: string,
  topic: string,
  { from = [], until, timeout = 30_000 }: ReadOptions = {},
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  let progress = "not started";
  const read = async (client: Consumer, signal: AbortSignal) => {
    const list = (timestamp: bigint) => client.listOffsets({ topics: [topic], timestamp });
    const starts = (await list(EARLIEST)).get(topic)!;
    const positions = starts.map((start, partition) => from[partition] ?? start);
    const limit = typeof until === "number" ? until : Infinity;
    const ends = typeof until === "number" ? [] : until ?? (await list(LATEST)).get(topic)!;
    const isOpen = (partition: number) => limit < Infinity || positions[partition] < (ends[partition] ?? -1n);

    while (records.length < limit && positions.some((_, partition) => isOpen(partition))) {
      signal.throwIfAborted();
      progress = positions.map((it, partition) => `${partition}: ${it} of ${ends[partition] ?? "any"}`).join(", ");
      for await (const { partition, batches } of fetch(client, { topic, positions, isOpen })) {
        for (const batch of batches) {
          const found = recordsOf(batch, partition).filter(({ offset }) =>
            offset >= positions[partition] && offset < (ends[partition] ?? offset + 1n)
          );
          records.push(...found.slice(0, limit - records.length));
          positions[partition] = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
        }
      }
    }
  };
  await withClient(Consumer, bootstrap, {
    timeout,
    what: () => `read ${records.length} records of topic ${topic} (${progress})`,
    use: read,
  });
  return records.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset));
}

type FetchResponse = Awaited<ReturnType<Consumer["fetch"]>>;
type Batch = NonNullable<FetchResponse["responses"][number]["partitions"][number]["records"]>[number];

/** Fetches once from the leader of each open partition. */
async function* fetch(
  client: Consumer,
  { topic, positions, isOpen }: { topic: string; positions: bigint[]; isOpen: (partition: number) => boolean },
): AsyncGenerator<{ partition: number; batches: Batch[] }> {
  client.topics.get(topic) ?? client.topics.track(topic);
  const { id, partitions } = (await client.metadata({ topics: [topic] })).topics.get(topic)!;
  const open = partitions.map(({ leader }, partition) => ({ leader, partition }))
    .filter(({ partition }) => isOpen(partition));
  for (const [node, parts] of Map.groupBy(open, ({ leader }) => leader)) {
    const { responses } = await client.fetch({
      node,
      maxWaitTime: 200,
      minBytes: 1,
      maxBytes: 50_000_000,
      isolationLevel: 0,
      topics: [{
        topicId: id,
        partitions: parts.map(({ partition }) => ({
          partition,
          fetchOffset: positions[partition],
          currentLeaderEpoch: -1,
          lastFetchedEpoch: -1,
          partitionMaxBytes: 10_000_000,
        })),
      }],
    });
    for (const { partitionIndex, records } of responses.flatMap((it) => it.partitions)) {
      yield { partition: partitionIndex, batches: records ?? [] };
    }
  }
}

function recordsOf(batch: Batch, partition: number): ReadRecord[] {
  if (batch.attributes & CONTROL) return [];
  return batch.records.map(({ offsetDelta, timestampDelta, key, value, headers }) => ({
    partition,
    offset: batch.firstOffset + BigInt(offsetDelta),
    timestamp: batch.attributes & LOG_APPEND_TIME ? batch.maxTimestamp : batch.firstTimestamp + timestampDelta,
    key,
    value,
    headers: headers.map(([name, value]) => [name?.toString() ?? "", value]),
  }));
}

/** The offset behind the last record of each partition. */
export function endOffsets(bootstrap: string, topic: string): Promise<bigint[]> {
  return listOffsets(bootstrap, topic, LATEST);
}

/** The offset of the first record that each partition still has. */
export function startOffsets(bootstrap: string, topic: string): Promise<bigint[]> {
  return listOffsets(bootstrap, topic, EARLIEST);
}

async function listOffsets(bootstrap: string, topic: string, timestamp: bigint): Promise<bigint[]> {
  return await withClient(Consumer, bootstrap, {
    what: () => `list the offsets of topic ${topic}`,
    use: async (client) => (await client.listOffsets({ topics: [topic], timestamp })).get(topic)!,
  });
}

/** A group's committed offset in each partition; undefined where it has none. */
export async function committedOffsets(bootstrap: string, group: string, topic: string): Promise<Offsets> {
  return await withClient(Admin, bootstrap, {
    what: () => `list the offsets of group ${group} in topic ${topic}`,
    async use(client) {
      const { partitions } = (await client.metadata({ topics: [topic] })).topics.get(topic)!;
      const partitionIndexes = partitions.map((_, partition) => partition);
      const [answer] = await client.listConsumerGroupOffsets({
        groups: [{ groupId: group, topics: [{ name: topic, partitionIndexes }] }],
      });
      const committed: (bigint | undefined)[] = partitions.map(() => undefined);
      for (const { partitionIndex, committedOffset } of answer.topics.flatMap((it) => it.partitions)) {
        if (committedOffset >= 0n) committed[partitionIndex] = committedOffset;
      }
      return committed;
    },
  });
}

/** Makes a client, uses it for at most `timeout` ms, and closes it. */
async function withClient<Client extends Admin | Consumer, Result>(
  make: new (options: ConsumerOptions<Buffer, Buffer, Buffer, Buffer>) => Client,
  bootstrap: string,
  { timeout = 30_000, what, use }: {
    timeout?: number;
    what: () => string;
    use: (client: Client, signal: AbortSignal) => Promise<Result>;
  },
): Promise<Result> {
  const client = new make({
    clientId: "independent-reader",
    groupId: "none", // required, but never joined
    bootstrapBrokers: bootstrap.split(","),
    retries: 10,
    retryDelay: 200,
  });
  const controller = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    controller.abort();
    reject(new Error(`could not ${what()} in ${timeout} ms`));
  }, timeout);
  const used = use(client, controller.signal);
  try {
    return await Promise.race([used, late]);
  } catch (error) {
    if (controller.signal.aborted) throw error;
    throw new Error(`could not ${what()}: ${(error as Error).message}`, { cause: error });
  } finally {
    clearTimeout(timer);
    await client.close();
    await used.catch(() => {}); // closing ends what it still does
  }
}

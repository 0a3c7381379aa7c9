/**
 * Reads partitions from their leaders: one Fetch at a time to each broker, for those of its partitions that have room.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { rootCause } from "../errors.ts";
import { backoff } from "./backoff.ts";
import { check, Code, errorFor, FatalError, fatalIn } from "./broker_error.ts";
import { type Chunk, nextOffset } from "./chunk.ts";
import type { Cluster } from "./cluster.ts";
import { BEGINNING, type FetchedPartition, fetchRecords } from "./fetch_requests.ts";
import { Feed } from "./feed.ts";
import type { Position, TopicPartition } from "./group_requests.ts";
import type { Metadata } from "./metadata.ts";
import { offsetsAt } from "./offsets.ts";
import { nextTurn } from "./wait.ts";

/** How long a broker waits for records before it answers that there are none, in ms. */
const MAX_WAIT_MS = 500;
/** The same where a partition is missing from the request that may have room at any moment; doubles until it has. */
const MIN_WAIT_MS = 10;
/** What may come in one answer, and wait in all feeds together. */
const MAX_BYTES = 16 << 20;
const MAX_QUEUED_BYTES = 32 << 20;
/** The least that is asked for on a connection that is too slow for more. */
const MIN_BYTES = 64 << 10;

/** Answers that say: this broker does not lead the partition, or not yet, or no longer. */
const LEADER_MOVED: readonly number[] = [3, 5, 6, 9, 56, 74, 75, 76, 78, 100];

/** Keeps feeds filled. */
export class Fetcher {
  /** When a broker last answered a Fetch, in ms since 1970. */
  lastAnswer = Date.now();
  readonly #cluster: Cluster;
  readonly #metadata: Metadata;
  readonly #log: Logger;
  readonly #maxPartitionBytes: number;
  readonly #onFatal: (error: FatalError) => void;
  /** In the order in which they are asked for: those that got something last come last. */
  readonly #feeds = new Set<Feed>();
  readonly #brokers = new Map<number, Broker>();
  #queuedBytes = 0;
  #waitMs = MIN_WAIT_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /** @param options.onFatal Told what no patience can mend. */
  constructor(
    parts: { cluster: Cluster; metadata: Metadata; log: Logger },
    options: { maxPartitionBytes: number; onFatal: (error: FatalError) => void },
  ) {
    this.#cluster = parts.cluster;
    this.#metadata = parts.metadata;
    this.#log = parts.log;
    this.#maxPartitionBytes = options.maxPartitionBytes;
    this.#onFatal = options.onFatal;
  }

  /** Starts to read a partition. */
  add({ topic, partition, offset }: Position): Feed {
    const feed: Feed = new Feed({ topic, partition }, offset, (chunk) => this.#taken(chunk));
    this.#feeds.add(feed);
    this.pump();
    return feed;
  }

  /** Stops to read a partition. */
  remove(feed: Feed): void {
    if (this.#feeds.delete(feed)) feed.seek(feed.position);
  }

  /** Whether any partition has room, so that answers should be coming. */
  get isHungry(): boolean {
    return [...this.#feeds].some((feed) => feed.hungry) && this.#queuedBytes < MAX_QUEUED_BYTES;
  }

  /** Asks for no more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Sends what can be sent. To be called when leaders may have changed. */
  pump(): void {
    if (this.#stopped || this.#queuedBytes >= MAX_QUEUED_BYTES) return;
    const now = Date.now();
    let wakeAt = Infinity;
    for (const [nodeId, feeds] of Map.groupBy(this.#feeds, (f) => this.#metadata.leaderOf(f.topic, f.partition))) {
      if (nodeId < 0) {
        this.#metadata.refreshSoon();
        wakeAt = Math.min(wakeAt, now + MAX_WAIT_MS);
        continue;
      }
      const broker = this.#brokerOf(nodeId);
      if (broker.busy) continue;
      const wanted = feeds.filter((feed) => feed.hungry);
      const ready = wanted.filter((feed) => Math.max(feed.notBefore, broker.notBefore) <= now);
      for (const feed of wanted) {
        if (!ready.includes(feed)) wakeAt = Math.min(wakeAt, Math.max(feed.notBefore, broker.notBefore));
      }
      if (ready.length > 0) void this.#fetch(broker, ready, { all: ready.length === feeds.length });
    }
    clearTimeout(this.#timer);
    if (wakeAt < Infinity) this.#timer = setTimeout(() => this.pump(), wakeAt - now);
  }

  async #fetch(broker: Broker, feeds: readonly Feed[], { all }: { all: boolean }): Promise<void> {
    broker.busy = true;
    const asked = new Map(feeds.map((feed) => [`${feed.topic} ${feed.partition}`, { feed, from: feed.position }]));
    const positions = feeds.map(({ topic, partition, position }) => ({ topic, partition, offset: position }));
    const limits = {
      maxWaitMs: all ? MAX_WAIT_MS : this.#waitMs,
      maxBytes: Math.min(MAX_BYTES, broker.maxBytes),
      maxPartitionBytes: Math.min(this.#maxPartitionBytes, broker.maxBytes),
    };
    if (!all) this.#waitMs = Math.min(MAX_WAIT_MS, this.#waitMs * 2);
    try {
      const answer = (await this.#cluster.send(broker.nodeId, fetchRecords(positions, limits)))!;
      check("fetch records", answer.code);
      this.lastAnswer = Date.now();
      broker.succeeded();
      for (const fetched of answer.partitions) {
        const { feed, from } = asked.get(`${fetched.topic} ${fetched.partition}`) ?? {};
        if (feed && this.#feeds.has(feed) && feed.position === from && feed.hungry) this.#accept(feed, fetched);
      }
    } catch (error) {
      const fatal = fatalIn(error);
      if (fatal) this.#onFatal(fatal);
      broker.failed(error);
      this.#log.debug("fetch failed", { broker: broker.nodeId, cause: rootCause(error) });
      this.#metadata.refreshSoon();
    } finally {
      broker.busy = false;
      // Those who waited for what came are about to take it. To ask before would leave these partitions out of the next
      // Fetch, and what comes to them would wait until that is answered.
      if (feeds.some((feed) => feed.awaited)) await nextTurn();
      this.pump();
    }
  }

  #accept(feed: Feed, fetched: FetchedPartition): void {
    if (fetched.code !== Code.none) return this.#refused(feed, fetched);
    const { topic, partition, records, aborted } = fetched;
    const from = feed.position;
    feed.failures = 0;
    feed.end = fetched.end;
    const next = Math.max(from, nextOffset(records) ?? from);
    const end = next >= fetched.end ? fetched.end : undefined;
    const chunk: Chunk = { topic, partition, records, aborted, from, next, end };
    if (feed.put(chunk)) this.#queuedBytes += records.length;
    if (next === from) return;
    this.#feeds.delete(feed);
    this.#feeds.add(feed);
  }

  #refused(feed: Feed, { code }: FetchedPartition): void {
    const name = `${feed.topic}[${feed.partition}]`;
    const error = errorFor(`read ${name} at offset ${feed.position}`, code);
    if (error instanceof FatalError) return this.#onFatal(error);
    this.#log.debug(error.message);
    feed.notBefore = Date.now() + backoff(++feed.failures);
    if (LEADER_MOVED.includes(code)) this.#metadata.refreshSoon();
    if (code === Code.offsetOutOfRange) void this.#findFirst(feed, name);
    // A replica that is damaged stays so, but another one may lead soon.
    if (code === Code.corruptMessage && feed.failures === 5) this.#log.error(`${error.message}; trying again`);
  }

  /** The position is not there: too old, or of a topic that was made anew since. Goes on with the oldest record. */
  async #findFirst(feed: Feed, name: string): Promise<void> {
    try {
      const [{ offset }] = await offsetsAt(this.#cluster, this.#metadata, [{ ...partitionOf(feed), time: BEGINNING }]);
      if (!this.#feeds.has(feed)) return;
      const what = offset > feed.position
        ? `${offset - feed.position} records were deleted before they were read`
        : "the partition ends before that: it lost records, or the topic was made anew";
      this.#log.warn(`offset ${feed.position} of ${name} is gone: ${what}; going on at offset ${offset}`);
      feed.seek(offset);
      this.pump();
    } catch (error) {
      this.#log.debug(`cannot find the first offset of ${name}: ${rootCause(error)}`);
    }
  }

  #taken(chunk: Chunk): void {
    this.#queuedBytes -= chunk.records.length;
    this.#waitMs = MIN_WAIT_MS;
    // Others that got something with the same answer are about to be taken, too: one Fetch is to ask for all of them.
    queueMicrotask(() => this.pump());
  }

  #brokerOf(nodeId: number): Broker {
    let broker = this.#brokers.get(nodeId);
    if (!broker) this.#brokers.set(nodeId, broker = new Broker(nodeId));
    return broker;
  }
}

/** How it goes with one broker. */
class Broker {
  readonly nodeId: number;
  busy = false;
  notBefore = 0;
  /** Adapts: an answer that takes too long for the request timeout would never come, however often it is asked for. */
  maxBytes = MAX_BYTES;
  #failures = 0;

  constructor(nodeId: number) {
    this.nodeId = nodeId;
  }

  succeeded(): void {
    this.#failures = 0;
    this.maxBytes = Math.min(MAX_BYTES, this.maxBytes * 2);
  }

  failed(error: unknown): void {
    this.notBefore = Date.now() + backoff(++this.#failures);
    const timedOut = (error as Error).name === "KafkaJSRequestTimeoutError";
    if (timedOut) this.maxBytes = Math.max(MIN_BYTES, this.maxBytes / 4);
  }
}

function partitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

/**
 * The live end of one topic, fetched by one loop; its newest records are kept for a while.
 *
 * @module
 */
import { loggerFor } from "../log.ts";
import { Asker } from "./asker.ts";
import { check } from "./broker_error.ts";
import { type Chunk, readChunk } from "./chunk.ts";
import type { KafkaClient } from "./client.ts";
import { Cluster } from "./cluster.ts";
import type { Feed } from "./feed.ts";
import { listOffsets } from "./fetch_requests.ts";
import { Fetcher } from "./fetcher.ts";
import { Metadata } from "./metadata.ts";
import { quiet } from "./reachability.ts";
import type { RecordView } from "./record_reader.ts";

/** How long a topic is followed after its last reader has gone, in ms: many come back at once. */
const LINGER_MS = 5_000;
/** What is kept of each topic, in bytes of keys and values. */
const KEPT_BYTES = 4 << 20;
/** What a record takes beside its key and value, about. */
const RECORD_BYTES = 100;
/** How much one Fetch of the loop may bring of a partition. */
const MAX_PARTITION_BYTES = 1 << 20;

/** Records of one partition, in order. */
export interface TailedRecords {
  partition: number;
  records: readonly RecordView[];
  /** For readers that are all at the same place: what one makes of these records, the others may use. */
  shared?: Map<string, Uint8Array>;
}

/** The connection, and the loop for all topics. */
export class Source {
  readonly metadata: Metadata;
  readonly fetcher: Fetcher;
  /** On connections of its own: a broker answers a connection's requests in order, and a Fetch may wait for records. */
  readonly asker: Asker;
  readonly #clusters: readonly [loop: Cluster, others: Cluster];

  constructor(makeClient: () => KafkaClient) {
    const log = loggerFor("kafka");
    const cluster = new Cluster(makeClient());
    this.#clusters = [cluster, new Cluster(makeClient())];
    this.asker = new Asker(this.#clusters[1]);
    this.metadata = new Metadata(cluster, quiet(log)); // the server's producer tells
    this.fetcher = new Fetcher({ cluster, metadata: this.metadata, log }, {
      maxPartitionBytes: MAX_PARTITION_BYTES,
      onFatal: (error) => log.error("a topic cannot be followed", { error }),
    });
    this.metadata.onChange = () => this.fetcher.pump();
  }

  /** The offset of each partition at a time. @throws {Error} when a partition has no leader or Kafka does not answer */
  async offsets(topic: string, leaders: readonly number[], time: number): Promise<number[]> {
    return await Promise.all(leaders.map(async (leader, partition) => {
      if (leader < 0) throw new Error(`partition ${partition} has no leader`);
      const [{ code, offset }] = await this.asker.ask(leader, listOffsets([{ topic, partition, time }]));
      check(`find an offset of ${topic}[${partition}]`, code);
      return offset;
    }));
  }

  async close(): Promise<void> {
    this.fetcher.stop();
    for (const cluster of this.#clusters) cluster.reset("closing");
    await this.metadata.stop();
    await Promise.all(this.#clusters.map((cluster) => cluster.close()));
  }
}

/** What is kept of one fetch. */
interface Kept extends TailedRecords {
  shared: Map<string, Uint8Array>;
  bytes: number;
  next: number;
  /** Where the topic's loop was in every partition before it. */
  before: readonly number[];
}

/** The end of one topic. */
export class TopicTail {
  readonly source: Source;
  readonly topic: string;
  /** The newest chunks, oldest first, numbered from {@linkcode firstNumber} on. */
  readonly kept: Kept[] = [];
  firstNumber = 0;
  /** From which offset on each partition is kept. */
  readonly keptFrom: number[];
  /** Where the loop is in every partition. */
  readonly #positions: number[];
  onIdle: () => void = () => {};
  readonly #feeds: Feed[];
  readonly #stopping = new AbortController();
  #bytes = 0;
  #readers = 0;
  #lingering?: ReturnType<typeof setTimeout>;

  constructor(source: Source, topic: string, ends: readonly number[]) {
    this.source = source;
    this.topic = topic;
    this.keptFrom = [...ends];
    this.#positions = [...ends];
    this.#feeds = ends.map((offset, partition) => source.fetcher.add({ topic, partition, offset }));
    for (const feed of this.#feeds) void this.#read(feed);
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Called when there is something new, or no more to come. */
  readonly waiting = new Set<() => void>();

  /** The number that the next chunk will have. */
  get nextNumber(): number {
    return this.firstNumber + this.kept.length;
  }

  join(): void {
    this.#readers++;
  }

  leave(): void {
    if (--this.#readers > 0) return;
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => this.#readers === 0 && this.stop(), LINGER_MS);
    Deno.unrefTimer(Number(this.#lingering));
  }

  stop(): void {
    if (this.stopped) return;
    clearTimeout(this.#lingering);
    this.#stopping.abort();
    for (const feed of this.#feeds) this.source.fetcher.remove(feed);
    this.#tell();
    this.onIdle();
  }

  async #read(feed: Feed): Promise<void> {
    while (await feed.filled(this.#stopping.signal)) {
      const chunk = feed.take();
      if (!chunk) continue;
      const { records } = await readAll(chunk);
      if (records.length > 0) this.#keep(chunk, records);
    }
  }

  #keep({ partition, next }: Chunk, records: readonly RecordView[]): void {
    const bytes = records.reduce(
      (sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0) + RECORD_BYTES,
      0,
    );
    this.kept.push({ partition, records, shared: new Map(), bytes, next, before: [...this.#positions] });
    this.#positions[partition] = next;
    this.#bytes += bytes;
    while (this.#bytes > KEPT_BYTES && this.kept.length > 1) {
      const oldest = this.kept.shift()!;
      this.firstNumber++;
      this.#bytes -= oldest.bytes;
      this.keptFrom[oldest.partition] = oldest.next;
    }
    this.#tell();
  }

  #tell(): void {
    for (const wake of this.waiting) wake();
  }
}

/** All records of a chunk, and the position after them. */
export async function readAll(chunk: Chunk): Promise<{ records: RecordView[]; next: number }> {
  const all: RecordView[] = [];
  let next = chunk.from;
  for await (const { records, next: after } of readChunk(chunk)) {
    for (const record of records) all.push(record); // spread, a big batch would be too many arguments
    next = after;
  }
  return { records: all, next };
}

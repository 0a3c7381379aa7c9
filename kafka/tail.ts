/**
 * The live end of topics, for any number of readers: one loop fetches a topic, however many follow it. Its newest
 * chunks are kept for a while. A reader that begins further back fetches on its own until it has come that far; one
 * that falls behind what is kept is told so, instead of being waited for.
 *
 * @module
 */
import type { KafkaClient } from "./client.ts";
import { BEGINNING, END, fetchRecords } from "./fetch_requests.ts";
import type { RecordView } from "./record_reader.ts";
import { readAll, Source, type TailedRecords, TopicTail } from "./topic_tail.ts";

/** What a reader that catches up fetches at a time. */
const CATCH_UP = { maxWaitMs: 0, maxBytes: 1 << 20, maxPartitionBytes: 256 << 10 };

/** Where a reader begins: the next offset of each partition, an end of the topic, or so many offsets before its end. */
export type Start = "beginning" | "end" | readonly number[] | { last: number };

/** The reader was slower than what is kept: it may begin again where it stopped. */
export class FellBehindError extends Error {
  override name = "FellBehindError";
}

/** The topics that somebody follows. Its connection is made for the first reader. */
export class Tails {
  readonly #makeClient: () => KafkaClient;
  readonly #topics = new Map<string, TopicTail>();
  #source?: Source;

  constructor(makeClient: () => KafkaClient) {
    this.#makeClient = makeClient;
  }

  /** Begins to follow a topic that exists. @throws {Error} when Kafka does not answer */
  async follow(topic: string, start: Start): Promise<TailReader> {
    const source = this.#source ??= new Source(this.#makeClient);
    await source.metadata.start();
    const { leaders } = source.metadata.known(topic) ?? await source.metadata.lookUp(topic);
    const [beginnings, ends] = await Promise.all(
      [BEGINNING, END].map((time) => source.offsets(topic, leaders, time)),
    );
    let tail = this.#topics.get(topic);
    if (!tail) {
      this.#topics.set(topic, tail = new TopicTail(source, topic, ends));
      tail.onIdle = () => this.#topics.delete(topic);
    }
    const positions = ends.map((end, partition) => {
      if (start === "end") return end;
      const wanted = start === "beginning" ? 0 : "last" in start ? end - start.last : start[partition] ?? 0;
      // Beyond the end: the topic was made anew since.
      return wanted > end ? beginnings[partition] : Math.max(wanted, beginnings[partition]);
    });
    return new TailReader(tail, positions);
  }

  /** Disconnects; readers end. */
  async close(): Promise<void> {
    for (const tail of this.#topics.values()) tail.stop();
    await this.#source?.close();
  }
}

/** One reader of a topic. */
export class TailReader implements Disposable {
  /** The next offset of each partition. */
  readonly positions: number[];
  readonly #tail: TopicTail;
  /** Number of the chunk that comes next, once the reader has caught up. */
  #number?: number;
  #left = false;

  constructor(tail: TopicTail, positions: number[]) {
    this.#tail = tail;
    this.positions = positions;
    tail.join();
    this.#joinIfCaughtUp();
  }

  /** Calls back as soon as {@linkcode next} may have something new. @returns what ends that */
  whenNews(wake: () => void): () => void {
    const { waiting, stopped, nextNumber } = this.#tail;
    waiting.add(wake);
    if (stopped || this.#number !== nextNumber) wake();
    return () => void waiting.delete(wake);
  }

  /**
   * What comes next; undefined where there is nothing for now, null when the topic is followed no longer.
   *
   * @throws {FellBehindError} when it is no longer kept
   */
  async next(): Promise<TailedRecords | undefined | null> {
    if (this.#tail.stopped) return null;
    const behind = this.#joinIfCaughtUp();
    if (this.#number === undefined) return await this.#catchUp(behind);
    if (this.#number < this.#tail.firstNumber) {
      throw new FellBehindError("records came faster than this reader took them");
    }
    const kept = this.#tail.kept[this.#number - this.#tail.firstNumber];
    if (!kept) return undefined;
    this.#number++;
    const inStep = kept.before.every((position, partition) => this.positions[partition] === position);
    const found = this.#advance(kept.partition, kept.records, kept.next);
    return inStep ? { ...found, shared: kept.shared } : found;
  }

  [Symbol.dispose](): void {
    if (!this.#left) this.#tail.leave();
    this.#left = true;
  }

  /** Goes on with what is kept as soon as that is possible. @returns a partition for which it is not yet, or -1 */
  #joinIfCaughtUp(): number {
    if (this.#number !== undefined) return -1;
    const behind = this.positions.findIndex((position, partition) => position < this.#tail.keptFrom[partition]);
    if (behind < 0) this.#number = this.#tail.firstNumber;
    return behind;
  }

  #advance(partition: number, records: readonly RecordView[], next: number): TailedRecords {
    const from = this.positions[partition];
    this.positions[partition] = Math.max(from, next);
    return {
      partition,
      records: records.length > 0 && records[0].offset < from ? records.filter((r) => r.offset >= from) : records,
    };
  }

  async #catchUp(partition: number): Promise<TailedRecords> {
    const { source: { asker, metadata }, topic, keptFrom } = this.#tail;
    const offset = this.positions[partition];
    const leader = metadata.leaderOf(topic, partition);
    if (leader < 0) throw new Error(`Cannot read ${topic}[${partition}]: it has no leader`);
    const answer = await asker.ask(leader, fetchRecords([{ topic, partition, offset }], CATCH_UP));
    const fetched = answer.partitions[0];
    if (answer.code !== 0 || fetched.code !== 0) {
      throw new Error(
        `Cannot read ${topic}[${partition}] at offset ${offset}: Kafka's error ${answer.code || fetched.code}`,
      );
    }
    const chunk = { topic, partition, records: fetched.records, aborted: fetched.aborted, from: offset, next: offset };
    const { records, next } = await readAll(chunk);
    // Nothing but markers of transactions, or a hole that compaction left: what is kept goes on where it began.
    return this.#advance(partition, records, next === offset ? keptFrom[partition] : next);
  }
}

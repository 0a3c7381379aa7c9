/**
 * One partition between the fetcher, which fills it, and whoever takes from it. At most one chunk waits, so that
 * memory is bounded and the next one is on its way while one is being worked on.
 *
 * @module
 */
import type { Chunk } from "./chunk.ts";
import type { TopicPartition } from "./group_requests.ts";

/** A partition that is being read. */
export class Feed implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** Where the next Fetch begins. */
  position: number;
  /** Where the partition ended when it was last asked for; undefined before that. */
  end: number | undefined;
  /** Not before this time, in ms since 1970, after something went wrong. */
  notBefore = 0;
  failures = 0;
  /** Whether somebody waits for a chunk, or is about to take the one that has come. */
  awaited = false;
  readonly #onTake: (chunk: Chunk) => void;
  #chunk: Chunk | undefined;
  #saidEnd = -1;
  #arrival = Promise.withResolvers<void>();

  constructor({ topic, partition }: TopicPartition, position: number, onTake: (chunk: Chunk) => void) {
    this.topic = topic;
    this.partition = partition;
    this.position = position;
    this.#onTake = onTake;
  }

  /** Whether there is room for more. */
  get hungry(): boolean {
    return this.#chunk === undefined;
  }

  /** What came after the position. Empty chunks only count where they tell of an end that is news. */
  put(chunk: Chunk): boolean {
    this.position = chunk.next;
    const isEmpty = chunk.next === chunk.from;
    if (isEmpty && (chunk.end === undefined || chunk.end === this.#saidEnd)) return false;
    this.#saidEnd = chunk.end ?? -1;
    this.#chunk = chunk;
    this.#arrival.resolve();
    return true;
  }

  /** Waits for a chunk. @returns whether there is one; not when the signal aborts */
  async filled(signal: AbortSignal): Promise<boolean> {
    const wake = () => this.#arrival.resolve();
    signal.addEventListener("abort", wake);
    while (!this.#chunk && !signal.aborted) {
      this.awaited = true;
      await this.#arrival.promise;
      this.awaited = false;
      this.#arrival = Promise.withResolvers();
    }
    signal.removeEventListener("abort", wake);
    return !signal.aborted;
  }

  /** The chunk that waits, if any: there is room for the next one then. */
  take(): Chunk | undefined {
    const chunk = this.#chunk;
    this.#chunk = undefined;
    if (chunk) this.#onTake(chunk);
    return chunk;
  }

  /** Reads from here next; what waits is dropped. */
  seek(position: number): void {
    this.position = position;
    this.take();
  }
}

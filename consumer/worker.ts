/**
 * Works through one partition, in order.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { OutputClosed } from "../handlers/print.ts";
import { type Chunk, CorruptBatchError, readChunk } from "../kafka/chunk.ts";
import type { Feed } from "../kafka/feed.ts";
import type { TopicRecord } from "../kafka/topic_record.ts";
import { nextTurn, sleep } from "../kafka/wait.ts";
import type { Handling } from "./handling.ts";
import { Finished, keyOf, type Run } from "./run.ts";
import type { Slots } from "./slots.ts";

/** Records that a batch handler gets at most. */
const MAX_BATCH_RECORDS = 5_000;
/** How often a damaged batch is fetched again: it may have been damaged on its way. */
const CORRUPT_RETRIES = 3;
const CORRUPT_PAUSE_MS = 500;

/** What all workers share. */
export interface WorkerTools {
  run: Run;
  handling: Handling;
  slots: Slots;
  /** Whether a record is for the handler; those that are not count as handled. */
  wanted: (record: TopicRecord) => boolean;
  /** Told after every record, or after several. */
  onHandled: () => void;
  /** Told after all records that were at hand. */
  onProgress: () => void;
  log: Logger;
}

/** One partition's worker. */
export class Worker {
  readonly feed: Feed;
  /** Everything before this offset was handled: what may be committed. */
  handled: number;
  /** The group's position, as far as we know. */
  committed: number;
  readonly #tools: WorkerTools;
  readonly #log: Logger;

  constructor(feed: Feed, tools: WorkerTools, committed: number) {
    this.feed = feed;
    this.handled = feed.position;
    this.committed = committed;
    this.#tools = tools;
    this.#log = tools.log;
  }

  /**
   * Works until it is told to stop.
   *
   * @param stop Aborts when no further record is to be begun.
   * @param hurry Aborts when records under way are to be given up.
   */
  async work(stop: AbortSignal, hurry: AbortSignal): Promise<void> {
    for (let corrupt = 0; await this.feed.filled(stop);) {
      try {
        // What waits for its turn waits in the feed: all that is read ahead is bounded there.
        await this.#tools.slots.use(() => this.#takeAndWork({ stop, hurry }));
        if (stop.aborted) return;
        corrupt = 0;
      } catch (error) {
        if (error instanceof OutputClosed) return this.#tools.run.end(new Finished(error.message));
        if (!(error instanceof CorruptBatchError)) throw error;
        if (++corrupt > CORRUPT_RETRIES) return this.#stopReading(error);
        await sleep(CORRUPT_PAUSE_MS, stop);
        this.feed.seek(this.handled);
      }
    }
  }

  async #takeAndWork(signals: { stop: AbortSignal; hurry: AbortSignal }): Promise<void> {
    const chunk = signals.stop.aborted ? undefined : this.feed.take();
    if (!chunk) return;
    await nextTurn(); // the next Fetch is to be on its way before this chunk keeps us busy
    await this.#work(chunk, signals);
    if (!signals.stop.aborted) this.#finishedChunk(chunk);
  }

  async #work(chunk: Chunk, signals: { stop: AbortSignal; hurry: AbortSignal }): Promise<void> {
    const { wanted, run } = this.#tools;
    let records: TopicRecord[] = [];
    for await (const batch of readChunk(chunk)) {
      if (batch.records.length > 0) run.lastRecordAt = Date.now();
      for (const record of batch.records) {
        if (wanted(record)) records.push(record);
        if (records.length < MAX_BATCH_RECORDS) continue;
        if (!await this.#handle(records, { ...signals, next: record.offset + 1 })) return;
        records = [];
      }
      if (signals.stop.aborted) return;
    }
    await this.#handle(records, { ...signals, next: chunk.next });
  }

  /** @returns whether all were handled */
  async #handle(
    records: TopicRecord[],
    { stop, hurry, next }: { stop: AbortSignal; hurry: AbortSignal; next: number },
  ): Promise<boolean> {
    const { run, handling } = this.#tools;
    if (stop.aborted) return false;
    const admitted = run.admit(records.length);
    const batch = admitted < records.length ? records.slice(0, admitted) : records;
    const onHandled = ({ offset }: { offset: number }) => {
      this.handled = offset + 1;
      this.#tools.onHandled();
    };
    try {
      await handling.handle(batch, { stop, hurry, onHandled });
    } catch (error) {
      if (error instanceof OutputClosed && error.written > 0) onHandled(batch[error.written - 1]);
      throw error;
    } finally {
      const left = batch.findIndex((record) => record.offset >= this.handled);
      run.settle(admitted, left < 0 ? admitted : left);
    }
    const all = batch.length === records.length && (batch.at(-1)?.offset ?? -1) < this.handled;
    if (all) this.handled = next;
    this.#tools.onProgress();
    return all;
  }

  #stopReading({ message }: CorruptBatchError): void {
    const { run, onProgress } = this.#tools;
    this.#log.error(`${message}; stopped reading this partition, others go on`);
    run.damaged = true;
    run.reached(this.feed, Infinity);
    onProgress();
  }

  #finishedChunk({ end, next }: Chunk): void {
    if (end === undefined || this.handled < next) return;
    this.#log.info(`no more messages in ${keyOf(this.feed)} at offset ${end}; waiting for more`);
  }
}

/**
 * A topic's records as the page's lanes show them: all are counted, the newest few of each partition are told.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { TailReader } from "../kafka/tail.ts";
import type { RecordView } from "../kafka/record_reader.ts";
import type { PageParts } from "./page.ts";
import { type ShownRecord, showRecord } from "./page_record.ts";

/** News are told at most so often, in ms. */
const TICK_MS = 250;
/** Of one partition in one tick. More would pass too fast to be read. */
const RECORDS_PER_TICK = 3;
/** What a page that opens sees at once of each partition. */
const FIRST_RECORDS = 8;
/** Bytes of a key or value that are told. */
const SHOWN_BYTES = 160;
/** When a topic cannot be followed, it is tried again after this time, in ms. */
const AGAIN_MS = 1_000;

/** What came since the last time. */
export interface LaneNews {
  /** How many records came, and how many of them are here. */
  came: number;
  records: ShownRecord[];
}

/** Options of {@linkcode followLanes}. */
export interface LanesOptions {
  topic: string;
  signal: AbortSignal;
  send: (news: LaneNews) => void;
}

/** Follows a topic until the signal. Never rejects: what goes wrong is tried again. */
export async function followLanes(
  { tails, sink }: Pick<PageParts, "tails" | "sink">,
  { topic, signal, send }: LanesOptions,
): Promise<void> {
  let first = true;
  while (!signal.aborted) {
    try {
      await sink.lookUp(topic);
      using reader = await tails.follow(topic, { last: first ? FIRST_RECORDS : RECORDS_PER_TICK });
      if (first) send({ ...await gather(reader, FIRST_RECORDS), came: 0 }); // they were there
      first = false;
      while (await untilNews(reader, signal)) {
        send(await gather(reader, RECORDS_PER_TICK));
        await pause(TICK_MS, signal);
      }
    } catch {
      // Kafka is gone, or the topic is, as the page is told by its state; or records came faster than they are kept,
      // and then it goes on with the newest.
    }
    await pause(AGAIN_MS, signal);
  }
}

/** Takes what there is, and keeps the newest of each partition. */
async function gather(reader: TailReader, perPartition: number): Promise<LaneNews> {
  const newest = new Map<number, RecordView[]>();
  let came = 0;
  for (let found; (found = await reader.next()) !== undefined;) {
    if (found === null) throw new Error("the topic is followed no longer");
    came += found.records.length;
    const kept = [...newest.get(found.partition) ?? [], ...found.records.slice(-perPartition)];
    newest.set(found.partition, kept.slice(-perPartition));
  }
  const records = [...newest].flatMap(([partition, records]) =>
    records.map((record) => showRecord(record, partition, SHOWN_BYTES))
  );
  return { came, records };
}

/** @returns whether there may be something new; false: the signal came */
async function untilNews(reader: TailReader, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  signal.addEventListener("abort", wake);
  const forget = reader.whenNews(wake);
  await promise;
  forget();
  signal.removeEventListener("abort", wake);
  return !signal.aborted;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
}

/**
 * `GET /page/search?topic=T`: looks through the last records of a topic, or those from an offset or a time on.
 *
 * @module
 */
import type { RecordView } from "../kafka/record_reader.ts";
import { noSuchPartition, unavailable } from "./errors.ts";
import type { PageParts } from "./page.ts";
import { type ShownRecord, showRecord } from "./page_record.ts";
import { integerParameter, queryParameter } from "./target.ts";
import type { Handler } from "./types.ts";

/** How far before the end of each partition a search begins, unless it is told where. */
const LAST_RECORDS = 10_000;
/** A search ends after so many records, or so many bytes, or that time in ms. */
const MOST_RECORDS = 200_000;
const MOST_BYTES = 64 << 20;
const MOST_MS = 5_000;
/** Records that are told, the newest. */
const RESULTS = 100;
/** Bytes of a key or value that are told. */
const SHOWN_BYTES = 2_000;
/** Searches at a time. */
const MAX_SEARCHES = 4;
const LARGEST = Number.MAX_SAFE_INTEGER;

/** What is looked for. */
interface Wanted {
  key: string | undefined;
  text: string | undefined;
  partition: number | undefined;
  /** Of the first record that counts, in its partition. */
  offset: number | undefined;
  /** Of the first record that counts, in ms since 1970. */
  since: number | undefined;
}

/** What was found. */
export interface Found {
  /** How many records were looked at. */
  searched: number;
  /** Not all were looked at. */
  cut: boolean;
  /** The newest first. */
  records: ShownRecord[];
}

/** Answers searches. */
export function pageSearch({ gate, sink, view, tails, topic: first }: PageParts): Handler {
  let searches = 0;
  return async ({ query, token, request }) => {
    const topic = queryParameter(query, "topic") ?? first;
    gate.check(topic, token);
    const wanted = parseWanted(query);
    await sink.lookUp(topic);
    if (searches >= MAX_SEARCHES) {
      throw unavailable(`${searches} searches are at work; expected at most ${MAX_SEARCHES}`);
    }
    searches++;
    try {
      const { signal } = request;
      const found = await search({ view, tails }, { topic, wanted, signal });
      return new Response(JSON.stringify(found), { headers: { "content-type": "application/json" } });
    } finally {
      searches--;
    }
  };
}

async function search(
  { view, tails }: Pick<PageParts, "view" | "tails">,
  { topic, wanted, signal }: { topic: string; wanted: Wanted; signal: AbortSignal },
): Promise<Found> {
  const began = performance.now();
  const extents = await view.extents(topic);
  if (wanted.partition !== undefined && !(wanted.partition in extents)) {
    throw noSuchPartition(topic, wanted.partition, extents.length);
  }
  const times = wanted.since === undefined ? undefined : await view.offsetsAt(topic, wanted.since);
  const ends = extents.map(({ end }) => end ?? 0);
  const starts = extents.map(({ partition, beginning }) => {
    const end = ends[partition];
    if (wanted.partition !== undefined && wanted.partition !== partition) return end;
    if (wanted.offset !== undefined) return Math.min(wanted.offset, end);
    if (times) return times.get(partition) ?? end;
    return Math.max(beginning ?? end, end - LAST_RECORDS);
  });
  using reader = await tails.follow(topic, starts);
  const found: ShownRecord[] = [];
  let [searched, bytes] = [0, 0];
  const done = () => reader.positions.every((position, partition) => position >= ends[partition]);
  const enough = () => searched >= MOST_RECORDS || bytes >= MOST_BYTES || performance.now() - began > MOST_MS;
  while (!done() && !enough() && !signal.aborted) {
    const next = await reader.next();
    if (!next) break;
    for (const record of next.records) {
      if (record.offset >= ends[next.partition]) break;
      searched++;
      bytes += record.value?.length ?? 0;
      if (fits(record, wanted)) found.push(showRecord(record, next.partition, SHOWN_BYTES));
    }
    found.sort((a, b) => b.timestamp - a.timestamp || b.offset - a.offset).splice(RESULTS);
  }
  return { searched, cut: !done(), records: found };
}

function fits({ key, value, timestamp }: RecordView, wanted: Wanted): boolean {
  if (wanted.since !== undefined && timestamp < wanted.since) return false;
  if (wanted.key !== undefined && !contains(key, wanted.key)) return false;
  return wanted.text === undefined || contains(value, wanted.text) || contains(key, wanted.text);
}

/** Bytes are compared as they are: that needs no decoding, and finds text within what is none. */
function contains(bytes: RecordView["value"], text: string): boolean {
  return bytes !== null && bytes.includes(text);
}

function parseWanted(query: string): Wanted {
  const number = (name: string, max: number) =>
    queryParameter(query, name) === undefined ? undefined : integerParameter(query, name, { min: 0, max, fallback: 0 });
  return {
    key: queryParameter(query, "key"),
    text: queryParameter(query, "text"),
    partition: number("partition", 2 ** 31 - 1),
    offset: number("offset", LARGEST),
    since: number("since", LARGEST),
  };
}

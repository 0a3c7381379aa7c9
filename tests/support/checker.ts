/**
 * The producer's verdict: what its callers were told, held against what is in
 * the log. The numbers are those of the reliability invariants:
 *
 *   I1  an acknowledged record is in the log, where the answer said
 *   I3  a refused record is not
 *   I4  per key, a record that was started after another was acknowledged
 *       comes after it
 *   I5  nothing is in the log twice, unless its outcome was unknown
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** What a caller sent, and was told. One per record, appended and kept. */
export interface SendEvent {
  /** Must be different for each event: it is what a record is found by. */
  value: string | Uint8Array;
  /** Null or left out: no key, and so no order (I4). */
  key?: string | Uint8Array | null;
  /** Compared, in this order, if given. */
  headers?: [name: string, value: string | Uint8Array | null][];
  /**
   * When it was handed over, and when the outcome was known: any clock that
   * never goes back and does not stand still between events. A counter is best.
   */
  start: number;
  end: number;
  outcome: "ok" | "refused" | "unknown";
  /** Where the answer said it is, if acknowledged. */
  partition?: number;
  offset?: number | bigint | string;
}

/** A record as an independent client read it back. */
export interface LogRecord {
  partition: number;
  offset: bigint;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers?: [name: string, value: Uint8Array | null][];
}

/** How one invariant fared. */
export interface Verdict {
  invariant: string;
  states: string;
  /** How many events, pairs or records were looked at. */
  checked: number;
  offences: number;
  /** The first offence, in words. */
  first?: string;
}

/** All verdicts on one history, and its counts. */
export interface Report {
  verdicts: Verdict[];
  acknowledged: number;
  refused: number;
  unknown: number;
  /** Of the unknown ones: how many are in the log, and how many twice. */
  unknownWritten: number;
  unknownDoubled: number;
  records: number;
}

/** For a topic or a run that is not quite like the others. */
export interface CheckOptions {
  /** Records in the log that are not of this history; an offence by default. */
  foreign?: "refuse" | "allow";
  /** Two copies of a record whose outcome was unknown; allowed by default. */
  unknownTwice?: "refuse" | "allow";
}

interface Entry {
  event: SendEvent;
  /** Its copies in the log, in the order they were read. */
  copies: LogRecord[];
}

/**
 * Checks a history against the log.
 *
 * @throws {RangeError} when the history cannot be judged: two events of the
 * same value, or one that ends before it starts.
 */
export function check(
  history: readonly SendEvent[],
  records: readonly LogRecord[],
  { foreign = "refuse", unknownTwice = "allow" }: CheckOptions = {},
): Report {
  const { entries, strangers } = match(history, records);
  const outcomes = Object.groupBy(entries, ({ event }) => event.outcome);
  const { ok = [], refused = [], unknown = [] } = outcomes;
  const once = unknownTwice === "allow" ? ok : [...ok, ...unknown];
  const verdicts = [
    verdict("I1", "acknowledged is in the log, where the answer said", {
      items: ok,
      judge: judgeAcknowledged(records),
    }),
    verdict("I3", "refused is not in the log", {
      items: refused,
      judge: ({ event, copies }) => copies.length > 0 && `${show(event)}, but is at ${at(copies[0])}`,
    }),
    judgeOrder(entries),
    verdict("I5", "nothing is in the log twice", {
      items: once,
      judge: ({ event, copies }) =>
        copies.length > 1 &&
        `${show(event)} is at ${copies.map(at).join(", ")}`,
    }),
  ];
  if (foreign === "refuse") {
    verdicts.push(verdict("--", "nothing is in the log that nobody sent", {
      items: records,
      judge: (record) => strangers.has(record) && `${quote(record.value)} at ${at(record)}`,
    }));
  }
  return {
    verdicts,
    acknowledged: ok.length,
    refused: refused.length,
    unknown: unknown.length,
    unknownWritten: unknown.filter(({ copies }) => copies.length > 0).length,
    unknownDoubled: unknown.filter(({ copies }) => copies.length > 1).length,
    records: records.length,
  };
}

/**
 * Checks a history against the log, and returns the report for further asserts.
 *
 * @throws {Error} that shows the whole report, when an invariant is broken.
 */
export function assertDelivered(
  history: readonly SendEvent[],
  records: readonly LogRecord[],
  options?: CheckOptions,
): Report {
  const report = check(history, records, options);
  if (report.verdicts.some(({ offences }) => offences > 0)) {
    throw new Error(formatReport(report));
  }
  return report;
}

/** The report as lines of text. */
export function formatReport(report: Report): string {
  const { acknowledged, refused, unknown, unknownWritten, records } = report;
  const lines = report.verdicts.map((it) =>
    `${it.offences > 0 ? "BROKEN" : "held  "} ${it.invariant} ${it.states}: ` +
    `${it.offences} of ${it.checked}${it.first ? `, first: ${it.first}` : ""}`
  );
  return [
    `${acknowledged} acknowledged, ${refused} refused, ${unknown} unknown ` +
    `(${unknownWritten} of them written, ${report.unknownDoubled} twice), ` +
    `${records} in the log`,
    ...lines,
  ].join("\n");
}

function match(history: readonly SendEvent[], records: readonly LogRecord[]) {
  const entries = new Map<string, Entry>();
  for (const event of history) {
    const id = identity(event.value);
    if (entries.has(id)) {
      throw new RangeError(`two events have the value ${quote(event.value)}`);
    }
    if (!(event.start <= event.end)) {
      throw new RangeError(`${show(event)} ends before it starts`);
    }
    entries.set(id, { event, copies: [] });
  }
  const strangers = new Set<LogRecord>();
  for (const record of records) {
    const entry = record.value && entries.get(identity(record.value));
    if (entry) entry.copies.push(record);
    else strangers.add(record);
  }
  return { entries: [...entries.values()], strangers };
}

/** Looks at each item: `judge` says what is wrong with it. */
export function verdict<T>(
  invariant: string,
  states: string,
  { items, judge }: {
    items: readonly T[];
    judge: (item: T) => string | false;
  },
): Verdict {
  const offences = items.map(judge).filter((it) => it !== false);
  return {
    invariant,
    states,
    checked: items.length,
    offences: offences.length,
    first: offences[0],
  };
}

function judgeAcknowledged(records: readonly LogRecord[]) {
  const log = new Map(records.map((record) => [at(record), record]));
  return ({ event, copies }: Entry): string | false => {
    const { partition, offset } = event;
    if (partition === undefined || offset === undefined) {
      return `${show(event)} without partition and offset`;
    }
    const found = log.get(`${partition}/${BigInt(offset)}`);
    const elsewhere = copies.length > 0 ? `; it is at ${copies.map(at).join(", ")}` : "; it is nowhere";
    if (!found) return `${show(event)}, where there is nothing${elsewhere}`;
    if (!same(event.value, found.value)) {
      return `${show(event)}, where there is ${quote(found.value)}${elsewhere}`;
    }
    if (!same(event.key ?? null, found.key)) {
      const keys = `${quote(found.key)}, not ${quote(event.key)}`;
      return `${show(event)}, where the key is ${keys}`;
    }
    if (event.headers && !sameHeaders(event.headers, found.headers ?? [])) {
      return `${show(event)}, where the headers are not those that were sent`;
    }
    return false;
  };
}

/**
 * Walks each key's events by the time they started, next to the acknowledged
 * ones by the time they ended: whatever is in the log of the one that starts
 * must come after all that were acknowledged by then, in the same partition.
 */
function judgeOrder(entries: Entry[]): Verdict {
  const keyed = entries.filter(({ event, copies }) => (event.key ?? null) !== null && copies.length > 0);
  const byKey = Map.groupBy(keyed, ({ event }) => identity(event.key!));
  const pairs: { before: Entry; after: Entry }[] = [];
  for (const group of byKey.values()) {
    const starts = group.toSorted((a, b) => a.event.start - b.event.start);
    const ends = group.filter(({ event }) => event.outcome === "ok")
      .toSorted((a, b) => a.event.end - b.event.end);
    let next = 0;
    let before: Entry | undefined; // the acknowledged one that is furthest on
    for (const after of starts) {
      while (ends[next] && ends[next].event.end < after.event.start) {
        const ended = ends[next++];
        if (!before || isAfter(ended, before)) before = ended;
      }
      if (before) pairs.push({ before, after });
    }
  }
  return verdict("I4", "per key, what started after comes after", {
    items: pairs,
    judge: ({ before, after }) =>
      !isAfter(after, before) &&
      `${show(after.event)} started after ${show(before.event)}, but they are at ${at(after.copies[0])} and ${
        at(before.copies[0])
      }`,
  });
}

function isAfter({ copies: [a] }: Entry, { copies: [b] }: Entry): boolean {
  return a.partition === b.partition && a.offset > b.offset;
}

function identity(bytes: Bytes): string {
  return asBuffer(bytes).toString("latin1");
}

function asBuffer(bytes: Bytes): Buffer {
  if (typeof bytes === "string") return Buffer.from(bytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

type Bytes = string | Uint8Array;

function same(a: Bytes | null, b: Bytes | null): boolean {
  if (a === null || b === null) return a === b;
  return asBuffer(a).equals(asBuffer(b));
}

function sameHeaders(
  a: [string, Bytes | null][],
  b: [string, Bytes | null][],
): boolean {
  return a.length === b.length &&
    a.every(([name, value], i) => name === b[i][0] && same(value, b[i][1]));
}

function at({ partition, offset }: LogRecord): string {
  return `${partition}/${offset}`;
}

function show({ value, outcome, partition, offset }: SendEvent): string {
  const where = partition === undefined ? "" : ` at ${partition}/${offset}`;
  return `${quote(value)} (${outcome}${where})`;
}

function quote(bytes: Bytes | null | undefined): string {
  if (bytes === null || bytes === undefined) return "null";
  return JSON.stringify(asBuffer(bytes).toString().slice(0, 40));
}

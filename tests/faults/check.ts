/**
 * The verdict on a run, from its files:
 *
 *     deno run --allow-read tests/faults/check.ts FOLDER
 *
 * @module
 */
import { check as checkDelivery, type Verdict } from "../support/checker.ts";
import { checkConsumers, type Handling, handlingOf } from "./consumer_checks.ts";
import { type History, padding, readHistory, type Send, type Stored, valueOf } from "./history.ts";
import { checkNames } from "./name_checks.ts";
import { checkProcesses } from "./process_checks.ts";
import { showRun } from "./report.ts";

/** What came of a run. */
export interface Result {
  history: History;
  verdicts: Verdict[];
  handling: Handling;
  /** Whether every invariant held, and the run came to its end. */
  held: boolean;
}

/** Judges a history. @throws {RangeError} when it cannot be judged */
export function judge(history: History): Result {
  const handling = handlingOf(history);
  const verdicts = [
    ...deliveryVerdicts(history),
    ...checkNames(history),
    ...checkConsumers(history, handling),
    ...checkProcesses(history),
  ].sort((a, b) => rank(a) - rank(b));
  const ended = history.end !== undefined && history.end.failure === undefined;
  return { history, verdicts, handling, held: ended && verdicts.every(({ offences }) => offences === 0) };
}

const rank = ({ invariant }: Verdict) => invariant === "--" ? 99 : Number(invariant.slice(1));

/** I1, I3, I4 and I5, on all topics whose records are still there. */
function deliveryVerdicts({ settings, sends, records }: History): Verdict[] {
  const reports = settings.topics.filter(({ kind }) => kind === "keyed" || kind === "growing").map(({ name }) => {
    const history = sends.filter(({ topic }) => topic === name).map((send) => ({ ...send, value: valueOf(send) }));
    const log = records.filter(({ topic }) => topic === name).map(toLogRecord);
    // Our clients never send anything twice, so not even an unknown outcome is an excuse for two copies.
    return checkDelivery(history, log, { unknownTwice: "refuse" }).verdicts;
  });
  const merged: Verdict[] = reports[0].map((first, i) => {
    const all = reports.map((verdicts) => verdicts[i]);
    return {
      ...first,
      checked: all.reduce((sum, { checked }) => sum + checked, 0),
      offences: all.reduce((sum, { offences }) => sum + offences, 0),
      first: all.find(({ first }) => first)?.first,
    };
  });
  return [...merged, judgeWithinRequests(sends)];
}

function toLogRecord({ partition, offset, key, id, pad, intact }: Stored) {
  const encoder = new TextEncoder();
  return {
    partition,
    offset: BigInt(offset),
    key: key === null ? null : encoder.encode(key),
    value: encoder.encode(`${id} ${intact ? padding(pad) : "damaged"}`),
  };
}

/** Within one request, the order of a key's records is that of the request. */
function judgeWithinRequests(sends: Send[]): Verdict {
  const acknowledged = sends.filter(({ outcome, key }) => outcome === "ok" && key !== null);
  const groups = Map.groupBy(acknowledged, ({ request, key }) => `${request} ${key}`);
  let [checked, offences] = [0, 0];
  let first: string | undefined;
  for (const its of groups.values()) {
    for (let i = 1; i < its.length; i++) {
      checked++;
      const [a, b] = [its[i - 1], its[i]];
      if (a.partition === b.partition && a.offset! < b.offset!) continue;
      offences++;
      first ??=
        `${a.id} at ${a.partition}/${a.offset} and ${b.id} at ${b.partition}/${b.offset} in request ${a.request}`;
    }
  }
  return { invariant: "I4", states: "per key, a request's records are in its order", checked, offences, first };
}

if (import.meta.main) {
  const result = judge(readHistory(Deno.args[0]));
  console.log(showRun(result));
  Deno.exit(result.held ? 0 : 1);
}

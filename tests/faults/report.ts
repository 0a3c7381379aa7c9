/**
 * A run's result as text.
 *
 * @module
 */
import type { Result } from "./check.ts";
import type { FaultEvent, History } from "./history.ts";

/** The figures of a run. */
export interface Figures {
  seed: number;
  faults: number;
  acknowledged: number;
  refused: number;
  unknown: number;
  /** Records in the log, and how often they were handled. */
  records: number;
  handled: number;
  redelivered: number;
  /** From the death of a leader until its partitions took records again, in ms, one for each partition. */
  unavailable: number[];
  /** The longest time without any acknowledgement, whatever was at work, in ms. */
  silentMs: number;
  /** From the end of the load until everything was committed, in ms. */
  recoveryMs: number | undefined;
  maxRssMb: number;
  maxFiles: number;
}

/** Counts. */
export function figuresOf({ history, handling }: Result): Figures {
  const { settings, sends, samples, end, records } = history;
  const by = Object.groupBy(sends, ({ outcome }) => outcome);
  const distinct = [...handling.fates.values()].flat().filter(({ handled }) => handled.length > 0).length;
  const most = (of: (sample: History["samples"][number]) => number) => samples.reduce((m, s) => Math.max(m, of(s)), 0);
  return {
    seed: settings.seed,
    faults: happened(history).length,
    acknowledged: by.ok?.length ?? 0,
    refused: by.refused?.length ?? 0,
    unknown: by.unknown?.length ?? 0,
    records: records.length,
    handled: handling.mentions.length,
    redelivered: handling.mentions.length - distinct,
    unavailable: unavailability(history),
    silentMs: Math.round(longestPause((by.ok ?? []).map(({ end }) => end))),
    recoveryMs: end?.caughtUpAt === undefined ? undefined : end.caughtUpAt - end.loadEndedAt,
    maxRssMb: most(({ rssMb }) => rssMb),
    maxFiles: most(({ files }) => files),
  };
}

/** Faults as they began, but for those that were carried out badly, or lay in wait for messages that never came. */
export function happened({ faults }: Pick<History, "faults">): FaultEvent[] {
  const ends = new Map(faults.filter(({ phase }) => phase !== "begin").map((fault) => [fault.id, fault]));
  return faults.filter(({ id, phase }) => {
    const end = ends.get(id);
    return phase === "begin" && end?.phase !== "failed" && end?.hits !== 0;
  });
}

/** Other faults keep partitions from being written, too: only deaths with nothing else at work can be measured. */
const ALONE_MS = 10_000;

/** The longest pause between acknowledgements of each partition whose leader was killed, when nothing else was wrong. */
function unavailability({ faults, sends }: History): number[] {
  const begun = faults.filter(({ phase }) => phase === "begin");
  const spans = begun.map(({ id, t }) => ({
    id,
    from: t,
    to: faults.find((f) => f.id === id && f.phase !== "begin")?.t,
  }));
  const deaths = begun.filter(({ led, detail }) => led?.length && detail.startsWith("SIGKILL"));
  return deaths.filter(({ id, t }) =>
    spans.every((span) => span.id === id || (span.to ?? Infinity) < t - 1_000 || span.from > t + ALONE_MS)
  ).flatMap(({ t, led }) =>
    led!.map((part) => {
      const times = sends.filter(({ outcome, topic, partition, end }) =>
        outcome === "ok" && `${topic}[${partition}]` === part && end > t - 1_000 && end < t + ALONE_MS
      ).map(({ end }) => end);
      return Math.round(longestPause(times));
    })
  );
}

/** Between one of these times and the next, in ms. */
export function longestPause(times: number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted.reduce((longest, time, i) => Math.max(longest, time - (sorted[i - 1] ?? time)), 0);
}

/** Everything about a run that somebody may want to know: seed, faults in the order of time, verdicts, counts. */
export function showRun(result: Result): string {
  const { history: { settings, faults, end, processes }, verdicts, held } = result;
  const f = figuresOf(result);
  const seconds = (t: number) => ((t - settings.startedAt) / 1_000).toFixed(1).padStart(6);
  const ends = new Map(faults.filter(({ phase }) => phase !== "begin").map((fault) => [fault.id, fault]));
  const shown = faults.filter(({ phase, id }) => phase === "begin" || (phase === "failed" && !ends.has(id)))
    .map(({ t, id, detail }) => {
      const last = ends.get(id);
      const failed = last?.phase === "failed" ? ` FAILED: ${last.detail}` : "";
      const met = last?.hits === undefined ? "" : ` (met ${last.hits})`;
      return `${seconds(t)} to ${last ? seconds(last.t) : "     ?"} s  ${detail}${met}${failed}`;
    });
  const starts = processes.filter(({ event }) => event === "start").length;
  return [
    `seed ${settings.seed}: ${f.faults} faults in ${settings.seconds} s, ${starts} starts of processes`,
    ...shown,
    `${f.acknowledged} acknowledged, ${f.refused} refused, ${f.unknown} unknown; ${f.records} in the log, ` +
    `handled ${f.handled} times, ${f.redelivered} of them again`,
    `caught up ${f.recoveryMs ?? "NEVER"} ms after the load; never longer than ${f.silentMs} ms without an ` +
    `acknowledgement; at most ${f.maxRssMb} MB and ${f.maxFiles} open files`,
    ...(f.unavailable.length > 0 ? [`unavailable after a leader's death: ${f.unavailable.join(", ")} ms`] : []),
    ...verdicts.map(({ invariant, states, checked, offences, first }) =>
      `${offences > 0 ? "BROKEN" : "held  "} ${invariant.padEnd(3)} ${states}: ${offences} of ${checked}` +
      (first ? `, first: ${first}` : "")
    ),
    end?.failure ? `FAILED: ${end.failure}` : end ? held ? "all held" : "NOT ALL HELD" : "INTERRUPTED",
  ].join("\n");
}

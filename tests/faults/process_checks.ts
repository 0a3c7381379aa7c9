/**
 * What the processes showed from outside, whatever became of their records: I9, I10, I11.
 *
 * @module
 */
import { type Verdict, verdict } from "../support/checker.ts";
import { isCalm } from "./consumer_checks.ts";
import type { History, ProcessEvent, Send } from "./history.ts";

/** More than twice what was ever seen: they bound what grows. */
const MAX_RSS_MB = 250;
const MAX_FILES = 100;

/**
 * A request is at work when the server has run for so long since it was sent, in ms. What comes later may never be read:
 * HTTP knows no way to tell.
 */
const TAKEN_IN_MS = 100;

/** The verdicts on processes and requests. */
export function checkProcesses(history: History): Verdict[] {
  return [
    verdict("I9", "asked to stop, it refuses, answers, flushes, commits, leaves and exits in time", {
      items: stops(history),
      judge: (stop) => judgeStop(history, stop),
    }),
    judgeRequests(history),
    verdict("I10", "memory and open files are bounded", {
      items: history.samples,
      judge: ({ process, rssMb, files }) =>
        (rssMb > MAX_RSS_MB || files > MAX_FILES) && `${process} had ${rssMb} MB and ${files} open files`,
    }),
    verdict("I11", "the lag returns to 0", {
      items: Object.entries(history.end?.lag ?? {}),
      judge: ([topic, lag]) => (lag !== 0 || !history.end?.caughtUpAt) && `${topic} was ${lag} records behind`,
    }),
    verdict("--", "no process ended by itself", {
      items: history.processes.filter(({ event }) => event === "exit"),
      judge: ({ process, life, code, signal, asked }) =>
        !asked && `life ${life} of ${process} ended with ${signal ?? `exit code ${code}`}`,
    }),
  ];
}

/** A process that was asked to stop, and all that was noted about it until its next life. */
interface Stop {
  asked: ProcessEvent;
  notes: ProcessEvent[];
}

function stops({ processes }: History): Stop[] {
  const asked = processes.filter(({ process, signal, event }) =>
    event === "signal" && signal === "SIGTERM" && !process.startsWith("broker-")
  );
  return asked.map((asked) => ({
    asked,
    notes: processes.filter(({ process, life, t }) => process === asked.process && life === asked.life && t >= asked.t),
  }));
}

function judgeStop(history: History, { asked, notes }: Stop): string | false {
  const { process, life, t } = asked;
  const who = `life ${life} of ${process}`;
  const find = (event: ProcessEvent["event"]) => notes.find((note) => note.event === event);
  const exit = find("exit");
  if (!exit) return `${who} has no exit`;
  if (exit.signal) return `${who} had to be killed (${exit.signal})`;
  const took = exit.t - t;
  if (took > history.settings.shutdownTimeoutMs + history.settings.leewayMs) return `${who} took ${took} ms to stop`;
  // Where Kafka did not answer, what is not flushed or committed is told by exit code 1.
  const calm = isCalm(history, t);
  if (calm ? exit.code !== 0 : exit.code! > 1) return `${who} ended with exit code ${exit.code}`;
  if (calm && find("group-not-left")) return `${who} is still a member of its group`;
  if (process !== "server") return false;
  const { frozen } = outages(history);
  const cut = history.sends.find(({ start, end, status }) =>
    status === 0 && end >= t && t - start - overlap(frozen, { start, end: t }) > TAKEN_IN_MS
  );
  if (cut) return `request ${cut.request} was at work when ${who} was asked to stop, and got no answer`;
  return history.end?.healedAt !== undefined && t > history.end.healedAt && took > 50 && !lastStop(history, asked) &&
    !find("unready") && `${who} said that it was ready after it was asked to stop`;
}

/** At the very end nobody asks whether it is ready. */
function lastStop({ processes }: History, { process, life }: ProcessEvent): boolean {
  return !processes.some((later) => later.process === process && later.life > life);
}

/** From when until when something was so. */
type Span = [from: number, to: number];

function judgeRequests(history: History): Verdict {
  const { sends, settings } = history;
  const { down, frozen } = outages(history);
  // All records of a request have one end, but those of a stream.
  const requests = [...new Map(sends.map((send) => [`${send.request} ${send.end}`, send])).values()];
  return verdict("I10", "every request is answered in time", {
    items: requests,
    judge: (send) => {
      if (send.status === 0) {
        return overlap(down, send) === 0 && overlap(frozen, send) === 0 &&
          `${show(send)} had no answer: ${send.failure}`;
      }
      if (![200, 404, 503, 504].includes(send.status)) {
        return `${show(send)} was answered ${send.status}: ${send.failure}`;
      }
      const took = send.end - (send.since ?? send.start) - overlap(frozen, send);
      // A stream may wait for room in the buffer, which comes within the time of those who have it.
      const limit = settings.deliveryTimeoutMs * (send.since === undefined ? 1 : 2) + settings.leewayMs;
      return took > limit && `${show(send)} was answered after ${Math.round(took)} ms`;
    },
  });
}

/** When the server was not there, and when it could do nothing. */
function outages({ processes }: History): { down: Span[]; frozen: Span[] } {
  const down: Span[] = [];
  const frozen: Span[] = [];
  for (const { t, process, life, event, signal } of processes) {
    if (process !== "server" || event !== "signal") continue;
    const next = (found: (later: ProcessEvent) => boolean) =>
      processes.find((later) => later.process === process && later.t >= t && found(later))?.t ?? Infinity;
    if (signal === "SIGSTOP") frozen.push([t, next((later) => later.signal === "SIGCONT")]);
    else if (signal !== "SIGCONT") down.push([t, next((later) => later.life > life && later.event === "ready")]);
  }
  return { down, frozen };
}

/** For how long of its time a request was affected, in ms; a little for a moment. */
function overlap(spans: Span[], { start, end }: Pick<Send, "start" | "end">): number {
  return spans.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, end + 1) - Math.max(from, start - 1)), 0);
}

function show({ request, topic, start }: Send): string {
  return `request ${request} to ${topic}, sent at ${new Date(start).toISOString()},`;
}

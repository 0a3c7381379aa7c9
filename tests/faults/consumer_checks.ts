/**
 * What the consumers did, held against the log and the group's commits: I2, I6, I7, I8.
 *
 * @module
 */
import { type Verdict, verdict } from "../support/checker.ts";
import type { Handled, History } from "./history.ts";

/** All that was done with one record. */
interface Fate {
  place: string;
  id: string;
  /** In the order of time. */
  handled: Mention[];
}

interface Mention extends Handled {
  /** Which life of which consumer, such as `A-1`. */
  life: string;
  /** Where its line ends in that life's file. */
  endsAt: number;
}

/** What the consumers did, sorted for all checks. */
export interface Handling {
  /** By partition, such as `orders[0]`; its nth element is offset n. */
  fates: Map<string, Fate[]>;
  /** Of topics that can be judged. */
  mentions: Mention[];
}

/** The name of a partition. */
export function partOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}[${partition}]`;
}

/** Brings the log and what was handled together. */
export function handlingOf({ settings, records, handled }: History): Handling {
  const judged = new Set(settings.topics.filter(({ kind }) => kind !== "doomed").map(({ name }) => name));
  const fates = new Map<string, Fate[]>();
  for (const record of records) {
    const part = partOf(record);
    const its = fates.get(part) ?? [];
    its[record.offset] = { place: `${part}@${record.offset}`, id: record.id, handled: [] };
    fates.set(part, its);
  }
  const mentions = [...handled].flatMap(([life, lines]) => lines.map((line) => ({ ...line, life })))
    .filter(({ topic }) => judged.has(topic)).sort((a, b) => a.t - b.t);
  for (const mention of mentions) fates.get(partOf(mention))?.[mention.offset]?.handled.push(mention);
  return { fates, mentions };
}

/** The verdicts on the consumers. */
export function checkConsumers(history: History, handling: Handling): Verdict[] {
  return [
    judgeHandled(handling),
    verdict("I6", "a committed offset never passes the first unhandled record", {
      items: [...observedCommits(history, handling), ...keptCommits(history, handling)],
      judge: (offence) => offence,
    }),
    judgeMonotone(history, handling),
    verdict("I8", "nothing is handled again but what was not committed, and nothing at all after a clean stop", {
      items: [...beginnings(history, handling), ...afterCleanStops(history, handling)],
      judge: (offence) => offence,
    }),
  ];
}

function judgeHandled({ fates, mentions }: Handling): Verdict {
  const all = [...fates.values()].flat();
  const handled = verdict("I2", "what is in the log was handled", {
    items: all,
    judge: ({ place, id, handled }) => handled.length === 0 && `record ${id} at ${place} was not`,
  });
  const invented = verdict("I2", "", {
    items: mentions,
    judge: (mention) => {
      const fate = fates.get(partOf(mention))?.[mention.offset];
      return fate?.id !== mention.id &&
        `${mention.life} handled ${mention.id} at ${partOf(mention)}@${mention.offset}, where ${
          fate?.id ?? "nothing"
        } is`;
    },
  });
  return { ...handled, offences: handled.offences + invented.offences, first: handled.first ?? invented.first };
}

/** What another client saw while it ran, held against what was in the files just afterwards: no clock is involved. */
function* observedCommits({ observed }: History, { fates }: Handling): Generator<string | false> {
  const checked = new Map<string, number>();
  for (const { topic, offsets, files } of observed) {
    for (const [partition, offset] of offsets.entries()) {
      if (offset < 0) continue;
      const part = partOf({ topic, partition });
      let offence: string | false = false;
      let at = checked.get(part) ?? 0;
      for (; at < offset && !offence; at++) {
        const fate = fates.get(part)?.[at];
        const done = fate?.handled.some(({ life, endsAt }) => endsAt <= (files[life] ?? 0));
        if (!done) offence = `${part} was seen at ${offset} while ${at} was not handled`;
      }
      checked.set(part, at);
      yield offence;
    }
  }
}

/** Every commit, by the clock of this machine. */
function* keptCommits({ commits }: History, { fates }: Handling): Generator<string | false> {
  /** By partition: the time at which everything up to this offset had been handled. */
  const doneAt = new Map([...fates].map(([part, its]) => {
    let last = 0;
    return [part, its.map(({ handled }) => last = Math.max(last, handled[0]?.t ?? Infinity))];
  }));
  for (const { t, topic, partition, offset } of commits) {
    const part = partOf({ topic, partition });
    const done = doneAt.get(part);
    if (offset === 0 || !done) continue;
    const ready = done[offset - 1] ?? Infinity;
    const late = ready === Infinity ? "never" : `${ready - t} ms later`;
    yield ready > t && `${part} was committed up to ${offset}, of which the last was handled ${late}`;
  }
}

/** Within what one consumer got at once, each record comes right behind the one before it. */
function judgeMonotone({ handled, assigned }: History, { fates }: Handling): Verdict {
  const steps: { life: string; before: Handled; after: Handled }[] = [];
  for (const [life, lines] of handled) {
    for (const [part, its] of Map.groupBy(lines, partOf)) {
      if (!fates.has(part)) continue; // of a topic that was deleted
      for (let i = 1; i < its.length; i++) steps.push({ life, before: its[i - 1], after: its[i] });
    }
  }
  return verdict("I7", "a partition's records are handled in order, between one assignment and the next", {
    items: steps,
    judge: ({ life, before, after }) => {
      if (after.offset === before.offset + 1) return false;
      if (assigned.get(life)?.some((t) => t >= before.t && t <= after.t)) return false;
      return `${life} handled ${after.offset} of ${partOf(after)} after ${before.offset}`;
    },
  });
}

/** Where consumers began, held against what the group had committed when they were given the partition. */
function* beginnings(history: History, { fates }: Handling): Generator<string | false> {
  const byPart = Map.groupBy(history.commits, partOf);
  for (const [life, lines] of history.handled) {
    for (const [part, its] of Map.groupBy(lines, partOf)) {
      if (!fates.has(part)) continue;
      const kept = byPart.get(part) ?? [];
      for (const [i, { t, topic, partition, offset }] of its.entries()) {
        if (i > 0 && offset === its[i - 1].offset + 1) continue;
        const given = history.assigned.get(life)?.findLast((at) => at <= t);
        if (given === undefined) continue;
        const firm = kept.filter((it) => it.t < given && !mayBeUnknown(history, it.t, given));
        const committed = firm.reduce((most, it) => Math.max(most, it.offset), 0);
        const early = offset < committed && !hadForgotten(history, { topic, partition, offset, given });
        yield early && `${life} began ${part} at ${offset}, though ${committed} was committed before`;
      }
    }
  }
}

/** Twice as long as a replica may wait for news (replica.fetch.wait.max.ms), in ms. */
const NEWS_MS = 1_000;

/**
 * Whether a broker went so soon after a commit that the next coordinator need not know of it: replicas hear only with
 * their next fetch how far the others are, and until then a new leader answers what is below the high watermark that it
 * knows (seen on Kafka 4.3.1: it told an offset that had been committed 340 ms before the coordinator was killed, with a
 * later one in its log).
 */
function mayBeUnknown({ processes }: History, committedAt: number, given: number): boolean {
  return processes.some(({ process, event, signal, t }) =>
    process.startsWith("broker-") && event === "signal" && signal !== "SIGCONT" &&
    t > committedAt && t < Math.min(given, committedAt + NEWS_MS)
  );
}

/** How long before a beginning all brokers must have been gone for Kafka to be excused, and how soon a look must follow. */
const FORGOT_MS = { gone: 60_000, look: 5_000 };

/**
 * Whether Kafka itself had forgotten. For a moment after all brokers restarted it answers with an offset that was
 * committed earlier, although the last commit is in its log (seen on Kafka 4.3.1: it answers what is below the high
 * watermark, and that comes up to the end of the log only then). The other client is the witness: it must have been
 * told no more than where the consumer began, and less than what the log says was committed last by then. So a
 * consumer that takes its group back is not excused: its commits are in the log.
 */
function hadForgotten(
  history: History,
  { topic, partition, offset, given }: { topic: string; partition: number; offset: number; given: number },
): boolean {
  const gone = lastTimeWithoutBrokers(history, given);
  const look = history.observed.find((it) => it.topic === topic && it.t >= given);
  if (gone === undefined || given - gone > FORGOT_MS.gone || !look || look.t > given + FORGOT_MS.look) return false;
  const told = look.offsets[partition];
  const last = history.commits.findLast((it) => it.topic === topic && it.partition === partition && it.t <= given);
  return told <= offset && last !== undefined && told < last.offset;
}

/** When all brokers were last gone at once before a moment. */
function lastTimeWithoutBrokers({ processes }: History, before: number): number | undefined {
  const its = processes.filter(({ process, t }) => process.startsWith("broker-") && t < before);
  const gone = new Set<string>();
  let last: number | undefined;
  for (const { t, process, event } of its) {
    if (event === "exit") gone.add(process);
    if (event === "ready") gone.delete(process);
    if (event === "exit" && gone.size === BROKERS) last = t;
  }
  return last;
}

/** In the cluster of a run. */
const BROKERS = 3;

/** What a consumer handled that was then asked to stop, when nothing else was wrong, is handled by nobody afterwards. */
function* afterCleanStops(history: History, { fates, mentions }: Handling): Generator<string | false> {
  const exits = history.processes.filter(({ process, event, code, asked }) =>
    process.startsWith("consumer-") && event === "exit" && code === 0 && asked
  );
  for (const { process, life, t } of exits) {
    if (!isCalm(history, t)) continue;
    const name = `${process.slice("consumer-".length)}-${life}`;
    for (const mention of mentions) {
      if (mention.life !== name) continue;
      const place = fates.get(partOf(mention))?.[mention.offset];
      const again = place?.handled.find((other) => other.t > t && other.life !== name);
      yield again !== undefined &&
        `${place!.place} was handled by ${name}, which stopped in order, and by ${again.life}`;
    }
  }
}

/** How long before a moment nothing may have been wrong, in ms, for it to count as calm. */
const CALM_MS = 1_000;

/** Whether no fault was at work at a moment, or shortly before. */
export function isCalm({ faults }: Pick<History, "faults">, t: number): boolean {
  const begun = faults.filter(({ phase }) => phase === "begin");
  return begun.every(({ id, t: from }) => {
    const end = faults.find((it) => it.id === id && it.phase !== "begin");
    return t < from || t > (end?.t ?? Infinity) + CALM_MS;
  });
}

/**
 * What a run writes down while it happens, one JSON object a line, never changed afterwards. The verdict comes from
 * these files alone, so a run can be judged again.
 *
 *   run.json           seed, settings and topics
 *   sends.jsonl        what the load's clients sent and were told
 *   handled-*.jsonl    what each consumer process handled, synced to the disk before its handler returned
 *   consumer-*.log     what each consumer process said
 *   commits.jsonl      the group's offsets as another client saw them meanwhile
 *   committed.jsonl    every commit that Kafka kept, read from its own topic in the end
 *   processes.jsonl    starts, signals and exits
 *   faults.jsonl       what the nemesis did
 *   samples.jsonl      memory and open files of our processes
 *   records.jsonl      the topics, read in the end
 *   end.json           how the recovery went; missing if the run was interrupted
 *
 * Times are in ms since 1970, of this machine's one clock.
 *
 * @module
 */
import { join } from "node:path";

/** A topic and how it is used. */
export interface TopicUse {
  name: string;
  /**
   * `keyed`: partitions stay as they are, so that a key's order holds. `growing`: partitions are added. `names`: the
   * server makes up what is in it. `doomed`: it is deleted and made again, so nothing can be said about what was in it.
   */
  kind: "keyed" | "growing" | "names" | "doomed";
}

/** One of each kind, told apart from those of other runs. */
export function topicsOf(run: string): TopicUse[] {
  return (["keyed", "growing", "names", "doomed"] as const).map((kind) => ({ name: `${kind}-${run}`, kind }));
}

/** Fixed before the run begins. */
export interface RunSettings {
  seed: number;
  seconds: number;
  startedAt: number;
  group: string;
  topics: TopicUse[];
  deliveryTimeoutMs: number;
  shutdownTimeoutMs: number;
  /** What a busy machine with two cores may add to any time limit. */
  leewayMs: number;
  /** How long after the last heal everything must be handled and committed. */
  recoveryMs: number;
}

/** One record that a client sent. */
export interface Send {
  /** The first word of its value, unlike any other's. Of a name: just a number, since the server makes up the value. */
  id: string;
  /** What the server says that it wrote, if it made that up. */
  name?: string;
  /** Length of what follows the first word. */
  pad: number;
  topic: string;
  key: string | null;
  /** Requests of all clients are numbered. */
  request: number;
  start: number;
  /** From when on the answer was due, if not from the start: the rest of a stream had to be sent first. */
  since?: number;
  end: number;
  outcome: "ok" | "refused" | "unknown";
  partition?: number;
  offset?: number;
  /** Of the response; 0 if there was none. */
  status: number;
  /** Why there was none. */
  failure?: string;
}

/** One record that a handler handled. */
export interface Handled {
  /** Just before it was written down. */
  t: number;
  topic: string;
  partition: number;
  offset: number;
  id: string;
}

/** A line of commits.jsonl: offsets first, then the lengths of the files that say what had been handled by then. */
export interface Observed {
  t: number;
  topic: string;
  /** -1 where there is none. */
  offsets: number[];
  files: Record<string, number>;
}

/** A commit as Kafka's own topic has it. */
export interface Commit {
  t: number;
  topic: string;
  partition: number;
  offset: number;
}

/** A process's life. `ready`: it serves, or has joined its group. */
export interface ProcessEvent {
  t: number;
  /** `server`, `consumer-A`, `broker-1`. */
  process: string;
  /** Counted from 1: which of its lives. */
  life: number;
  event: "start" | "ready" | "signal" | "exit" | "unready" | "group-left" | "group-not-left" | "silent";
  signal?: string;
  /** Of an exit: the code, the signal, and whether we asked for it. */
  code?: number;
  asked?: boolean;
  detail?: string;
}

/** A fault begins, or is over. */
export interface FaultEvent {
  t: number;
  id: number;
  kind: string;
  phase: "begin" | "end" | "failed";
  detail: string;
  /** Of a broker's death: the partitions that it led. */
  led?: string[];
  /** Of the end of one that lies in wait for messages: how many it met. */
  hits?: number;
}

/** One look at a process. */
export interface Sample {
  t: number;
  process: string;
  rssMb: number;
  files: number;
}

/** A record as it is in the log. */
export interface Stored {
  topic: string;
  partition: number;
  offset: number;
  key: string | null;
  id: string;
  /** What follows the id is as it was sent: {@linkcode padding}. */
  pad: number;
  intact: boolean;
}

/** How it ended. */
export interface RunEnd {
  healedAt: number;
  loadEndedAt: number;
  /** When the group had committed everything; undefined if it did not in time. */
  caughtUpAt?: number;
  endedAt: number;
  /** Records that were never committed by then, of each topic. */
  lag: Record<string, number>;
  failure?: string;
}

/** Everything about a run, read back. */
export interface History {
  settings: RunSettings;
  sends: Send[];
  /** By file, in the order of the file. */
  handled: Map<string, (Handled & { endsAt: number })[]>;
  /** By process and life, such as `A-1`: when it was given partitions. */
  assigned: Map<string, number[]>;
  observed: Observed[];
  commits: Commit[];
  processes: ProcessEvent[];
  faults: FaultEvent[];
  samples: Sample[];
  records: Stored[];
  end?: RunEnd;
}

/** What follows the id in a record's value. Not ASCII, so that bytes and characters differ. */
export function padding(length: number): string {
  return "名字nom".repeat(Math.ceil(length / 5)).slice(0, length);
}

/** A record's value. */
export function valueOf({ id, pad }: { id: string; pad: number }): string {
  return `${id} ${padding(pad)}`;
}

/** Appends lines to a file, each as soon as it is known. */
export class Journal<T> implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();

  constructor(path: string) {
    this.#file = Deno.openSync(path, { create: true, append: true, write: true });
  }

  add(...events: T[]): void {
    const text = events.map((event) => JSON.stringify(event) + "\n").join("");
    const bytes = this.#encoder.encode(text);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** The whole lines of a file; the last one of a process that was killed may be half a line. */
export function readLines<T>(path: string): T[] {
  return wholeLines(path).map(({ text }) => JSON.parse(text));
}

function wholeLines(path: string): { text: string; endsAt: number }[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const encoder = new TextEncoder();
  let endsAt = 0;
  return text.split("\n").slice(0, -1).map((text) => ({ text, endsAt: endsAt += encoder.encode(text).length + 1 }))
    .filter(({ text }) => text !== "");
}

/** Reads a run's folder. @throws {Error} when it is none */
export function readHistory(folder: string): History {
  const at = (name: string) => join(folder, name);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const handled: History["handled"] = new Map();
  const assigned: History["assigned"] = new Map();
  for (const name of names) {
    const life = /^(?:handled|consumer)-(.+)\.(?:jsonl|log)$/.exec(name)?.[1];
    if (!life) continue;
    if (name.startsWith("handled")) {
      handled.set(life, wholeLines(at(name)).map(({ text, endsAt }) => ({ ...JSON.parse(text), endsAt })));
    } else assigned.set(life, assignments(at(name)));
  }
  const ended = names.includes("end.json");
  return {
    settings: JSON.parse(Deno.readTextFileSync(at("run.json"))),
    sends: readLines(at("sends.jsonl")),
    handled,
    assigned,
    observed: readLines(at("commits.jsonl")),
    commits: readLines(at("committed.jsonl")),
    processes: readLines(at("processes.jsonl")),
    faults: readLines(at("faults.jsonl")),
    samples: readLines(at("samples.jsonl")),
    records: readLines(at("records.jsonl")),
    end: ended ? JSON.parse(Deno.readTextFileSync(at("end.json"))) : undefined,
  };
}

/** When a consumer said that it was given partitions. */
function assignments(path: string): number[] {
  return wholeLines(path).filter(({ text }) => text.includes('"message":"assigned ')).map(({ text }) => {
    return Date.parse(JSON.parse(text).time);
  });
}

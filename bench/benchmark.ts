/**
 * What all benchmarks have in common: flags, the stage they are run on, how contests are run and told.
 *
 * @module
 */
import { helpText, integer, optional, readSettings, type Settings, toggle, type Values } from "../settings.ts";
import { type Contest, type Result, run } from "./contest.ts";
import { type BenchKafka, benchKafka } from "./kafka.ts";
import { type Payloads, writePayloads } from "./payloads.ts";
import { clientCommand } from "./produce_client.ts";
import type { Report } from "./results.ts";
import { contestTable } from "./table.ts";
import { mustRun } from "./tools.ts";

/** Flags that every benchmark takes, and all of them together. */
export const COMMON = {
  rounds: integer("--rounds", 3, "runs of each contestant; the median counts", [1, 100]),
  only: optional("--only", "the contests whose title contains this; nothing is kept"),
  peers: toggle("--peers", false, "beside endpoints in Go and Python too, which are installed into .cache/peers/"),
  quick: toggle("--quick", false, "few contests, one short round, to see that all of it runs; nothing is kept"),
};

/** What benchmarks run on; one for all that run together. */
export interface Stage {
  kafka: BenchKafka;
  payloads: Payloads;
  onProgress(line: string): void;
}

/** A stage with the flags applied. */
export interface Bench extends Stage {
  /** Runs contests one after the other, as far as they are asked for, and prints their tables. */
  contests(list: readonly Contest[]): Promise<Result[]>;
}

/** What a benchmark is made of. */
interface Definition<S extends Settings> {
  /** One line for `--help`. */
  about: string;
  usage: string;
  /** Besides {@linkcode COMMON}. */
  settings: S;
  measure(values: Values<typeof COMMON & S>, bench: Bench): Promise<Report>;
}

/** Something to measure; `bench/main.ts` has the table of them. */
export interface Benchmark {
  about: string;
  help: string;
  /** Reads flags, before anything is started. @throws {ConfigError} */
  prepare(args: readonly string[]): Prepared;
}

/** A benchmark whose flags are read. */
export interface Prepared {
  /** Whether its figures are worth keeping: all of them were asked for, at their full length. */
  keep: boolean;
  quick: boolean;
  /** Measures, and prints tables. */
  run(stage: Stage): Promise<Report>;
}

/** Makes a benchmark. */
export function benchmark<S extends Settings>({ about, usage, settings, measure }: Definition<S>): Benchmark {
  const all = { ...COMMON, ...settings };
  return {
    about,
    help: helpText(all, usage),
    prepare(args) {
      const values = readSettings(all, { args }, () => []);
      // What is always there, whatever S adds.
      const { rounds, only, quick } = values as Values<typeof COMMON>;
      const rules = { rounds: quick ? 1 : rounds, only };
      return {
        keep: !quick && only === undefined,
        quick,
        run: (stage) => measure(values, { ...stage, contests: (list) => runAll(list, { ...rules, ...stage }) }),
      };
    },
  };
}

interface AllRules extends Stage {
  rounds: number;
  only?: string;
}

async function runAll(contests: readonly Contest[], { rounds, only = "", onProgress }: AllRules): Promise<Result[]> {
  const results: Result[] = [];
  for (const contest of contests) {
    if (!contest.title.includes(only)) continue;
    results.push(await run(contest, { rounds, onProgress }));
    console.log(contestTable(results.at(-1)!) + "\n");
  }
  return results;
}

/** Starts what benchmarks run on; disposing of it removes all of it. */
export async function openStage({ quick }: { quick: boolean }): Promise<Stage & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const onProgress = (line: string) => console.error(line);
  const kafka = stack.use(await benchKafka(onProgress));
  const payloads = stack.use(await writePayloads());
  if (!quick) await warmUp({ kafka, payloads, onProgress });
  const owned = stack.move();
  return { kafka, payloads, onProgress, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Kafka's Java compiles what it does often: the first half minute of its life is no measure for anybody. */
export async function warmUp({ kafka, payloads, onProgress }: Stage): Promise<void> {
  onProgress("warming Kafka up");
  const job = {
    client: "ours",
    bootstrap: kafka.bootstrap,
    payloads: payloads.values(100),
    keys: false,
    compression: "none",
  } as const;
  const loads = [
    { perCall: 1, calls: 1, records: 50_000 }, // one by one: it is requests that it must have seen often
    { perCall: 1, calls: 64, records: 1_000_000 },
    { perCall: 100, calls: 1_000, records: 3_000_000 },
  ];
  for (const load of loads) {
    await kafka.withTopic({ partitions: 3 }, (topic) => mustRun(clientCommand({ ...job, ...load, topic })));
  }
}

/**
 * Benchmarks: what is here beside what people would use instead, on one Kafka, in one run.
 *
 *     deno task bench              all of them
 *     deno task bench produce --help
 *
 * @module
 */
import { ConfigError } from "../errors.ts";
import { helpText, readSettings } from "../settings.ts";
import { type Benchmark, COMMON, openStage, type Prepared } from "./benchmark.ts";
import { consume } from "./consume.ts";
import { http } from "./http.ts";
import { latency } from "./latency.ts";
import { writePerformance } from "./performance.ts";
import { produce } from "./produce.ts";
import { keepReport } from "./results.ts";
import { scaling } from "./scaling.ts";
import { start } from "./start.ts";

/** In the order in which they are run, and told. */
const BENCHMARKS: Record<string, Benchmark> = { http, produce, consume, latency, start, scaling };

function usage(): string {
  const lines = Object.entries(BENCHMARKS).map(([name, { about }]) => `  ${name.padEnd(10)}${about}`);
  return `Measures, prints tables, keeps the figures in bench/results.json, and makes docs/performance.md of them.

Usage: deno task bench [NAME] [flags]
${lines.join("\n")}
  report    measures nothing: makes docs/performance.md again, of bench/results.json and bench/profiles.md

KAFKA_BROKERS names the Kafka to measure with; without it one is started. --help after a name lists all its flags.`;
}

async function main(args: readonly string[]): Promise<number> {
  const name = args[0]?.startsWith("-") ? undefined : args[0];
  const flags = name === undefined ? args : args.slice(1);
  if (name !== undefined && name !== "report" && !(name in BENCHMARKS)) {
    console.error(usage());
    return 2;
  }
  if (flags.some((flag) => flag === "--help" || flag === "-h")) {
    console.log(name === undefined || name === "report" ? helpText(COMMON, usage()) : BENCHMARKS[name].help);
    return 0;
  }
  try {
    if (name === "report") console.error(`wrote ${await writePerformance()}`);
    else await measure(prepare(name, flags));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    return 2;
  }
}

type Named = Prepared & { name: string };

/** All of them or one, with flags read before anything is started. @throws {ConfigError} */
function prepare(name: string | undefined, flags: readonly string[]): Named[] {
  if (name === undefined) readSettings(COMMON, { args: flags }, () => []); // not those that only one of them has
  const names = name === undefined ? Object.keys(BENCHMARKS) : [name];
  return names.map((each) => ({ name: each, ...BENCHMARKS[each].prepare(flags) }));
}

async function measure(benchmarks: readonly Named[]): Promise<void> {
  const command = ["deno task bench", ...Deno.args].join(" ");
  await using stage = await openStage(benchmarks[0]);
  for (const { name, keep, run } of benchmarks) {
    const report = await run(stage);
    if (keep) {
      console.error(`kept in ${await keepReport({ name, ...report }, { command, stage: stage.kafka.versions })}`);
    }
  }
  if (benchmarks[0].keep) console.error(`wrote ${await writePerformance()}`);
  else console.error("bench/results.json and docs/performance.md stay as they are: --quick and --only are for a look");
}

if (import.meta.main) Deno.exit(await main(Deno.args));

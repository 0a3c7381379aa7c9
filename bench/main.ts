/**
 * Benchmarks: what is here beside what people would use instead, on one Kafka, in one run.
 *
 *     deno task bench              all of them
 *     deno task bench produce --help
 *
 * @module
 */
import { ConfigError } from "../errors.ts";
import { consume } from "./consume.ts";
import { http } from "./http.ts";
import { produce } from "./produce.ts";
import { type Benchmark, writeReport } from "./results.ts";

const BENCHMARKS: Record<string, Benchmark> = { consume, http, produce };

function usage(): string {
  const lines = Object.entries(BENCHMARKS).map(([name, { about }]) => `  ${name.padEnd(10)}${about}`);
  return `Measures, prints tables, and keeps the figures in bench/results.json.

Usage: deno task bench [NAME [flags]]
${lines.join("\n")}

KAFKA_BROKERS names the Kafka to measure with; without it one is started. --help after a name lists its flags.`;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name !== undefined && !(name in BENCHMARKS)) {
    console.error(usage());
    return name === "--help" || name === "-h" ? 0 : 2;
  }
  try {
    for (const each of name === undefined ? Object.keys(BENCHMARKS) : [name]) {
      const report = await BENCHMARKS[each].run(args);
      if (report) console.error(`kept in ${await writeReport(each, report)}`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    return 2;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));

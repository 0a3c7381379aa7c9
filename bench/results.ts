/**
 * `bench/results.json`: what was measured last, by benchmark, with all that is needed to measure it again.
 *
 * @module
 */
import os from "node:os";
import denoJson from "../deno.json" with { type: "json" };
import { run } from "../dev/run.ts";

const PATH = new URL("results.json", import.meta.url);

/** What one benchmark leaves in the file. */
export interface Report {
  /** Under which name, where it is not the benchmark's. */
  name?: string;
  /** Figures, in a form of the benchmark's own. */
  results: unknown;
  /** Versions of what only this benchmark uses. */
  versions?: Record<string, string>;
}

/** Something to measure; `bench/main.ts` has the table of them. */
export interface Benchmark {
  /** One line for `--help`. */
  about: string;
  /** Measures, and prints tables. Nothing is kept of one that only printed its help. @throws {ConfigError} */
  run(args: readonly string[]): Promise<Report | undefined>;
}

/** Puts a benchmark's report in the place of its last one. @returns the path of the file */
export async function writeReport(name: string, { name: own, results, versions }: Report): Promise<string> {
  const all = JSON.parse(await Deno.readTextFile(PATH).catch(() => "{}"));
  all[own ?? name] = {
    date: new Date().toISOString(),
    command: `deno task bench ${Deno.args.join(" ")}`,
    machine: machine(),
    versions: { deno: Deno.version.deno, kafkajs: denoJson.imports.kafkajs.split("@").at(-1), ...versions },
    results,
  };
  await Deno.writeTextFile(PATH, JSON.stringify(all, null, 2) + "\n");
  return "bench/results.json";
}

function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model ?? "unknown",
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
  };
}

/** The first thing in a program's output that looks like a version, or undefined when there is no such program. */
export async function versionOf(program: string, args: readonly string[]): Promise<string | undefined> {
  const { code, output } = await run(program, args);
  return code === 127 ? undefined : /\d+(\.\d+)+/.exec(output)?.[0] ?? "unknown";
}

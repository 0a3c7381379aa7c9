/**
 * `bench/results.json`: what was measured last, by benchmark, with all that is needed to measure it again.
 *
 * @module
 */
import os from "node:os";
import denoJson from "../deno.json" with { type: "json" };
import { run } from "../dev/run.ts";
import type { Result } from "./contest.ts";

const PATH = new URL("results.json", import.meta.url);

/** What a benchmark tells. */
export interface Report {
  /** Under which name it is kept, where that is not the benchmark's. */
  name?: string;
  results: readonly Result[];
  /** Versions of what only this benchmark uses. */
  versions?: Record<string, string>;
}

/** A report as it is kept. */
export interface Kept {
  /** ISO 8601. */
  date: string;
  /** Repeats it. */
  command: string;
  machine: { cpu: string; cores: number; memoryGiB: number; system: string };
  versions: Record<string, string>;
  results: readonly Result[];
}

/** The whole file, by the names of benchmarks. */
export type AllKept = Record<string, Kept>;

/** What is kept so far. */
export async function readResults(): Promise<AllKept> {
  try {
    return JSON.parse(await Deno.readTextFile(PATH));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Puts a benchmark's report in the place of its last one. @returns the path of the file */
export async function keepReport(
  { name, results, versions }: Report & { name: string },
  { command, stage }: { command: string; stage: Record<string, string> },
): Promise<string> {
  const all = await readResults();
  all[name] = {
    date: new Date().toISOString(),
    command,
    machine: machine(),
    versions: { ...await ownVersions(), ...stage, ...versions },
    results,
  };
  await Deno.writeTextFile(PATH, JSON.stringify(all, null, 2) + "\n");
  return "bench/results.json";
}

function machine(): Kept["machine"] {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model ?? "unknown",
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
  };
}

async function ownVersions(): Promise<Record<string, string>> {
  const { code, output } = await run("git", ["rev-parse", "--short", "HEAD"], { cwd: import.meta.dirname });
  return {
    ...(code === 0 ? { "kafka-deno": output.trim() } : {}),
    Deno: Deno.version.deno,
    kafkajs: denoJson.imports.kafkajs.split("@").at(-1)!,
  };
}

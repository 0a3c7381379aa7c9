/**
 * Many long runs, one after another, and a table of them in the end:
 *
 *     deno task soak --runs 30 --seconds 300 --seed 1
 *
 * Run n has the seed `seed + n`. What a run came to is appended to `soak.jsonl` in the folder `.cache/faults/soak-SEED`
 * as soon as it is known: the same command goes on where it was interrupted. Histories of runs in which something did
 * not hold are kept there; `check.ts` judges them again.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "@std/cli";
import { CACHE_DIR } from "../../dev/jars.ts";
import { startProxiedKafka } from "../support/proxied_kafka.ts";
import { stopSignal } from "../../signals.ts";
import { judge } from "./check.ts";
import { Journal, readHistory, readLines } from "./history.ts";
import { type Figures, figuresOf, happened, showRun } from "./report.ts";
import { makeRun } from "./run.ts";

/** How far apart faults of all kinds begin, on average, and small ones of the network between them; in seconds. */
const FAULT_EVERY_S = 4;
const SMALL_EVERY_S = 1.5;

/** What is kept of a run. */
interface Outcome extends Figures {
  seconds: number;
  date: string;
  held: boolean;
  /** The invariants that did not hold. */
  broken: string[];
  kinds: Record<string, number>;
}

async function main(): Promise<number> {
  const flags = parseArgs(Deno.args, { string: ["runs", "seconds", "seed", "folder"] });
  const [runs, seconds, seed] = [number(flags.runs, 30), number(flags.seconds, 300), number(flags.seed, 1)];
  const folder = flags.folder ?? join(CACHE_DIR, "faults", `soak-${seed}`);
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, "soak.jsonl");
  const signal = stopSignal();
  for (let n = 0; n < runs && !signal.aborted; n++) {
    const done = readLines<Outcome>(path).some((run) => run.seed === seed + n && run.seconds === seconds);
    if (!done) await soakOnce({ seed: seed + n, seconds, folder, path, signal });
  }
  const wanted = readLines<Outcome>(path).filter((run) => run.seconds === seconds);
  console.log(table(wanted));
  return wanted.length < runs || wanted.some(({ held }) => !held) ? 1 : 0;
}

async function soakOnce(
  { seed, seconds, folder, path, signal }: {
    seed: number;
    seconds: number;
    folder: string;
    path: string;
    signal: AbortSignal;
  },
): Promise<void> {
  const history = join(folder, `run-${seed}-${crypto.randomUUID().slice(0, 8)}`);
  try {
    await using cluster = await startProxiedKafka({ brokers: 3, seed, signal });
    const [faults, small] = [Math.ceil(seconds / FAULT_EVERY_S), Math.ceil(seconds / SMALL_EVERY_S)];
    await makeRun(cluster, { seed, seconds, faults, small, folder: history, long: true, signal });
  } catch (error) {
    if (!signal.aborted) console.error(`seed ${seed} could not be run: ${(error as Error).message}`);
    await Deno.remove(history, { recursive: true }).catch(() => {}); // it says nothing
    return;
  }
  const result = judge(readHistory(history));
  console.log(`${showRun(result)}\n`);
  using journal = new Journal<Outcome>(path);
  journal.add({
    ...figuresOf(result),
    seconds,
    date: new Date(result.history.settings.startedAt).toISOString(),
    held: result.held,
    broken: result.verdicts.filter(({ offences }) => offences > 0).map(({ invariant }) => invariant),
    kinds: count(happened(result.history).map(({ kind }) => kind)),
  });
  if (result.held) await Deno.remove(history, { recursive: true });
  else console.log(`its history is kept in ${history}\n`);
}

function number(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`expected a whole number above 0, not ${text}`);
}

function count(names: string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, its]) => [name, its.length]));
}

/** One line for each run, one for all, and what the faults were. */
function table(runs: Outcome[]): string {
  const columns = [
    "faults",
    "acknowledged",
    "refused",
    "unknown",
    "handled",
    "redelivered",
    "silentMs",
    "maxRssMb",
    "maxFiles",
  ] as const;
  const largest: readonly string[] = ["silentMs", "maxRssMb", "maxFiles"];
  const head = ["seed", ...columns, "lag 0 after ms", "leader dead ms", "held"];
  const row = (run: Outcome) => [
    `${run.seed}`,
    ...columns.map((name) => `${run[name]}`),
    `${run.recoveryMs ?? "never"}`,
    run.unavailable.length > 0 ? `${Math.max(...run.unavailable)}` : "-",
    run.held ? "yes" : `NO: ${run.broken.join(" ") || "failed"}`,
  ];
  const sum = (name: typeof columns[number]) => runs.reduce((total, run) => total + run[name], 0);
  const most = (name: typeof columns[number]) => Math.max(...runs.map((run) => run[name]));
  const unavailable = runs.flatMap((run) => run.unavailable).sort((a, b) => a - b);
  const p99 = unavailable[Math.ceil(0.99 * unavailable.length) - 1];
  const all = [
    "all",
    ...columns.map((name) => `${largest.includes(name) ? most(name) : sum(name)}`),
    "",
    `p99 ${p99 ?? "-"}`,
    "",
  ];
  const rows = [head, ...runs.map(row), all];
  const widths = head.map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  const kinds = new Map<string, number>();
  for (const [kind, n] of runs.flatMap((run) => Object.entries(run.kinds))) kinds.set(kind, (kinds.get(kind) ?? 0) + n);
  return [
    ...rows.map((cells) => cells.map((cell, i) => cell.padStart(widths[i])).join("  ")),
    [...kinds].sort(([, a], [, b]) => b - a).map(([kind, n]) => `${n} ${kind}`).join(", "),
    `${runs.filter(({ held }) => held).length} of ${runs.length} runs held`,
  ].join("\n");
}

if (import.meta.main) Deno.exit(await main());

/**
 * How soon records are taken again after a leader's death, and after a restart of all brokers, with nothing else wrong:
 *
 *     deno run --allow-net --allow-env --allow-read --allow-write --allow-run --allow-sys \
 *       tests/faults/recovery.ts --times 5
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "@std/cli";
import { CACHE_DIR } from "../../dev/jars.ts";
import { startProxiedKafka } from "../support/proxied_kafka.ts";
import { readLines, type RunSettings, type Send, topicsOf } from "./history.ts";
import { Outsider } from "./observer.ts";
import { longestPause } from "./report.ts";
import { System } from "./system.ts";

/** How long a cluster is left alone after everything has come back, in ms. */
const CALM_MS = 5_000;

/** What is held to: how much longer than the election it may take, and how long after a broker answers. In ms. */
const LIMIT_MS = { election: 1_000, restart: 3_000 };

/** A leader's death. Times in ms since then. */
interface Death {
  at: number;
  led: string[];
  /** When another client first saw that each of its partitions had a new leader. */
  elected: number;
}

async function killLeader(system: System, outsider: Outsider): Promise<Death> {
  const topic = system.topic("keyed");
  const leaders = await outsider.leaders([topic]);
  const [id, led] = [...leaders].sort(([, a], [, b]) => b.length - a.length)[0];
  const node = system.nodes[id - 1];
  const at = Date.now();
  await node.kill();
  for (;;) {
    const now = await outsider.leaders([topic]).catch(() => undefined);
    const others = [...now ?? []].filter(([leader]) => leader !== id && leader >= 0).flatMap(([, parts]) => parts);
    if (led.every((part) => others.includes(part))) break;
    await sleep(20);
  }
  const elected = Date.now() - at;
  await sleep(CALM_MS);
  await node.start();
  await sleep(CALM_MS);
  return { at, led, elected };
}

/** @returns when the first broker answered again */
async function restartAll(system: System): Promise<number> {
  await Promise.all(system.nodes.map((node) => node.kill()));
  const starts = system.nodes.map((node) => node.start().then(() => Date.now()));
  const answered = await Promise.race(starts);
  await Promise.all(starts);
  await sleep(2 * CALM_MS);
  return answered;
}

/**
 * The longest pause between two acknowledgements from a partition around a moment, in ms; undefined where nobody writes
 * to it.
 */
function pauseOf(sends: Send[], part: string, at: number): number | undefined {
  const times = sends.filter(({ outcome, topic, partition, end }) =>
    outcome === "ok" && `${topic}[${partition}]` === part && end > at - AROUND_MS.before && end < at + AROUND_MS.after
  ).map(({ end }) => end);
  if (times.length === 0) return undefined;
  return times.some((time) => time > at) ? Math.round(longestPause(times)) : Infinity;
}

const AROUND_MS = { before: 1_000, after: 20_000 };

async function main(): Promise<number> {
  const times = Number(parseArgs(Deno.args, { string: ["times"] }).times ?? 3);
  const folder = join(CACHE_DIR, "faults", `recovery-${crypto.randomUUID().slice(0, 8)}`);
  await Deno.mkdir(folder, { recursive: true });
  await using cluster = await startProxiedKafka({ brokers: 3, seed: 1 });
  const settings: RunSettings = {
    seed: 1,
    seconds: 0,
    startedAt: Date.now(),
    group: "recovery",
    topics: topicsOf("recovery"),
    deliveryTimeoutMs: 30_000,
    shutdownTimeoutMs: 10_000,
    leewayMs: 0,
    recoveryMs: 60_000,
  };
  await using system = new System(cluster, settings, folder);
  await system.start();
  await using outsider = new Outsider(system.direct);
  // Enough clients that some go on while others wait for the dead leader.
  system.startLoad({ clients: 24, pauseMs: 60 });
  await sleep(CALM_MS);
  const deaths: Death[] = [];
  for (let i = 0; i < times; i++) deaths.push(await killLeader(system, outsider));
  const answered: number[] = [];
  for (let i = 0; i < times; i++) answered.push(await restartAll(system));
  await system.stopLoad();
  const sends = readLines<Send>(join(folder, "sends.jsonl"));
  const extra: number[] = [];
  for (const { at, led, elected } of deaths) {
    const pauses = led.map((part) => ({ part, ms: pauseOf(sends, part, at) })).filter(({ ms }) => ms !== undefined);
    extra.push(...pauses.map(({ ms }) => ms! - elected));
    const shown = pauses.map(({ part, ms }) => `${part} ${ms}`).join(", ");
    console.log(`leader killed: elected after ${elected} ms; without acknowledgements for ms: ${shown}`);
  }
  const firsts = answered.map((at) =>
    sends.reduce((first, { outcome, end }) => outcome === "ok" && end > at ? Math.min(first, end) : first, Infinity) -
    at
  );
  for (const ms of firsts) {
    console.log(`all killed: first acknowledgement ${Math.round(ms)} ms after the first broker answered`);
  }
  const p99 = extra.sort((a, b) => a - b)[Math.ceil(0.99 * extra.length) - 1];
  const slowest = Math.round(Math.max(...firsts));
  console.log(`${extra.length} partitions: p99 ${p99} ms longer than the election; slowest restart ${slowest} ms`);
  await Deno.remove(folder, { recursive: true });
  return p99 <= LIMIT_MS.election && slowest <= LIMIT_MS.restart ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());

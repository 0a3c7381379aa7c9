/**
 * How soon records are taken again after a leader's death, and after a restart of all brokers, with nothing else wrong:
 *
 *     deno run --allow-all tests/faults/recovery.ts --times 5
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "@std/cli";
import { CACHE_DIR } from "../../dev/jars.ts";
import { startProxiedKafka } from "../support/proxied_kafka.ts";
import { readLines, type RunSettings, type Send } from "./history.ts";
import { Outsider } from "./observer.ts";
import { System } from "./system.ts";

/** How long a cluster is left alone after everything has come back, in ms. */
const CALM_MS = 5_000;

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

/** The longest pause between two acknowledgements from a partition around a moment, in ms. */
function pauseOf(sends: Send[], part: string, at: number): number {
  const times = sends.filter(({ outcome, topic, partition, end }) =>
    outcome === "ok" && `${topic}[${partition}]` === part && end > at - 1_000 && end < at + 20_000
  ).map(({ end }) => end).sort((a, b) => a - b);
  return Math.round(times.reduce((longest, time, i) => Math.max(longest, time - (times[i - 1] ?? time)), 0));
}

async function main(): Promise<void> {
  const times = Number(parseArgs(Deno.args, { string: ["times"] }).times ?? 3);
  const folder = join(CACHE_DIR, "faults", `recovery-${crypto.randomUUID().slice(0, 8)}`);
  await Deno.mkdir(folder, { recursive: true });
  await using cluster = await startProxiedKafka({ brokers: 3, seed: 1 });
  const settings: RunSettings = {
    seed: 1,
    seconds: 0,
    startedAt: Date.now(),
    group: "recovery",
    topics: (["keyed", "growing", "doomed"] as const).map((name) => ({ name, kind: name })),
    deliveryTimeoutMs: 30_000,
    shutdownTimeoutMs: 10_000,
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
  for (const { at, led, elected } of deaths) {
    const pauses = led.map((part) => `${part} ${pauseOf(sends, part, at)}`);
    console.log(`leader killed: elected after ${elected} ms; without acknowledgements for ms: ${pauses.join(", ")}`);
  }
  for (const at of answered) {
    const first = sends.reduce(
      (min, { outcome, end }) => outcome === "ok" && end > at ? Math.min(min, end) : min,
      Infinity,
    );
    console.log(`all killed: first acknowledgement ${Math.round(first - at)} ms after the first broker answered`);
  }
  await Deno.remove(folder, { recursive: true });
}

if (import.meta.main) await main();

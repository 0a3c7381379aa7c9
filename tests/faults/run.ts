/**
 * One run: everything is started, tormented, healed, and what came of it is written down.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProxiedKafka } from "../support/proxied_kafka.ts";
import { endOffsets, readTopic } from "../support/reader.ts";
import { stopInOrder } from "./faults.ts";
import { type Commit, Journal, padding, type RunEnd, type RunSettings, type Stored, topicsOf } from "./history.ts";
import { keptCommits } from "./kept_commits.ts";
import { plan, torment } from "./nemesis.ts";
import { observe, Outsider } from "./observer.ts";
import { System } from "./system.ts";

/** How a run is made. */
export interface RunOptions {
  seed: number;
  /** How long faults go on. */
  seconds: number;
  /** How many there are. */
  faults: number;
  /** How many small ones of the network come on top; 0 by default. */
  small?: number;
  /** Where its history goes. */
  folder: string;
  /** Includes the faults that last for up to 40 s. */
  long?: boolean;
  /** What the machine may add to any time limit, in ms; 2,000 by default. */
  leewayMs?: number;
  /** Ends it early: it is healed, and its history is not complete. */
  signal?: AbortSignal;
}

const RECOVERY_MS = 60_000;
/** What a run leaves alone before faults and after them, in ms. */
const CALM_MS = 1_500;

/** Makes a run on a cluster on which others may have been before. */
export async function makeRun(cluster: ProxiedKafka, options: RunOptions): Promise<void> {
  const {
    seed,
    seconds,
    faults,
    small,
    folder,
    long = false,
    leewayMs = 2_000,
    signal = new AbortController().signal,
  } = options;
  await Deno.mkdir(folder, { recursive: true });
  const id = crypto.randomUUID().slice(0, 8);
  const settings: RunSettings = {
    seed,
    seconds,
    startedAt: Date.now(),
    group: `faults-${id}`,
    topics: topicsOf(id),
    deliveryTimeoutMs: 8_000,
    shutdownTimeoutMs: 10_000,
    leewayMs,
    recoveryMs: RECOVERY_MS,
  };
  await Deno.writeTextFile(join(folder, "run.json"), JSON.stringify(settings, undefined, 2));
  await using system = new System(cluster, settings, folder);
  const over = new AbortController();
  let watching: Promise<void> | undefined;
  const end: Partial<RunEnd> = { lag: {} };
  try {
    await system.start();
    watching = observe(system, over.signal);
    system.startLoad({ clients: 6, pauseMs: 40 });
    await sleep(CALM_MS);
    await torment(system, plan(seed, { count: faults, small, ms: seconds * 1_000, long }), { long, signal });
    end.healedAt = Date.now();
    signal.throwIfAborted();
    await stopOneByOne(system);
    await system.stopLoad();
    end.loadEndedAt = Date.now();
    await catchUp(system, end as RunEnd);
    over.abort();
    await watching;
    for (const process of [...system.consumers, system.server]) await process.finish(15_000);
    await keepTopics(system);
  } catch (error) {
    if (signal.aborted) throw error;
    end.failure = (error as Error).message;
  } finally {
    over.abort();
    await watching;
  }
  end.endedAt = Date.now();
  await Deno.writeTextFile(join(folder, "end.json"), JSON.stringify(end));
}

/** When nothing disturbs them any more and the load goes on, server and consumers are asked to stop, and come back. */
async function stopOneByOne(system: System): Promise<void> {
  await untilCalm(system);
  for (const process of [system.server, system.consumers[0], system.consumers[1]]) {
    await stopInOrder(system, process);
    await process.start();
    await sleep(300);
  }
}

/** Waits until the server delivers again and both consumers are members. */
async function untilCalm({ url, consumers, settings, direct }: System): Promise<void> {
  const end = Date.now() + settings.recoveryMs;
  await using outsider = new Outsider(direct);
  for (let calm = 0; calm < 3 && Date.now() < end; await sleep(300)) {
    const ready = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(async (response) => {
      await response.body?.cancel();
      return response.ok;
    }, () => false);
    const members = await outsider.members(settings.group).catch((): string[] => []);
    calm = ready && consumers.every(({ name }) => members.includes(name)) ? calm + 1 : 0;
  }
  await sleep(CALM_MS);
}

/** Waits until the group has committed all there is, as another client sees it. */
async function catchUp(system: System, end: RunEnd): Promise<void> {
  const names = system.settings.topics.filter(({ kind }) => kind !== "doomed").map(({ name }) => name);
  await using outsider = new Outsider(system.direct);
  const ends = new Map<string, number[]>();
  for (const name of names) ends.set(name, (await endOffsets(system.direct, name)).map(Number));
  for (const limit = Date.now() + system.settings.recoveryMs;; await sleep(200)) {
    const committed = await outsider.committed(system.settings.group, names).catch(() => undefined);
    if (!committed) continue;
    for (const [name, offsets] of ends) {
      const lags = offsets.map((offset, i) => offset - Math.max(0, committed.get(name)![i]));
      end.lag[name] = lags.reduce((sum, lag) => sum + lag, 0);
    }
    if (Object.values(end.lag).every((lag) => lag === 0)) return void (end.caughtUpAt = Date.now());
    if (Date.now() > limit) return;
  }
}

/** Reads everything with the independent client. */
async function keepTopics({ direct, nodes, settings, folder }: System): Promise<void> {
  using records = new Journal<Stored>(join(folder, "records.jsonl"));
  for (const { name, kind } of settings.topics) {
    if (kind === "doomed") continue;
    for (const { partition, offset, key, value } of await readTopic(direct, name, { timeout: 60_000 })) {
      const text = value?.toString() ?? "";
      const [id] = text.split(" ", 1);
      const rest = text.slice(id.length + 1);
      const intact = rest === padding(rest.length);
      const stored = { id, pad: rest.length, intact, key: key?.toString() ?? null };
      records.add({ topic: name, partition, offset: Number(offset), ...stored });
    }
  }
  using commits = new Journal<Commit>(join(folder, "committed.jsonl"));
  commits.add(...keptCommits(nodes, settings.group));
}

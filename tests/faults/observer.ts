/**
 * Watches a run without being part of it: the group's offsets through an independent client that goes to the brokers
 * directly, and what our processes take of the machine.
 *
 * @module
 */
import { join } from "node:path";
import { openFiles, residentBytes } from "../support/process_stats.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { Admin } from "@platformatic/kafka";
import { Journal, type Observed, type Sample } from "./history.ts";
import type { System } from "./system.ts";

const LOOK_MS = 200;
const SAMPLE_MS = 1_000;
/** More than any topic gets. */
export const MAX_PARTITIONS = 12;

/** An independent client on which every call has an end, in ms. */
export class Outsider implements AsyncDisposable {
  readonly #bootstrap: string;
  #admin: Admin | undefined;

  constructor(bootstrap: string) {
    this.#bootstrap = bootstrap;
  }

  /** @throws {Error} also when it takes too long; the next call has a new client */
  async ask<T>(action: (admin: Admin) => Promise<T>, timeoutMs = 4_000): Promise<T> {
    this.#admin ??= new Admin({ clientId: "outsider", bootstrapBrokers: this.#bootstrap.split(","), retries: 1 });
    const timer = new AbortController();
    const late = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`no answer within ${timeoutMs} ms`);
    });
    late.catch(() => {});
    const asked = action(this.#admin);
    asked.catch(() => {});
    try {
      return await Promise.race([asked, late]);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    } finally {
      timer.abort();
    }
  }

  /** The group's committed offsets in each topic; -1 where it has none. */
  async committed(group: string, topics: readonly string[]): Promise<Map<string, number[]>> {
    const partitionIndexes = Array.from({ length: MAX_PARTITIONS }, (_, i) => i);
    const asked = topics.map((name) => ({ name, partitionIndexes }));
    const [answer] = await this.ask((admin) =>
      admin.listConsumerGroupOffsets({ groups: [{ groupId: group, topics: asked }] })
    );
    return new Map(answer.topics.map(({ name, partitions }) => {
      const offsets = partitionIndexes.map(() => -1);
      for (const { partitionIndex, committedOffset } of partitions) offsets[partitionIndex] = Number(committedOffset);
      return [name, offsets];
    }));
  }

  /** Client ids of a group's members. */
  async members(group: string): Promise<string[]> {
    const groups = await this.ask((admin) => admin.describeGroups({ groups: [group] }));
    return [...groups.get(group)!.members.values()].map(({ clientId }) => clientId);
  }

  /** Partitions, such as `orders[0]`, by the id of their leader. */
  async leaders(topics: string[]): Promise<Map<number, string[]>> {
    const metadata = await this.ask((admin) => admin.metadata({ topics, forceUpdate: true }));
    const led = topics.flatMap((topic) =>
      metadata.topics.get(topic)!.partitions.map(({ leader }, i) => ({ leader, name: `${topic}[${i}]` }))
    );
    return new Map(
      [...Map.groupBy(led, ({ leader }) => leader)].map(([leader, its]) => [leader, its.map((p) => p.name)]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await Promise.race([admin?.close().catch(() => {}), sleep(1_000, undefined, { ref: false })]);
  }
}

/** Watches until the signal aborts. */
export async function observe(system: System, signal: AbortSignal): Promise<void> {
  await Promise.all([watchCommits(system, signal), watchProcesses(system, signal)]);
}

async function watchCommits(system: System, signal: AbortSignal): Promise<void> {
  const { folder, settings: { group, topics } } = system;
  await using outsider = new Outsider(system.direct);
  using journal = new Journal<Observed>(join(folder, "commits.jsonl"));
  const names = topics.filter(({ kind }) => kind !== "doomed").map(({ name }) => name);
  for (; !signal.aborted; await pause(LOOK_MS, signal)) {
    const committed = await outsider.committed(group, names).catch(() => undefined);
    // After the offsets: whatever they say was handled must be in the files by now.
    const files = sizes(folder);
    for (const [topic, offsets] of committed ?? []) journal.add({ t: Date.now(), topic, offsets, files });
  }
}

function sizes(folder: string): Record<string, number> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith("handled-"));
  return Object.fromEntries(names.map((name) => [name.slice(8, -6), Deno.statSync(join(folder, name)).size]));
}

async function watchProcesses(system: System, signal: AbortSignal): Promise<void> {
  using journal = new Journal<Sample>(join(system.folder, "samples.jsonl"));
  for (; !signal.aborted; await pause(SAMPLE_MS, signal)) {
    for (const { name, pid } of [system.server, ...system.consumers]) {
      if (pid === undefined) continue;
      try {
        const rssMb = Math.round(residentBytes(pid) / 2 ** 20);
        const files = openFiles(pid);
        journal.add({ t: Date.now(), process: name, rssMb, files });
      } catch {
        // It is not there at the moment.
      }
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

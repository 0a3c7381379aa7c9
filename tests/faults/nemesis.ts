/**
 * Chooses faults by a seed and brings them about, several at a time. It always heals in the end.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Random, seededRandom } from "../support/wait.ts";
import { type Fault, FAULTS, LONG, SMALL } from "./faults.ts";
import type { System } from "./system.ts";

/** A fault that is to come. */
export interface Planned {
  id: number;
  /** Since the beginning, in ms. */
  at: number;
  kind: string;
  fault: Fault;
  seed: number;
}

type Part = keyof typeof FAULTS;

/** Whose turn it is: half of all faults are the network's. */
const TURNS: Part[] = ["network", "consumer", "network", "broker", "network", "server", "network", "topic"];

/** What a plan is for. */
export interface PlanOptions {
  /** Faults of all kinds, and small ones of the network on top (0 by default). */
  count: number;
  small?: number;
  /** How long they are spread over. */
  ms: number;
  /** Whether there is time for those that take longest. */
  long: boolean;
}

/** The same seed makes the same plan. */
export function plan(seed: number, { count, small = 0, ms, long }: PlanOptions): Planned[] {
  const random = seededRandom(seed);
  const start = random.integer(0, TURNS.length - 1);
  const decks = new Map<unknown, string[]>();
  const draw = (kinds: string[], deck: unknown) => {
    if (!decks.get(deck)?.length) decks.set(deck, shuffled(kinds, random));
    return decks.get(deck)!.pop()!;
  };
  const place = (i: number, of: number) => Math.round(ms * (i + random.next()) / of);
  const all = Array.from({ length: count }, (_, i) => {
    const part = TURNS[(start + i) % TURNS.length];
    const kind = draw(Object.keys(FAULTS[part]).filter((kind) => long || !LONG.includes(kind)), part);
    return { at: place(i, count), kind, fault: FAULTS[part][kind], seed: random.integer(0, 2 ** 31) };
  });
  const more = Array.from({ length: small }, (_, i) => {
    const kind = draw(SMALL, SMALL);
    return { at: place(i, small), kind, fault: FAULTS.network[kind], seed: random.integer(0, 2 ** 31) };
  });
  return [...all, ...more].sort((a, b) => a.at - b.at).map((planned, i) => ({ id: i + 1, ...planned }));
}

function shuffled<T>(items: T[], random: Random): T[] {
  const places = items.map((item) => ({ item, place: random.next() }));
  return places.sort((a, b) => a.place - b.place).map(({ item }) => item);
}

/** Carries a plan out. Resolves when all is healed; an abort makes everything end early. */
export async function torment(
  system: System,
  plan: Planned[],
  { long, signal }: { long: boolean; signal: AbortSignal },
) {
  const locks = new Locks();
  const began = Date.now();
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
  await Promise.all(plan.map(async ({ id, at, kind, fault, seed }) => {
    await pause(Math.max(0, began + at - Date.now()));
    if (signal.aborted) return;
    const release: (() => void)[] = [];
    let said = kind;
    const note = (phase: "begin" | "end" | "failed", detail: string, more = {}) =>
      system.faults.add({ t: Date.now(), id, kind, phase, detail, ...more });
    try {
      const hits = await fault({
        system,
        random: seededRandom(seed),
        long,
        note: (detail, more) => note("begin", said = detail, more),
        take: async (...names) => {
          for (const name of names) release.push(await locks.take(name));
        },
        hold: pause,
      });
      note("end", said, hits === undefined ? {} : { hits });
    } catch (error) {
      note("failed", `${said}: ${(error as Error).message}`);
    } finally {
      for (const give of release) give();
    }
  }));
  for (const proxy of system.cluster.proxies) proxy.heal();
  for (const [index, node] of system.nodes.entries()) {
    node.signal("SIGCONT");
    await node.start().then(() => system.noteBroker(index, "ready")); // at once, if it runs
  }
}

/** Who may do something to what: one at a time, in the order in which they asked. */
class Locks {
  readonly #last = new Map<string, Promise<void>>();

  async take(name: string): Promise<() => void> {
    const before = this.#last.get(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(name, promise);
    await before;
    return resolve;
  }
}

/**
 * Chooses faults by a seed and brings them about, several at a time. It always heals in the end.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Random, seededRandom } from "../support/wait.ts";
import { type Fault, FAULTS } from "./faults.ts";
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

/** The same seed makes the same plan: `count` faults, spread over `ms`. */
export function plan(seed: number, { count, ms }: { count: number; ms: number }): Planned[] {
  const random = seededRandom(seed);
  const decks: Partial<Record<Part, string[]>> = {};
  const start = random.integer(0, TURNS.length - 1);
  return Array.from({ length: count }, (_, i) => {
    const part = TURNS[(start + i) % TURNS.length];
    if (!decks[part]?.length) decks[part] = shuffled(Object.keys(FAULTS[part]), random);
    const kind = decks[part].pop()!;
    const at = Math.round(ms * (i + random.next()) / count);
    return { id: i + 1, at, kind, fault: FAULTS[part][kind], seed: random.integer(0, 2 ** 31) };
  });
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
      await fault({
        system,
        random: seededRandom(seed),
        long,
        note: (detail, more) => note("begin", said = detail, more),
        take: async (...names) => {
          for (const name of names) release.push(await locks.take(name));
        },
        hold: pause,
      });
      note("end", said);
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

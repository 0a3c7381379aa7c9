/**
 * What the nemesis does to brokers.
 *
 * @module
 */
import type { Random } from "../support/wait.ts";
import type { Fault, Incident } from "./faults.ts";
import { Outsider } from "./observer.ts";
import type { System } from "./system.ts";

/** Of processes, how long they freeze, in ms. */
const FREEZES = [5_000, 20_000, 40_000];

/** Only long runs have time for the longest. */
export const freezeTime = (long: boolean, random: Random): number => long ? random.pick(FREEZES) : FREEZES[0];

/** One dies, or stops in order, and comes back. */
export function brokerFault(signal: "SIGKILL" | "SIGTERM", which: "any" | "leader"): Fault {
  return async ({ system, random, note, take, hold }) => {
    let index = random.integer(0, 2);
    await using outsider = new Outsider(system.direct);
    const leaders = await outsider.leaders([system.topic("keyed")]).catch(() => new Map<number, string[]>());
    if (which === "leader") index = mostLeading(leaders) ?? index;
    await take(`broker-${index + 1}`);
    note(`${signal} broker-${index + 1}`, { led: leaders.get(index + 1) ?? [] });
    await restartBroker(system, index, { signal, down: () => hold(random.between(500, 6_000)) });
  };
}

/** Each time the broker that leads most, as soon as the one before is back. */
export async function killInTurn({ system, random, note, take, hold }: Incident): Promise<void> {
  await take("broker-1", "broker-2", "broker-3");
  const topic = system.topic("keyed");
  note("SIGKILL the leader, three times in turn");
  await using outsider = new Outsider(system.direct);
  for (let i = 0; i < 3; i++) {
    const leaders = await outsider.leaders([topic]).catch(() => new Map<number, string[]>());
    const index = mostLeading(leaders) ?? i;
    await restartBroker(system, index, { signal: "SIGKILL", down: () => hold(random.between(500, 2_000)) });
  }
}

/** The index of the broker that leads most. */
function mostLeading(leaders: Map<number, string[]>): number | undefined {
  const most = [...leaders].filter(([id]) => id > 0).sort(([, a], [, b]) => b.length - a.length)[0];
  return most && most[0] - 1;
}

async function restartBroker(
  system: System,
  index: number,
  { signal, down }: { signal: Deno.Signal; down: () => Promise<void> },
): Promise<void> {
  const node = system.nodes[index];
  system.noteBroker(index, "signal", { signal });
  await (signal === "SIGKILL" ? node.kill() : node.stop());
  system.noteBroker(index, "exit", { asked: true });
  await down();
  system.noteBroker(index, "start");
  await node.start();
  system.noteBroker(index, "ready");
}

/** One stands still. */
export async function freezeBroker({ system, random, long, note, take, hold }: Incident): Promise<void> {
  const index = random.integer(0, 2);
  const ms = freezeTime(long, random);
  await take(`broker-${index + 1}`);
  note(`SIGSTOP broker-${index + 1} for ${ms} ms`);
  system.noteBroker(index, "signal", { signal: "SIGSTOP" });
  system.nodes[index].signal("SIGSTOP");
  await hold(ms);
  system.noteBroker(index, "signal", { signal: "SIGCONT" });
  system.nodes[index].signal("SIGCONT");
}

/** All die, or stop in order, at once. */
export async function restartAll({ system, random, note, take, hold }: Incident): Promise<void> {
  const signal = random.pick(["SIGKILL", "SIGTERM"] as const);
  await take("broker-1", "broker-2", "broker-3");
  note(`${signal} all brokers`);
  const down = hold(random.between(500, 3_000));
  await Promise.all(system.nodes.map((_, index) => restartBroker(system, index, { signal, down: () => down })));
}

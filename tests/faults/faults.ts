/**
 * What the nemesis can do. Each fault takes something, holds it for a while, and puts it right again.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withAdmin } from "../support/kafka.ts";
import type { FaultProxy, RuleOptions } from "../support/proxy.ts";
import type { Random } from "../support/wait.ts";
import { MAX_PARTITIONS, Outsider } from "./observer.ts";
import { brokerFault, freezeBroker, freezeTime, killInTurn, restartAll } from "./broker_faults.ts";
import type { Supervised } from "./processes.ts";
import { PARTITIONS, type System } from "./system.ts";

/** One fault of a plan, at work. */
export interface Incident {
  system: System;
  random: Random;
  /** The longest freezes and black holes are for long runs only. */
  long: boolean;
  /** Says what is done to whom; `led` are the partitions of a broker that dies. */
  note: (detail: string, more?: { led?: string[] }) => void;
  /** Waits until it is our turn to do something to these, then keeps others away until we end. */
  take: (...resources: string[]) => Promise<void>;
  /** Waits; not for long once the run is being given up. */
  hold: (ms: number) => Promise<void>;
}

/** Does it, holds it, heals it. @returns how many messages it met, if it lay in wait for some */
export type Fault = (incident: Incident) => Promise<number | void>;

function processFault(signal: "SIGKILL" | "SIGTERM", of: (system: System, random: Random) => Supervised): Fault {
  return async ({ system, random, note, take, hold }) => {
    const process = of(system, random);
    await take(process.name);
    note(`${signal} ${process.name}`);
    await (signal === "SIGKILL" ? kill(process) : stopInOrder(system, process));
    await hold(random.between(100, 2_000));
    await process.start();
  };
}

async function kill(process: Supervised): Promise<void> {
  process.signal("SIGKILL");
  await process.ended();
}

/** Sends SIGTERM and notes what a stop in order shows to others. */
export async function stopInOrder(system: System, process: Supervised): Promise<void> {
  const patience = system.settings.shutdownTimeoutMs + 5_000;
  process.signal("SIGTERM");
  if (process === system.server) await untilUnready(system);
  const ended = await Promise.race([process.ended().then(() => true), sleep(patience, false, { ref: false })]);
  if (!ended) {
    process.note("silent", { detail: `still there ${patience} ms after SIGTERM` });
    process.signal("SIGKILL");
    await process.ended();
  }
  if (process === system.server) return;
  await using outsider = new Outsider(system.direct);
  const members = await outsider.members(system.settings.group).catch(() => undefined);
  if (members) process.note(members.includes(process.name) ? "group-not-left" : "group-left");
}

async function untilUnready({ url, server }: System): Promise<void> {
  for (const end = Date.now() + 2_000; Date.now() < end;) {
    const status = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) }).then(async (response) => {
      await response.body?.cancel();
      return response.status;
    }, () => 0);
    if (status !== 200) return server.note("unready", { detail: String(status) });
    await sleep(5);
  }
}

function processFreeze(of: (system: System, random: Random) => Supervised): Fault {
  return async ({ system, random, long, note, take, hold }) => {
    const process = of(system, random);
    const ms = freezeTime(long, random);
    await take(process.name);
    note(`SIGSTOP ${process.name} for ${ms} ms`);
    process.signal("SIGSTOP");
    await hold(ms);
    process.signal("SIGCONT");
  };
}

const server = (system: System) => system.server;
const consumer = (system: System, random: Random) => random.pick(system.consumers);

/** The consumers' disk has no room left. Nothing else of ours keeps its state on one: offsets are in Kafka. */
async function diskFull({ system, random, note, take, hold }: Incident): Promise<void> {
  await take("disk");
  note("the consumers' disk is full");
  const flag = join(system.folder, "disk-full");
  await Deno.writeTextFile(flag, "");
  await hold(random.between(1_000, 5_000));
  await Deno.remove(flag);
}

function linkFault(what: string, act: (proxy: FaultProxy, random: Random) => string | void): Fault {
  return async ({ system, random, long, note, take, hold }) => {
    const index = random.integer(0, 2);
    const proxy = system.cluster.proxies[index];
    await take(`link-${index + 1}`);
    const detail = act(proxy, random) ?? "";
    note(`${what} ${detail} on the way to broker-${index + 1}`.replaceAll("  ", " "));
    await hold(random.between(2_000, long ? 14_000 : 5_000));
    proxy.heal();
  };
}

function cutFault(ending: "rst" | "fin"): Fault {
  return async ({ system, random, note, hold }) => {
    const times = random.integer(1, 4);
    note(`${ending} on all connections, ${times} times`);
    for (let i = 0; i < times; i++) {
      for (const proxy of system.cluster.proxies) proxy.cutAll(ending);
      await hold(random.between(50, 900));
    }
  };
}

function ruleFault(what: string, rule: (random: Random) => RuleOptions): Fault {
  return async ({ system, random, note, hold }) => {
    const options = rule(random);
    note(`${what}, ${options.times} times on the way to each broker`);
    const rules = system.cluster.proxies.map((proxy) => proxy.rule(options));
    await hold(random.between(2_000, 6_000));
    for (const rule of rules) rule[Symbol.dispose]();
    return rules.reduce((sum, { hits }) => sum + hits, 0);
  };
}

const few = (random: Random) => random.integer(1, 5);

function errorFault(code: number, { forward }: { forward: boolean }): Fault {
  return ruleFault(`Produce answered with error ${code}${forward ? " after the write" : ""}`, (random) => ({
    api: "Produce",
    times: few(random),
    action: { do: "error", code, forward },
  }));
}

async function addPartitions({ system, note, take }: Incident): Promise<void> {
  await take("growing");
  const topic = system.topic("growing");
  await withAdmin(system.direct, async (admin) => {
    const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] });
    const count = Math.min(MAX_PARTITIONS, partitions.length + 1);
    note(`topic ${topic} gets ${count} partitions`);
    if (count > partitions.length) await admin.createPartitions({ topicPartitions: [{ topic, count }] });
  });
}

async function deleteTopic({ system, random, note, take, hold }: Incident): Promise<void> {
  await take("doomed");
  const topic = system.topic("doomed");
  note(`topic ${topic} is deleted, and made again`);
  await withAdmin(system.direct, (admin) => admin.deleteTopics({ topics: [topic] }).catch(() => {}));
  await hold(random.between(1_000, 6_000));
  await withAdmin(
    system.direct,
    (admin) => admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS.doomed }], waitForLeaders: false }),
  );
}

async function flood({ system, random, note, take, hold }: Incident): Promise<void> {
  await take("flood");
  const ms = random.integer(1_500, 4_000);
  note(`more load than fits, for ${ms} ms, while no broker answers`);
  await take("link-1", "link-2", "link-3");
  for (const proxy of system.cluster.proxies) proxy.blackhole("response");
  await system.flood(ms);
  await hold(ms);
  for (const proxy of system.cluster.proxies) proxy.heal();
}

/** By part of the system, so that each gets its share. */
export const FAULTS: Record<"network" | "broker" | "server" | "consumer" | "topic", Record<string, Fault>> = {
  network: {
    "latency 50": linkFault("50 ms", (proxy) => proxy.latency(50, 25)),
    "latency 500": linkFault("500 ms", (proxy) => proxy.latency(500, 250)),
    "latency 3000": linkFault("3000 ms", (proxy) => proxy.latency(3_000, 1_500)),
    "reset": cutFault("rst"),
    "end": cutFault("fin"),
    "black hole": linkFault("black hole", (proxy, random) => {
      const direction = random.pick(["request", "response", "both"] as const);
      proxy.blackhole(direction);
      return direction;
    }),
    "16 kB/s": linkFault("16 kB/s", (proxy) => proxy.bandwidth(16_000)),
    "short lives": linkFault(
      "connections live 0.5 to 1.5 s",
      (proxy) => proxy.connectionLife({ min: 500, max: 1_500 }),
    ),
    "cut in a produce": ruleFault("a Produce request cut in the middle", (random) => ({
      api: "Produce",
      times: few(random),
      action: { do: "cut", at: "request", with: random.pick(["rst", "fin"]), bytes: "half" },
    })),
    "cut in an answer": ruleFault("an answer cut in the middle", (random) => ({
      api: random.pick(["Produce", "Fetch", "OffsetCommit", "Heartbeat", "JoinGroup"] as const),
      times: few(random),
      action: { do: "cut", at: "response", with: random.pick(["rst", "fin"]), bytes: "half" },
    })),
    "lost answer": ruleFault("the answer to a Produce lost", (random) => ({
      api: "Produce",
      times: few(random),
      action: { do: "drop", at: "response" },
    })),
    "cut before the answer": ruleFault("a connection cut when the Produce is written", (random) => ({
      api: "Produce",
      times: few(random),
      action: { do: "cut", at: "response", with: "rst" },
    })),
    "error 6": errorFault(6, { forward: false }),
    "error 19": errorFault(19, { forward: false }),
    "error 7": errorFault(7, { forward: true }),
    "error 45": errorFault(45, { forward: true }),
  },
  broker: {
    "kill a leader": brokerFault("SIGKILL", "leader"),
    "freeze a broker": freezeBroker,
    "stop a broker": brokerFault("SIGTERM", "any"),
    "kill a broker": brokerFault("SIGKILL", "any"),
    "kill leaders in turn": killInTurn,
    "restart all brokers": restartAll,
  },
  server: {
    "kill the server": processFault("SIGKILL", server),
    "stop the server": processFault("SIGTERM", server),
    "freeze the server": processFreeze(server),
  },
  consumer: {
    "kill a consumer": processFault("SIGKILL", consumer),
    "stop a consumer": processFault("SIGTERM", consumer),
    "freeze a consumer": processFreeze(consumer),
    "disk full": diskFull,
  },
  topic: {
    "partitions added": addPartitions,
    "topic deleted": deleteTopic,
    "overload": flood,
  },
};

/** Of the network's, those that are brief and leave something to work: many of them fit between the others. */
export const SMALL = Object.keys(FAULTS.network).filter((kind) => !["latency 3000", "black hole"].includes(kind));
/** For long runs only. */
export const LONG = ["kill leaders in turn"];

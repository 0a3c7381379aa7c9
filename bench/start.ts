/**
 * Starting, and doing nothing: what a server takes before its first request, and between requests.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { integer } from "../settings.ts";
import { benchmark } from "./benchmark.ts";
import type { Contest, Contestant } from "./contest.ts";
import { ECHO, ours, type ServerSetup, startServer } from "./http_servers.ts";
import type { BenchKafka } from "./kafka.ts";
import { findPeers, type Peer, peerVersions } from "./peers.ts";
import { Times } from "./percentiles.ts";
import { shown } from "./tools.ts";

/** A server is started so often in one run: it is soon done. */
const STARTS = 5;
/** Between a server's start and the time in which it is idle, in ms. */
const SETTLE_MS = 5_000;

interface Field {
  kafka: BenchKafka;
  peers: readonly Peer[];
  quick: boolean;
  seconds: number;
}

type Setup = (bootstrap: string, topic: string) => ServerSetup;

function startContest({ kafka, peers, quick }: Field): Contest {
  const starting = (name: string, setup: Setup, missing?: string): Contestant => ({
    name,
    missing,
    command: command(kafka, setup),
    run: () =>
      kafka.withTopic({ partitions: 3 }, async (topic) => {
        const times = new Times();
        for (let i = 0; i < (quick ? 1 : STARTS); i++) {
          await using server = await startServer(setup(kafka.bootstrap, topic));
          times.add(server.startMs);
        }
        return { "ready ms": times.at(0.5) };
      }),
  });
  return {
    title: "start",
    contestants: [
      starting("echo", () => ECHO),
      starting("ours", ours),
      // The other Python endpoint differs only in what it does with a request.
      ...peers.slice(0, 2).map(({ name, server, tool }) => starting(name, server, tool.missing)),
    ],
  };
}

function idleContest({ kafka, quick, seconds }: Field): Contest {
  const idling = (name: string, setup: Setup): Contestant => ({
    name,
    command: command(kafka, setup),
    run: () =>
      kafka.withTopic({ partitions: 3 }, async (topic) => {
        await using server = await startServer(setup(kafka.bootstrap, topic));
        await sleep(quick ? 0 : SETTLE_MS);
        const [from, before] = [performance.now(), server.usage()];
        await sleep(seconds * 1_000);
        const after = server.usage();
        const took = (performance.now() - from) / 1_000;
        return {
          "RSS MiB": after.rssBytes / 2 ** 20,
          "CPU % of a core": 100 * (after.cpuSeconds - before.cpuSeconds) / took,
        };
      }),
  });
  return { title: "idle", contestants: [idling("echo", () => ECHO), idling("ours", ours)] };
}

function command({ bootstrap }: BenchKafka, setup: Setup): string {
  const { command, env = {} } = setup(bootstrap, "$TOPIC");
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return shown([...settings, ...command], { BROKERS: bootstrap });
}

/** The benchmark of this file. */
export const start = benchmark({
  about: "milliseconds until a server is ready, and what it takes when nobody calls",
  usage: `Milliseconds from a server's start until it is ready, and memory and CPU of one that nobody calls.

Usage: deno task bench start [flags]`,
  settings: {
    seconds: integer("--seconds", 10, "in which a server is idle, in each round", [1, 600]),
  },
  async measure({ quick, seconds, ...settings }, { kafka, contests, onProgress }) {
    const peers = await findPeers({ wanted: settings.peers, onProgress });
    const field = { kafka, peers, quick, seconds: quick ? 1 : seconds };
    const results = await contests([startContest(field), idleContest(field)]);
    return { results, versions: peerVersions(peers) };
  },
});

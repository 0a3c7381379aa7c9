/**
 * Latency: how long a record takes from where a client should have sent it to its answer, and to our consumer's
 * handler, at rates that are given.
 *
 * @module
 */
import denoJson from "../deno.json" with { type: "json" };
import { integer, setting } from "../settings.ts";
import { benchmark } from "./benchmark.ts";
import type { Contest, Contestant, Figures } from "./contest.ts";
import { Client, requestBytes } from "./http_client.ts";
import { ours, type ServerSetup, startServer } from "./http_servers.ts";
import type { BenchKafka } from "./kafka.ts";
import { openLoop } from "./open_loop.ts";
import { RECORD_TYPE } from "./payloads.ts";
import { findPeers, peerVersions } from "./peers.ts";
import { Times } from "./percentiles.ts";
import { ROOT, shown } from "./tools.ts";

/** More than are ever busy, unless the server is stuck. */
const CONNECTIONS = 64;
const PARTITIONS = 3;
const WARM_UP_SECONDS = 3;
/** How long after the last answer a record may come to the handler, in ms. */
const LAST_RECORD_MS = 20_000;
/** Makes records 100 bytes long. */
const PADDING = "x".repeat(66);

/** How much is sent. */
interface Pace {
  rate: number;
  seconds: number;
}

function latencyContest(kafka: BenchKafka, pace: Pace, servers: readonly Server[]): Contest {
  return {
    title: `${pace.rate.toLocaleString("en-US")} requests a second`,
    contestants: servers.map((server) => contestant(kafka, pace, server)),
  };
}

interface Server {
  name: string;
  setup: (bootstrap: string, topic: string) => ServerSetup;
  missing?: string;
}

function contestant(kafka: BenchKafka, { rate, seconds }: Pace, { name, setup, missing }: Server): Contestant {
  return {
    name,
    missing,
    command: shown(consumerCommand(kafka.bootstrap, "$TOPIC"), { BROKERS: kafka.bootstrap }),
    run: () =>
      kafka.withTopic({ partitions: PARTITIONS }, async (topic) => {
        await using server = await startServer(setup(kafka.bootstrap, topic));
        await using consumer = startConsumer(kafka.bootstrap, topic);
        const url = new URL(`${server.url}/topics/${topic}`);
        const warmUp = await post(url, { rate, seconds: Math.min(seconds, WARM_UP_SECONDS) });
        await consumer.next(warmUp.count);
        const { answered, late, count } = await post(url, { rate, seconds });
        const handled = await consumer.next(count);
        return { ...figures("handled", handled), ...figures("answered", answered), "clock late p99 ms": late.at(0.99) };
      }),
  };
}

function figures(what: string, times: Times): Figures {
  return Object.fromEntries([50, 99, 99.9].map((percent) => [`${what} p${percent} ms`, times.at(percent / 100)]));
}

/** Sends records that say when they should have been sent. @throws {Error} when one is not answered with 200 */
async function post(url: URL, pace: Pace) {
  using stack = new DisposableStack();
  const senders = Array.from({ length: CONNECTIONS }, () => {
    const client = stack.use(new Client(url));
    return async (at: number) => {
      const body = `{"records":[{"value":{"at":${at.toFixed(3)},"text":"${PADDING}"}}]}`;
      const status = await client.send(requestBytes(url, { contentType: RECORD_TYPE, body }));
      if (status !== 200) throw new Error(`${url} answered ${status}; expected 200`);
    };
  });
  return await openLoop({ ...pace, senders });
}

function consumerCommand(bootstrap: string, topic: string): string[] {
  const flags = ["--brokers", bootstrap, "--topic", topic, "--group", topic, "--quiet"];
  return [...denoJson.tasks.consume.split(" "), ...flags, "--handler", "./bench/latency_handler.ts"];
}

/** Our consumer, with a handler that tells when records come. */
function startConsumer(bootstrap: string, topic: string) {
  const [, ...args] = consumerCommand(bootstrap, topic);
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const seen = new Handled();
  // Read all the time: a consumer whose output nobody takes comes to a stop.
  const reading = seen.read(child.stdout);
  return {
    next: (count: number) => seen.next(count),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await Promise.all([reading, child.status]);
    },
  };
}

/** What the handler prints. */
class Handled {
  #times: number[] = [];
  #wake = () => {};

  async read(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of output.pipeThrough(new TextDecoderStream())) {
      const words = (rest + text).split(/\s/);
      rest = words.pop()!;
      for (const word of words) if (word !== "") this.#times.push(Number(word));
      this.#wake();
    }
  }

  /** Waits until so many records more were handled. @returns how long they took @throws {Error} when they do not come */
  async next(count: number): Promise<Times> {
    let late = false;
    const timer = setTimeout(() => (late = true, this.#wake()), LAST_RECORD_MS);
    while (this.#times.length < count && !late) await new Promise<void>((resolve) => this.#wake = resolve);
    clearTimeout(timer);
    if (late) throw new Error(`${this.#times.length} records were handled; expected ${count}`);
    const times = new Times();
    for (const ms of this.#times.splice(0, count)) times.add(ms);
    return times;
  }
}

function parseRates(text: string): readonly number[] {
  if (!/^[1-9]\d*(,[1-9]\d*)*$/.test(text)) throw new RangeError(text);
  return text.split(",").map(Number);
}

/** The benchmark of this file. */
export const latency = benchmark({
  about: "milliseconds from a client to the answer, and to the consumer's handler",
  usage: `Milliseconds from when a client should have sent a record to its answer, and to our consumer's handler.

Usage: deno task bench latency [flags]`,
  settings: {
    rates: setting(parseRates, ["--rates", "1000,5000,10000", "requests a second"], {
      expected: "whole numbers separated by commas",
    }),
    seconds: integer("--seconds", 8, "of one run, after a warm-up", [1, 600]),
  },
  async measure({ rates, seconds, quick, ...settings }, { kafka, contests, onProgress }) {
    // One that connects for each request cannot keep up with any of these rates.
    const peers = (await findPeers({ wanted: settings.peers, onProgress })).slice(0, 2);
    const servers: Server[] = [
      { name: "ours", setup: ours },
      ...peers.map(({ name, server, tool }) => ({ name, setup: server, missing: tool.missing })),
    ];
    const paces = (quick ? [1_000] : rates).map((rate) => ({ rate, seconds: quick ? 1 : seconds }));
    const results = await contests(paces.map((pace) => latencyContest(kafka, pace, servers)));
    return { results, versions: peerVersions(peers) };
  },
});

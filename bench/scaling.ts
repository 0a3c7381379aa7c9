/**
 * Scaling: what becomes of requests a second with more connections, partitions, bytes, distance to Kafka, processes.
 *
 * @module
 */
import { type LocalKafka, startLocalKafka } from "../dev/local_kafka.ts";
import { freePorts } from "../dev/ports.ts";
import { integer } from "../settings.ts";
import { benchmark, type Stage, warmUp } from "./benchmark.ts";
import type { Contest, Contestant, Figures } from "./contest.ts";
import { envelope, httpContestant, type HttpField, type HttpTask } from "./http_contestant.ts";
import { findGenerator } from "./http_load.ts";
import { ECHO, startServer, startShared } from "./http_servers.ts";
import { BENCH_PROPERTIES, type BenchKafka, withTopics } from "./kafka.ts";
import type { Payloads } from "./payloads.ts";
import { roundTrip, startProxyProcess } from "./proxy.ts";

/** Where nothing else is said. */
const CONNECTIONS = 64;
const RECORD_BYTES = 100;
/** While Kafka is far away requests wait: many are needed to keep a server at work. */
const FAR_CONNECTIONS = 512;

interface Field extends Pick<HttpField, "kafka" | "generator"> {
  payloads: Payloads;
  seconds: number;
}

interface Variant extends Partial<HttpTask> {
  name: string;
  connections?: number;
  bytes?: number;
}

function single({ payloads, seconds, ...field }: Field, variant: Variant): Contestant {
  const { connections = CONNECTIONS, bytes = RECORD_BYTES, ...task } = variant;
  const load = envelope(payloads, { records: 1, bytes });
  return httpContestant({ ...field, pressure: { connections, seconds } }, { load, records: 1, ...task });
}

function besideEcho(field: Field, title: string, variant: Omit<Variant, "name">): Contest {
  const echo = { ...variant, name: "echo", start: () => startServer(ECHO), path: "/" };
  return { title, contestants: [single(field, echo), single(field, { ...variant, name: "ours" })] };
}

function connectionsContest(field: Field, connections: number): Contest {
  return besideEcho(field, connections === 1 ? "1 connection" : `${connections} connections`, { connections });
}

function sizeContest(field: Field, bytes: number): Contest {
  return besideEcho(field, `a record of ${bytes / 1_000} kB`, { bytes });
}

function partitionsContest(field: Field, counts: readonly number[]): Contest {
  const contestants = counts.map((partitions) =>
    single(field, { name: partitions === 1 ? "1 partition" : `${partitions} partitions`, partitions })
  );
  return { title: "partitions", contestants };
}

function processesContest(field: Field, counts: readonly number[]): Contest {
  const contestants = counts.map((count) =>
    single(field, {
      name: count === 1 ? "1 process" : `${count} processes`,
      start: (bootstrap, topic) => startShared({ bootstrap, topic, count }),
    })
  );
  return { title: "processes on one port", contestants };
}

function distanceContest(field: Field, far: FarKafka, latencies: readonly number[]): Contest {
  const variant = { connections: FAR_CONNECTIONS, missing: far.missing };
  const distant = latencies.map((latencyMs) => {
    const contestant = single({ ...field, kafka: far.kafka }, { name: `through a proxy, ${latencyMs} ms`, ...variant });
    return { ...contestant, run: () => far.at(latencyMs, contestant.run) };
  });
  return {
    title: `latency between server and Kafka, ${FAR_CONNECTIONS} connections`,
    contestants: [...distant, single(field, { name: "without a proxy", ...variant })],
  };
}

/** A Kafka that is reached through a proxy; started when it is first needed. */
class FarKafka implements AsyncDisposable {
  readonly kafka: BenchKafka;
  /** It has to lead clients to the proxy, which that of KAFKA_BROKERS does not. */
  readonly missing = Deno.env.get("KAFKA_BROKERS") ? "it needs a Kafka of its own: unset KAFKA_BROKERS" : undefined;
  readonly #stage: Stage;
  readonly #warm: boolean;
  readonly #ports = freePorts(2);
  #started?: Promise<LocalKafka>;

  /** @param options.warm Whether to warm it up before it is measured with. */
  constructor(stage: Stage, { warm }: { warm: boolean }) {
    this.#stage = stage;
    this.#warm = warm;
    const dispose = () => this[Symbol.asyncDispose]();
    this.kafka = withTopics({ bootstrap: `127.0.0.1:${this.#ports[1]}`, [Symbol.asyncDispose]: dispose });
  }

  /** Does something while each round trip takes so many ms more. */
  async at(latencyMs: number, work: () => Promise<Figures>): Promise<Figures> {
    await (this.#started ??= this.#start());
    await using _proxy = await this.#proxy(latencyMs);
    return { ...await work(), "round trip ms": await roundTrip(this.#ports[1]) };
  }

  async #start(): Promise<LocalKafka> {
    const { onProgress } = this.#stage;
    const [port, advertised] = this.#ports;
    const where = { ports: [port], advertisedPorts: [advertised] };
    const kafka = await startLocalKafka({ ...where, properties: BENCH_PROPERTIES, onProgress });
    await using _proxy = await this.#proxy(0);
    if (this.#warm) await warmUp({ ...this.#stage, kafka: this.kafka });
    return kafka;
  }

  #proxy(latencyMs: number): Promise<AsyncDisposable> {
    return startProxyProcess({ port: this.#ports[1], target: this.#ports[0], latencyMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#started)?.[Symbol.asyncDispose]();
  }
}

/** The benchmark of this file. */
export const scaling = benchmark({
  about: "requests a second with more connections, partitions, bytes, distance, processes",
  usage: `Requests a second, a record each, with more connections, partitions, bytes, distance to Kafka, processes.

Usage: deno task bench scaling [flags]`,
  settings: {
    seconds: integer("--seconds", 3, "of one run, after a warm-up of half as long", [1, 600]),
  },
  async measure({ quick, ...settings }, { contests, ...stage }) {
    const generator = await findGenerator(stage.payloads.folder);
    const field = { ...stage, generator, seconds: quick ? 1 : settings.seconds };
    await using far = new FarKafka(stage, { warm: !quick });
    const results = await contests([
      ...(quick ? [8] : [1, 8, 64, 512]).map((connections) => connectionsContest(field, connections)),
      partitionsContest(field, quick ? [3, 12] : [1, 3, 12, 100]),
      ...(quick ? [1_000] : [1_000, 100_000]).map((bytes) => sizeContest(field, bytes)),
      distanceContest(field, far, quick ? [0, 5] : [0, 1, 5, 20]),
      processesContest(field, [1, 2]),
    ]);
    return { results, versions: { "load generator": generator.name } };
  },
});

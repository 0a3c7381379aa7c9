/**
 * One client of `bench/produce.ts`, in a process of its own: sends as fast as it can, prints its figures as JSON.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { CompressionTypes, Kafka, logLevel, Partitioners } from "kafkajs";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfig } from "../config.ts";
import { type Outcome, Producer } from "../producer.ts";
import type { Figures } from "./contest.ts";
import { Times } from "./percentiles.ts";

/** What a client is to do. */
export interface ClientJob {
  client: "ours" | "kafkajs";
  bootstrap: string;
  topic: string;
  /** File with a value in each line. */
  payloads: string;
  keys: boolean;
  compression: "none" | "gzip" | "zstd";
  /** Records of one call, which are one promise. */
  perCall: number;
  /** Calls without an answer at any time. */
  calls: number;
  /** Until so many records are acknowledged. A tenth more are sent before the clock starts. */
  records: number;
  /** Measures how long calls take, too. */
  latency?: boolean;
  /** Prints memory and speed each second, for so many seconds, instead of `records`. */
  seconds?: number;
}

/** The command that does a job, for the project's folder. */
export function clientCommand(job: ClientJob): string[] {
  const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-sys"];
  return ["deno", "run", ...permissions, "bench/produce_client.ts", JSON.stringify(job)];
}

interface TestRecord {
  key?: string;
  /** Bytes, as the other tools have them, too. */
  value: Buffer;
}

/** A client that is connected. */
interface Connected {
  /** Rejects when it is not acknowledged. */
  send(records: TestRecord[]): Promise<unknown>;
  /** Tells what it finds in `send`'s answer that is no acknowledgement. */
  check(answer: unknown, onError: (error: Error) => void): void;
  close(): Promise<void>;
}

/** Numbers of the keys: enough for all partitions to get their share. */
const KEYS = 1_000;

async function connectOurs({ bootstrap, topic, compression }: ClientJob): Promise<Connected> {
  const args = [`--brokers=${bootstrap}`, `--compression=${compression}`];
  const producer = new Producer(loadConfig("produce", { args, env: () => undefined, envFile: "" }));
  await producer.start();
  return {
    send: (records) => producer.send(records, { topic }),
    check(outcomes, onError) {
      for (const outcome of outcomes as Outcome[]) if (outcome.status !== "acknowledged") onError(outcome.error);
    },
    async close() {
      await producer.close({ deadline: Date.now() + 5_000 });
    },
  };
}

async function connectKafkajs({ bootstrap, topic, compression: named }: ClientJob): Promise<Connected> {
  const compression = named === "gzip" ? CompressionTypes.GZIP : CompressionTypes.None;
  const kafka = new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  return {
    send: (messages) => producer.send({ topic, messages, acks: -1, compression }),
    check() {}, // it rejects
    close: () => producer.disconnect(),
  };
}

/** The arguments of calls, made beforehand: what callers do is not what is measured. */
function makeCalls({ payloads, keys, perCall }: ClientJob): TestRecord[][] {
  const values = Deno.readTextFileSync(payloads).trimEnd().split("\n").map((line) => Buffer.from(line));
  const records = Array.from({ length: Math.max(values.length, perCall) }, (_, i): TestRecord => {
    const value = values[i % values.length];
    return keys ? { key: `key-${i % KEYS}`, value } : { value };
  });
  const count = Math.max(1, Math.floor(records.length / perCall));
  return Array.from({ length: count }, (_, i) => records.slice(i * perCall, (i + 1) * perCall));
}

/** Keeps so many calls on their way, and starts the next one while `goesOn` says so after an answer. */
function keepSending(client: Connected, job: ClientJob, goesOn: (startedAt: number) => boolean): Promise<void> {
  const calls = makeCalls(job);
  // Neither an async function nor a closure per call, where times don't matter: with one record a call they would cost
  // as much as what is measured.
  return new Promise((resolve, reject) => {
    let [next, flying] = [0, job.calls];
    const start = () => {
      const sent = client.send(calls[next++ % calls.length]);
      if (!job.latency) return void sent.then(answered, reject);
      const startedAt = performance.now();
      sent.then((answer) => answered(answer, startedAt), reject);
    };
    const answered = (answer: unknown, startedAt = 0) => {
      client.check(answer, reject);
      if (goesOn(startedAt)) start();
      else if (--flying === 0) resolve();
    };
    for (let i = 0; i < job.calls; i++) start();
  });
}

async function measure(client: Connected, job: ClientJob): Promise<Figures> {
  const warmUp = counter(job.records / 10, job);
  await keepSending(client, job, warmUp.goesOn);
  const times = new Times();
  const sent = counter(job.records, job);
  const start = performance.now();
  await keepSending(client, job, (startedAt) => {
    if (job.latency) times.add(performance.now() - startedAt);
    return sent.goesOn();
  });
  const rate = sent.records() * 1000 / (performance.now() - start);
  const figures = { "records/s": rate, "RSS MiB": Deno.memoryUsage().rss / 2 ** 20 };
  if (!job.latency) return figures;
  return { ...figures, "p50 ms": times.at(0.5), "p99 ms": times.at(0.99) };
}

/** Counts calls, each with the same number of records. */
function counter(limit: number, { perCall, calls }: ClientJob) {
  let done = 0;
  return { goesOn: () => (++done + calls) * perCall <= limit + perCall, records: () => done * perCall };
}

/** What a client prints each second. Memory is in bytes. */
export interface Second {
  second: number;
  /** Records a second. */
  rate: number;
  rss: number;
  heapUsed: number;
  external: number;
}

/** Sends for a time and says each second how it goes. */
async function watch(client: Connected, job: ClientJob, seconds: number): Promise<void> {
  let [sent, ended] = [0, false];
  const sending = keepSending(client, job, () => {
    sent += job.perCall;
    return !ended;
  });
  for (let second = 1, last = performance.now(), before = 0; second <= seconds; second++) {
    await Promise.race([sleep(1_000), sending]);
    const now = performance.now();
    const { rss, heapUsed, external } = Deno.memoryUsage();
    const rate = (sent - before) * 1000 / (now - last);
    console.log(JSON.stringify({ second, rate, rss, heapUsed, external } satisfies Second));
    [last, before] = [now, sent];
  }
  ended = true;
  await sending;
}

async function main(job: ClientJob): Promise<void> {
  const client = await (job.client === "ours" ? connectOurs(job) : connectKafkajs(job));
  if (job.seconds !== undefined) await watch(client, job, job.seconds);
  else console.log(JSON.stringify(await measure(client, job)));
  await client.close();
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]));

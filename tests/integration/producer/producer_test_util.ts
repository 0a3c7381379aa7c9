/**
 * What the producer's tests share: a Kafka behind proxies, producers in this process, and a memory of what they told.
 *
 * @module
 */
import { BaseHandler, type LogRecord, setup } from "@std/log";
import { Registry } from "prom-client";
import { type DeliveryConfig, loadConfig } from "../../../config.ts";
import type { LocalKafkaOptions } from "../../../dev/local_kafka.ts";
import { createProducerMetrics, type ProducerMetrics } from "../../../metrics.ts";
import { type Outcome, Producer, type ProducerRecord } from "../../../producer.ts";
import { assertDelivered, type CheckOptions, type Report, type SendEvent } from "../../support/checker.ts";
import { createTopic, type TopicOptions } from "../../support/kafka.ts";
import { type ProxiedKafka, startProxiedKafka } from "../../support/proxied_kafka.ts";
import type { FaultProxy } from "../../support/proxy.ts";
import { readTopic } from "../../support/reader.ts";
import { waitFor } from "../../support/wait.ts";

/** A test file's own Kafka behind proxies, from its first test to its last. */
export interface KafkaOfFile {
  readonly cluster: ProxiedKafka;
  /** The one before the first broker. */
  readonly proxy: FaultProxy;
  /** A topic and a producer that is connected, for one test; both go with it. */
  stage(args?: readonly string[], topic?: TopicOptions): Promise<Stage>;
}

/** To be called once, at the top of a test file. */
export function kafkaOfFile(options: Pick<LocalKafkaOptions, "brokers" | "heap"> = {}): KafkaOfFile {
  let cluster: ProxiedKafka | undefined;
  Deno.test.beforeAll(async () => void (cluster = await startProxiedKafka(options)));
  // Between tests, as stages may stand side by side within one.
  Deno.test.afterEach(async () => {
    for (const proxy of cluster!.proxies) proxy.heal(); // a test that failed may have left it broken
    await noConnections(cluster!);
  });
  Deno.test.afterAll(async () => await cluster?.[Symbol.asyncDispose]());
  return {
    get cluster() {
      return cluster!;
    },
    get proxy() {
      return cluster!.proxies[0];
    },
    stage: (args = [], topic = {}) => Stage.set(cluster!, args, topic),
  };
}

/** A topic, a producer, and what it told. */
export class Stage implements AsyncDisposable {
  readonly topic: string;
  readonly producer: Producer;
  readonly history: History;
  readonly #cluster: ProxiedKafka;
  readonly #registry: Registry;
  readonly #stack: AsyncDisposableStack;

  static async set(cluster: ProxiedKafka, args: readonly string[], options: TopicOptions): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const topic = stack.use(await createTopic(cluster.bootstrap, options));
    const registry = new Registry();
    const producer = stack.adopt(
      makeProducer(cluster.bootstrap, args, registry),
      async (it) => void await closeNow(it),
    );
    await producer.start();
    return new Stage(cluster, { topic: topic.name, producer, registry, stack: stack.move() });
  }

  private constructor(
    cluster: ProxiedKafka,
    { topic, producer, registry, stack }: {
      topic: string;
      producer: Producer;
      registry: Registry;
      stack: AsyncDisposableStack;
    },
  ) {
    this.topic = topic;
    this.producer = producer;
    this.history = new History(producer, topic);
    this.#cluster = cluster;
    this.#registry = registry;
    this.#stack = stack;
  }

  /** Sends records of these values to partition 0, all of one key, together. Returns each one's outcome in words. */
  async send(...values: string[]): Promise<string[]> {
    return (await this.history.send(values.map((value) => ({ key: "k", value, partition: 0 })))).map(told);
  }

  /** Resolves when no produce request is under way. */
  async idle(): Promise<void> {
    const isIdle = async () => await this.metric("requests_in_flight") === 0;
    await waitFor(isIdle, { what: "the last request to be answered or given up" });
  }

  /** The values in the log, by partition and offset, as another client reads them. */
  async log(): Promise<string[]> {
    return (await readTopic(this.#cluster.bootstrap, this.topic)).map(({ value }) => `${value}`);
  }

  /** Holds what was told against the log. @throws {Error} when an invariant is broken */
  async verdict(options?: CheckOptions): Promise<Report> {
    return assertDelivered(this.history.events, await readTopic(this.#cluster.bootstrap, this.topic), options);
  }

  /** A metric's value: `records_total{outcome="unknown"}`. */
  async metric(line: string): Promise<number> {
    return await metricOf(this.#registry, line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/**
 * Runs cases that wait more than they work at the same time. Each is to have a stage of its own, and faults that hit
 * its topic alone.
 *
 * @throws {AggregateError} of those that failed, each with its case
 */
export async function sideBySide<T>(cases: readonly T[], run: (each: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(cases.map(run));
  const failures = results.flatMap((result, i) => {
    if (result.status === "fulfilled") return [];
    return [new Error(`case ${JSON.stringify(cases[i])}: ${result.reason}`, { cause: result.reason })];
  });
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} of ${cases.length} cases failed`);
}

/** A producer that is not started yet, with settings from flags alone. */
export function makeProducer(bootstrap: string, args: readonly string[] = [], registry = new Registry()): Producer {
  const sources = { args: ["--brokers", bootstrap, ...args], env: () => undefined, envFile: "" };
  return new PunctualProducer(loadConfig("produce", sources), createProducerMetrics(registry));
}

/** How late an outcome may be on a busy machine, in ms. */
const LATE_MS = 15_000;

/** A producer that keeps no test waiting for ever, were it to forget its deadlines. */
class PunctualProducer extends Producer {
  readonly #timeout: number;

  constructor(config: DeliveryConfig, metrics: ProducerMetrics) {
    super(config, metrics);
    this.#timeout = config.deliveryTimeoutMs + LATE_MS;
  }

  override async send(...sent: Parameters<Producer["send"]>): Promise<Outcome[]> {
    return await waitFor(() => super.send(...sent), { what: "each record's outcome", timeout: this.#timeout });
  }
}

/** Ends a producer whose records nobody asks for any more. @returns how many were left */
export async function closeNow(producer: Producer): Promise<number> {
  return await producer.close({ deadline: Date.now() + 2_000 });
}

/** A metric of a producer; 0 when nothing was counted. */
export async function metricOf(registry: Registry, line: string): Promise<number> {
  const lines = (await registry.metrics()).split("\n");
  return Number(lines.find((it) => it.startsWith(`kafka_deno_producer_${line} `))?.split(" ").at(-1) ?? 0);
}

async function noConnections({ proxies }: ProxiedKafka): Promise<void> {
  await waitFor(() => proxies.every(({ stats }) => stats.connections.open === 0), {
    what: "a closed producer to have no connections",
  });
}

/** What was sent and told, for the checker. */
export class History {
  readonly events: SendEvent[] = [];
  /** The first error of those that were not acknowledged, to be shown where a test did not expect one. */
  firstError?: Error;
  readonly #producer: Producer;
  readonly #topic: string;
  #clock = 0;

  constructor(producer: Producer, topic: string) {
    this.#producer = producer;
    this.#topic = topic;
  }

  /** Sends records together, and remembers what became of them. */
  async send(
    records: readonly (ProducerRecord & { value: string })[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Outcome[]> {
    const start = this.#clock++;
    const outcomes = await this.#producer.send(records, { topic: this.#topic, signal });
    const end = this.#clock++;
    for (const [i, { value, key }] of records.entries()) {
      const outcome = outcomes[i];
      this.events.push({ value, key, start, end, ...seen(outcome) });
      if (outcome.status !== "acknowledged") this.firstError ??= outcome.error;
    }
    return outcomes;
  }

  /** How many ended so. */
  count(outcome: SendEvent["outcome"]): number {
    return this.events.filter((event) => event.outcome === outcome).length;
  }
}

function seen(outcome: Outcome): Pick<SendEvent, "outcome" | "partition" | "offset"> {
  if (outcome.status !== "acknowledged") return { outcome: outcome.status === "unknown" ? "unknown" : "refused" };
  const { partition, offset } = outcome;
  return { outcome: "ok", partition, offset };
}

/** An outcome in a few words. */
export function told(outcome: Outcome): string {
  if (outcome.status === "acknowledged") return "ok";
  const { failure, code } = outcome.error;
  const again = outcome.status === "rejected" && outcome.retriable && "retriable";
  return [outcome.status, failure, code, again].filter((word) => word !== undefined && word !== false).join(" ");
}

/**
 * Records by many at once, until told to stop, or until the producer is closed, as it is when a test has failed:
 * within a key each waits for the one before it.
 */
export async function load(
  history: History,
  { keys, until, pauseMs = 0, keyless = false }: {
    keys: number;
    until: AbortSignal;
    pauseMs?: number;
    /** No record has a key. */
    keyless?: boolean;
  },
): Promise<void> {
  const writers = Array.from({ length: keys }, async (_, key) => {
    const isClosed = (outcome: Outcome) => outcome.status === "rejected" && outcome.error.failure === "closing";
    for (let n = 0; !until.aborted; n++) {
      const keyed = keyless ? [] : [{ key: `key ${key}`, value: `${key}/${n}` }];
      if ((await history.send([...keyed, { value: `${key}/${n} without key` }])).some(isClosed)) return;
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  });
  await Promise.all(writers);
}

/** Everything that is logged from now on, as `LEVEL component: message`. */
export function collectLog(level: "DEBUG" | "INFO" = "INFO"): LogRecord[] {
  const records: LogRecord[] = [];
  class Collector extends BaseHandler {
    override handle(record: LogRecord): void {
      records.push(record);
    }
    override log(): void {}
  }
  const logger = { level, handlers: ["collector"] };
  setup({
    handlers: { collector: new Collector("DEBUG") },
    loggers: { producer: logger, kafka: logger, kafkajs: logger },
  });
  return records;
}

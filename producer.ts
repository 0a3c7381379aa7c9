/**
 * Records in, one delivery outcome per record out: the middle of `HTTP -> producer -> Kafka -> consumer -> handler`.
 *
 * As a script it writes the lines of stdin, or random Chinese names, to a topic:
 *
 *     deno task produce --names 5 --verbose
 *     printf 'a\t1\nb\t2\n' | deno task produce --key-delimiter '\t'
 *
 * @module
 */
import { Registry } from "prom-client";
import { type Config, configOrExit, type DeliveryConfig } from "./config.ts";
import { DeliveryError, rootCause } from "./errors.ts";
import { Admission } from "./kafka/admission.ts";
import { Accumulator } from "./kafka/accumulator.ts";
import { createKafka, requestTimeoutWithin } from "./kafka/client.ts";
import { Cluster, type TopicMetadata } from "./kafka/cluster.ts";
import { type Acknowledged, Delivery, type Outcome } from "./kafka/delivery.ts";
import { Intake } from "./kafka/intake.ts";
import { Metadata } from "./kafka/metadata.ts";
import type { StateLog } from "./kafka/reachability.ts";
import type { ProducerRecord } from "./kafka/record_batch.ts";
import { Sender } from "./kafka/sender.ts";
import { settleInOrder } from "./kafka/stream.ts";
import { ensureTopic } from "./kafka/topics.ts";
import { loggerFor, setupLogging } from "./log.ts";
import { createProducerMetrics } from "./metrics.ts";
import { stopSignal } from "./signals.ts";

export type { Outcome, ProducerRecord };

/** Options of {@linkcode Producer.send}. */
export interface SendOptions {
  topic: string;
  /**
   * Ends the wait: records on their way are reported as unknown, since they may still be written. Metrics count what
   * becomes of them, as nobody else hears of it.
   */
  signal?: AbortSignal;
}

/** Delivers records. Start it, send, close it. */
export class Producer {
  readonly #cluster: Cluster;
  readonly #metadata: Metadata;
  readonly #accumulator: Accumulator;
  readonly #intake: Intake;
  readonly #admission: Admission;
  readonly #sender: Sender;
  #closing = false;

  /** @param stateLog Told when Kafka, or a broker, goes away and comes back */
  constructor(
    config: DeliveryConfig,
    metrics = createProducerMetrics(new Registry()),
    stateLog: StateLog = loggerFor("kafka"),
  ) {
    const log = loggerFor("producer");
    const requestTimeoutMs = requestTimeoutWithin(config.deliveryTimeoutMs);
    this.#cluster = new Cluster(createKafka(config, { requestTimeoutMs }));
    this.#metadata = new Metadata(this.#cluster, stateLog);
    this.#accumulator = new Accumulator(config);
    const { deliveryTimeoutMs, idempotence, acks, lingerMs, compression } = config;
    log.debug("delivery path", { deliveryTimeoutMs, idempotence, acks, lingerMs, compression });
    const parts = { accumulator: this.#accumulator, cluster: this.#cluster, metadata: this.#metadata, metrics, log };
    this.#intake = new Intake(parts, config);
    this.#sender = new Sender(config, parts);
    const onAccepted = () => this.#sender.wake();
    this.#admission = new Admission({ intake: this.#intake, metadata: this.#metadata, onAccepted }, config);
    metrics.watchBuffer(this.#accumulator);
  }

  /** Begins to connect, and never stops trying. Resolves after the first attempt, whatever came of it. */
  async start(): Promise<void> {
    await this.#metadata.start();
  }

  /** Resolves when Kafka has answered for the first time. */
  whenConnected(): Promise<void> {
    return this.#metadata.whenConnected;
  }

  /** Undefined while Kafka answers, else why it does not, in a few words. */
  get problem(): string | undefined {
    return this.#closing ? "closing" : this.#metadata.connected ? undefined : this.#metadata.problem;
  }

  /**
   * What is known of a topic, at once where it is; nothing is created.
   *
   * @throws {DeliveryError} when there is no such topic, it may not be seen, or Kafka does not answer
   */
  lookUp(topic: string): TopicMetadata | Promise<TopicMetadata> {
    return this.#metadata.known(topic) ?? this.#metadata.lookUp(topic);
  }

  /**
   * Delivers records: one outcome for each, in their order, within the delivery timeout. Never rejects.
   *
   * Records without a partition go where their key says, as with Java's client; those without a key stay together.
   */
  send(records: readonly ProducerRecord[], options: SendOptions): Promise<Outcome[]> {
    const delivery = new Delivery(records.length);
    if (this.#closing) this.#intake.refuse(delivery, new DeliveryError("closing", "The producer is closing"));
    else this.#admission.admit(records, delivery, options);
    return delivery.settled;
  }

  /**
   * Delivers a stream of records, with back-pressure: where {@linkcode send} refuses because the buffer is full, this
   * waits. Outcomes come in the order of the records, as soon as they are known, in the arrays that came in.
   */
  async *deliver(
    chunks: AsyncIterable<readonly ProducerRecord[]>,
    options: SendOptions,
  ): AsyncGenerator<Outcome[], void, undefined> {
    await Promise.resolve(this.lookUp(options.topic)).catch(() => {}); // send tells
    yield* settleInOrder(chunks, async (records) => {
      // Room before, and not another try after a refusal: what comes next must not overtake it. Nothing comes between
      // the last look and the call: other streams have waited for the same room.
      for (let room; (room = this.#intake.whenRoomFor(records));) await room;
      return { outcomes: this.send(records, options) };
    });
  }

  /** Waits until everything that was sent so far has its outcome. @returns records without one at the deadline */
  async flush({ deadline }: { deadline: number }): Promise<number> {
    let timer;
    const timeout = new Promise((resolve) => timer = setTimeout(resolve, Math.max(0, deadline - Date.now())));
    await Promise.race([this.#settleAll(), timeout]);
    clearTimeout(timer);
    return this.#admission.records + this.#accumulator.records;
  }

  async #settleAll(): Promise<void> {
    await this.#admission.settled();
    const settled = this.#accumulator.flush();
    this.#sender.wake();
    await settled;
  }

  /**
   * Refuses new records, flushes, disconnects. What is left then is told to its callers as rejected where it was
   * never sent, as unknown where it was.
   *
   * @param deadline in ms since 1970
   * @returns how many records were left: those might be lost
   */
  async close({ deadline }: { deadline: number }): Promise<number> {
    this.#closing = true;
    await this.flush({ deadline });
    const error = new DeliveryError("closing", "The producer was closed before Kafka answered");
    const lost = this.#admission.refuseAll(error) + this.#sender.stop(error);
    // What the metadata loop waits for ends with the connections; what it opened meanwhile is closed afterwards.
    const stopped = this.#metadata.stop();
    await this.#cluster.close();
    await stopped;
    await this.#cluster.close();
    return lost;
  }
}

const USAGE = `Writes stdin's lines, or random Chinese names, to a topic. Exit code 1 if a record was not delivered.

Usage: deno task produce [flags]
  deno task produce --names 5 --verbose
  printf 'a\\t1\\nb\\t2\\n' | deno task produce --key-delimiter $'\\t'`;

/** The records that the command line asks for, in arrays as they come. */
async function* recordsToWrite(config: Config<"produce">, signal: AbortSignal): AsyncGenerator<ProducerRecord[]> {
  if (config.names !== undefined) {
    const { randomName } = await import("./names.ts"); // whoever uses the producer in a program goes without Faker
    for (let left = config.names; left > 0 && !signal.aborted; left -= 100) {
      yield Array.from({ length: Math.min(100, left) }, () => ({ value: randomName() }));
    }
    return;
  }
  const input = Deno.stdin.readable.pipeThrough(new TextDecoderStream("utf-8", { fatal: true }), { signal });
  let rest = "";
  for await (const text of input) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield lines.map((line) => toRecord(line, config.keyDelimiter));
  }
  if (rest) yield [toRecord(rest, config.keyDelimiter)];
}

/** `key<delimiter>value`; a line without the delimiter is a value without a key. */
function toRecord(line: string, delimiter: string | undefined): ProducerRecord {
  const at = delimiter === undefined ? -1 : line.indexOf(delimiter);
  return at < 0 ? { value: line } : { key: line.slice(0, at), value: line.slice(at + delimiter!.length) };
}

function reportOf({ partition, offset, latencyMs }: Acknowledged, { topic }: { topic: string }): string {
  return `delivered to ${topic}-${partition}@${offset} in ${latencyMs} ms`;
}

/** Delivers everything and reports. @returns the process's exit code */
async function produce(config: Config<"produce">, signal: AbortSignal): Promise<number> {
  const producer = new Producer(config);
  const count = { acknowledged: 0, rejected: 0, unknown: 0 };
  let lost = 0;
  try {
    await ensureTopic(createKafka(config), config.topic, { create: config.createTopic });
    await producer.start();
    for await (const outcomes of producer.deliver(recordsToWrite(config, signal), { topic: config.topic })) {
      for (const outcome of outcomes) {
        count[outcome.status]++;
        if (outcome.status !== "acknowledged") console.error(`${outcome.status}: ${outcome.error.message}`);
        else if (config.verbose) console.error(reportOf(outcome, config));
      }
    }
  } catch (error) {
    const undecodable = error instanceof TypeError && error.message.includes("encoded data");
    if (undecodable) throw new TypeError("stdin is not UTF-8 throughout; expected text, perhaps by way of iconv");
    if (!signal.aborted) throw error;
  } finally {
    lost = await producer.close({ deadline: Date.now() + config.shutdownTimeoutMs });
  }
  if (lost > 0) console.error(`${lost} messages might be lost`);
  console.error(`${count.acknowledged} delivered, ${count.rejected} rejected, ${count.unknown} unknown`);
  return count.rejected + count.unknown + lost > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const config = configOrExit("produce", USAGE);
  setupLogging(config);
  try {
    return await produce(config, stopSignal());
  } catch (error) {
    const unreachable = /ECONN|ENOTFOUND|ETIMEDOUT|[Cc]onnection/.test(rootCause(error));
    const remedy = unreachable
      ? "; start a Kafka there (deno task broker), name another (KAFKA_BROKERS), or ask deno task doctor"
      : "";
    console.error(`Cannot write to ${config.topic} on ${config.brokers}: ${rootCause(error)}${remedy}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

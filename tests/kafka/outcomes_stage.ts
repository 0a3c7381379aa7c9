/** One partition with everything behind it but a broker, whose part the tests play. */
import { Registry } from "prom-client";
import { loadConfig } from "../../config.ts";
import { Accumulator } from "../../kafka/accumulator.ts";
import { createKafka } from "../../kafka/client.ts";
import { Cluster } from "../../kafka/cluster.ts";
import { Delivery, type Outcome } from "../../kafka/delivery.ts";
import { Metadata } from "../../kafka/metadata.ts";
import { Outcomes } from "../../kafka/outcomes.ts";
import { loggerFor } from "../../log.ts";
import { createProducerMetrics } from "../../metrics.ts";

/** The delivery timeout. */
export const TIMEOUT_MS = 1_000;
/** When records come in. */
export const NOW = 1_700_000_000_000;
const LIMITS = { batchBytes: 10_000, bufferBytes: 100_000, deliveryTimeoutMs: TIMEOUT_MS };

/** One partition, whose broker is the test. */
export class Stage {
  readonly registry = new Registry();
  readonly accumulator = new Accumulator(LIMITS);
  readonly outcomes: Outcomes;
  readonly queue = this.accumulator.queue("t", 4);

  constructor() {
    const config = loadConfig("produce", { args: [], envFile: "", env: () => undefined });
    const log = loggerFor("producer");
    const metadata = new Metadata(new Cluster(createKafka(config)), log);
    const metrics = createProducerMetrics(this.registry);
    this.outcomes = new Outcomes({
      accumulator: this.accumulator,
      metadata,
      metrics,
      log,
      identities: { problem: undefined },
    }, LIMITS);
    this.queue.identity = { producerId: 7n, producerEpoch: 0, nextSequence: 0 };
  }

  /** Takes records in, all with the same time of arrival. */
  send(count: number, now = NOW): Delivery {
    const delivery = new Delivery(count);
    for (let i = 0; i < count; i++) this.accumulator.append(this.queue, { value: `${i}` }, now, delivery, i);
    return delivery;
  }

  /** The first batch leaves, as the sender sends it. */
  async leave(): Promise<void> {
    const { queue } = this;
    const [batch] = queue.batches;
    queue.busy = true;
    const { nextSequence, ...identity } = queue.identity!;
    if (!batch.frozen) await batch.freeze({ ...identity, baseSequence: nextSequence }, "none");
    batch.onTheWire = true;
  }

  /** The broker's answer to what has left. */
  answer(code: number, baseOffset = -1, logAppendTime = -1, invalid: number[] = []): void {
    const { queue } = this;
    const [batch] = queue.batches;
    batch.onTheWire = false;
    this.outcomes.answered({ queue, batch }, {
      topic: "t",
      partition: 4,
      code,
      baseOffset,
      logAppendTime,
      invalid: invalid.map((index) => ({ index, message: index % 2 ? `record ${index} is wrong` : null })),
    });
    queue.busy = false;
  }

  /** No answer comes. */
  fail(mayHaveArrived: boolean): void {
    const { queue } = this;
    const [batch] = queue.batches;
    batch.onTheWire = false;
    this.outcomes.failed({ queue, batch }, new Error("connection reset"), { mayHaveArrived });
    queue.busy = false;
  }

  expire(): void {
    this.outcomes.expire(NOW + TIMEOUT_MS);
  }

  async metric(line: string): Promise<number> {
    const text = await this.registry.metrics();
    return Number(text.split("\n").find((it) => it.startsWith(`kafka_deno_producer_${line} `))?.split(" ").at(-1) ?? 0);
  }
}

/** An outcome in a few words. */
export function told(outcome: Outcome): string {
  if (outcome.status === "acknowledged") return `acknowledged ${outcome.partition}@${outcome.offset}`;
  const { failure, code } = outcome.error;
  return [outcome.status, failure, code, outcome.status === "rejected" && outcome.retriable && "retriable"]
    .filter((word) => word !== undefined && word !== false).join(" ");
}

/** All outcomes of a call in a few words. */
export async function toldOf(delivery: Delivery): Promise<string[]> {
  return (await delivery.settled).map(told);
}

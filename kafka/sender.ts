/**
 * Takes batches from the accumulator to the brokers.
 *
 * How an idempotent producer works: the broker remembers, for each partition and producer id, the sequences of the
 * last batches. A batch that arrives twice is recognized by its sequence and answered with its first offset; one
 * that comes too early is refused (KIP-98). All that we must do is never to use a sequence for two different
 * batches, and never to send a record under two sequences. Hence the rules of this folder:
 *
 * - A batch is frozen when it is first sent. Whatever happens, a retry sends the same bytes.
 * - A partition has one batch in flight. Its sequence is spent only when the broker has acknowledged it.
 * - An error that says "not written" spends no sequence. One that says nothing (a lost connection, a time-out)
 *   leaves one way to find out: the same bytes again, until the deadline.
 * - A batch that is given up without an answer may still arrive. The partition then takes a fresh producer id.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type { DeliveryConfig } from "../config.ts";
import { backoff } from "./backoff.ts";
import type { Cluster } from "./cluster.ts";
import { requestTimeoutWithin } from "./client.ts";
import type { PartitionQueue } from "./accumulator.ts";
import type { Batch } from "./batch.ts";
import { BufferPool } from "./buffer_pool.ts";
import { Identities } from "./identities.ts";
import { type OutcomeParts, Outcomes, type Shipment } from "./outcomes.ts";
import { decodeProduceResponse, encodeProduceRequest, type PartitionResult, PRODUCE } from "./produce_request.ts";
import type { BatchIdentity } from "./record_batch.ts";
import type { DeliveryError } from "../errors.ts";

/** A broker answers one connection's requests one after the other: a few on the way keep it busy, more only queue. */
const MAX_REQUESTS_PER_BROKER = 5;
/** A request is full at so many bytes of batches: the broker writes one while the next is on its way and a third made. */
const MAX_REQUEST_BYTES = 1 << 20;
/**
 * While requests with so many records are on their way, what is small waits for an answer, though no longer than
 * HOLD_MS. With 64 callers of one record each this put 27 records into a request where there were 18, for a seventh
 * more calls a second and less latency; with four callers requests are smaller, and nothing waits.
 */
const BUSY_RECORDS = 8;
const HOLD_MS = 2;
const SMALL_BATCH_BYTES = 1 << 14;
/** What a batch says without idempotence. */
const NO_IDENTITY: BatchIdentity = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };

/** What the sender knows of a broker. */
interface Node {
  id: number;
  inFlight: number;
  recordsInFlight: number;
  /** The last request, in ms since 1970. */
  sentAt: number;
  failures: number;
  /** After a failure, in ms since 1970. */
  resumeAt: number;
  /** Until then the broker wants no requests, in ms since 1970 (KIP-219). */
  pausedUntil: number;
}

/** What a sender works with. */
export interface SenderParts extends Omit<OutcomeParts, "identities"> {
  cluster: Cluster;
}

/** Sends what the accumulator holds. */
export class Sender {
  readonly #config: DeliveryConfig;
  readonly #parts: SenderParts;
  readonly #outcomes: Outcomes;
  readonly #identities: Identities;
  readonly #nodes = new Map<number, Node>();
  /** Of requests: with new ones for each, records of 10 kB took 15% more CPU, and 50 MB more memory. */
  readonly #bodies = new BufferPool();
  #scheduled = false;
  #timer?: ReturnType<typeof setTimeout>;
  /** When the timer ends, in ms since 1970; Infinity while there is none. */
  #timerAt = Infinity;
  #stopped = false;

  constructor(config: DeliveryConfig, parts: SenderParts) {
    this.#config = config;
    this.#parts = parts;
    this.#identities = new Identities(parts.cluster, parts.log);
    this.#outcomes = new Outcomes({ ...parts, identities: this.#identities }, config);
    parts.metadata.onChange = () => this.wake();
  }

  /** Looks for work after the events at hand, so that records which come in together leave together. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#sendWhatIsReady();
    });
  }

  /** Sends no more, and gives what has no outcome yet one. @returns how many records that were */
  stop(error: DeliveryError): number {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#identities.stop();
    return this.#outcomes.abandonAll(error);
  }

  #sendWhatIsReady(): void {
    if (this.#stopped) return;
    const now = Date.now();
    this.#outcomes.expire(now);
    const requests = new Map<Node, Shipment[][]>();
    let lookAgainAt = Infinity;
    for (const queue of this.#parts.accumulator.active) {
      const readyAt = this.#readyAt(queue, now);
      if (readyAt > now) lookAgainAt = Math.min(lookAgainAt, readyAt);
      else this.#load(requests, queue);
      const waiting = queue.batches.find((batch) => !batch.settled);
      if (waiting) lookAgainAt = Math.min(lookAgainAt, this.#outcomes.deadline(waiting));
    }
    for (const [node, those] of requests) for (const shipments of those) void this.#ship(node, shipments);
    this.#lookAgain(lookAgainAt, now);
  }

  /** Sees to it that somebody looks by then. A timer that ends earlier will do: to set one for each look costs more. */
  #lookAgain(at: number, now: number): void {
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      this.#sendWhatIsReady();
    }, Math.max(1, at - now));
  }

  /** When a queue's first batch may leave, in ms since 1970; Infinity where an event decides that will wake us. */
  #readyAt(queue: PartitionQueue, now: number): number {
    if (queue.busy) return Infinity;
    if (this.#config.idempotence && !queue.identity) {
      this.#identities.provide(queue, () => this.wake());
      return Infinity;
    }
    const node = this.#leader(queue);
    if (!node) {
      this.#parts.metadata.refreshSoon(queue.topic);
      return Infinity;
    }
    if (node.inFlight >= MAX_REQUESTS_PER_BROKER) return Infinity;
    const [first, second] = queue.batches;
    const lingers = !second && !first.frozen && !first.urgent;
    return Math.max(
      now,
      queue.waitsUntil(node.id),
      node.resumeAt,
      node.pausedUntil,
      lingers ? first.arrivedAt + this.#config.lingerMs : 0,
      holds(node, first) ? node.sentAt + HOLD_MS : 0,
    );
  }

  /** Adds a queue's first batch to its broker's last request, or a new one; it waits where the broker has enough. */
  #load(requests: Map<Node, Shipment[][]>, queue: PartitionQueue): void {
    const node = this.#leader(queue)!;
    const batch = queue.batches[0];
    const planned = requests.get(node) ?? [];
    requests.set(node, planned);
    const last = planned.at(-1);
    const size = last?.reduce((sum, shipment) => sum + shipment.batch.records.sizeInBytes, 0) ?? 0;
    if (last && size + batch.records.sizeInBytes <= MAX_REQUEST_BYTES) last.push({ queue, batch });
    else if (node.inFlight + planned.length < MAX_REQUESTS_PER_BROKER) planned.push([{ queue, batch }]);
  }

  async #ship(node: Node, shipments: Shipment[]): Promise<void> {
    const { accumulator, metadata, metrics } = this.#parts;
    for (const { queue, batch } of shipments) {
      queue.busy = true;
      if (queue.sentTo !== node.id) batch.failuresElsewhere = batch.failures;
      queue.sentTo = node.id;
      accumulator.served(queue);
    }
    const records = shipments.reduce((sum, { batch }) => sum + batch.records.count, 0);
    node.inFlight++;
    node.recordsInFlight += records;
    node.sentAt = Date.now();
    metrics.inFlight.inc();
    let sentAt = 0;
    const onSend = () => {
      const now = Date.now();
      const late = shipments.some(({ batch }) => batch.settled || this.#outcomes.deadline(batch) <= now);
      if (late) throw new Error("a deadline passed before the request was sent");
      sentAt = performance.now();
      for (const { batch } of shipments) batch.onTheWire = true;
    };
    try {
      await this.#freeze(shipments);
      const results = await this.#request(node, shipments, onSend);
      node.failures = 0;
      for (const shipment of shipments) this.#conclude(shipment, results);
    } catch (error) {
      node.resumeAt = Date.now() + backoff(++node.failures);
      for (const shipment of shipments) this.#outcomes.failed(shipment, error, { mayHaveArrived: sentAt > 0 });
      metadata.refreshSoon();
    } finally {
      if (sentAt > 0) metrics.requestSeconds.observe((performance.now() - sentAt) / 1000);
      metrics.inFlight.dec();
      node.inFlight--;
      node.recordsInFlight -= records;
      for (const { queue, batch } of shipments) queue.busy = batch.onTheWire = false;
      this.wake();
    }
  }

  async #freeze(shipments: Shipment[]): Promise<void> {
    const { metrics } = this.#parts;
    for (const { queue: { identity }, batch } of shipments) {
      if (batch.frozen) continue;
      const compressing = batch.freeze(
        identity ? { ...identity, baseSequence: identity.nextSequence } : NO_IDENTITY,
        this.#config.compression,
      );
      if (compressing) await compressing;
      metrics.batchRecords.observe(batch.records.count);
      metrics.batchBytes.observe(batch.frozen!.length);
    }
  }

  /** One Produce request. Rejects when there is no answer. */
  async #request(node: Node, shipments: Shipment[], onSend: () => void): Promise<PartitionResult[]> {
    const { acks, deliveryTimeoutMs } = this.#config;
    const batches = shipments.map(({ queue: { topic, partition }, batch }) => ({
      topic,
      partition,
      bytes: batch.frozen!,
    }));
    let buffer!: Buffer;
    const response = await this.#parts.cluster.send(node.id, {
      ...PRODUCE,
      body: encodeProduceRequest(batches, {
        acks: acks === "all" ? -1 : Number(acks),
        timeoutMs: requestTimeoutWithin(deliveryTimeoutMs),
        allocate: (bytes) => buffer = this.#bodies.take(bytes),
      }),
      expectResponse: acks !== "0",
      decode: decodeProduceResponse,
      onSend,
    });
    if (!response) {
      return batches.map((batch) => ({ ...batch, code: 0, baseOffset: -1, logAppendTime: -1, invalid: [] }));
    }
    // Only after an answer: an attempt that failed may have left its bytes with the socket, which still sends them.
    this.#bodies.give(buffer);
    node.pausedUntil = Math.max(node.pausedUntil, Date.now() + response.throttleMs);
    return response.results;
  }

  #conclude(shipment: Shipment, results: PartitionResult[]): void {
    const { topic, partition } = shipment.queue;
    const result = results.find((r) => r.partition === partition && r.topic === topic);
    if (result) return this.#outcomes.answered(shipment, result);
    const error = new Error(`the broker's answer leaves out ${topic}-${partition}`);
    this.#outcomes.failed(shipment, error, { mayHaveArrived: true });
  }

  #leader({ topic, partition }: PartitionQueue): Node | undefined {
    const id = this.#parts.metadata.leaderOf(topic, partition);
    if (id < 0) return undefined;
    let node = this.#nodes.get(id);
    if (!node) this.#nodes.set(id, node = newNode(id));
    return node;
  }
}

function newNode(id: number): Node {
  return { id, inFlight: 0, recordsInFlight: 0, sentAt: 0, failures: 0, resumeAt: 0, pausedUntil: 0 };
}

/** Whether a batch may gather more records, as its broker has enough to do. */
function holds(node: Node, { records, urgent, frozen }: Batch): boolean {
  const small = !urgent && !frozen && records.sizeInBytes < SMALL_BATCH_BYTES;
  return small && node.recordsInFlight >= BUSY_RECORDS;
}

/**
 * What an answer, or its absence, means for a batch: told to whoever waits, sent again, or given up.
 *
 * Three things decide: whether the batch may be in the log already, whether the broker's answer is final, and
 * whether there is time left.
 *
 * @module
 */
import { type Logger, LogLevels } from "@std/log";
import { DeliveryError, type DeliveryFailure, rootCause } from "../errors.ts";
import type { ProducerMetrics } from "../metrics.ts";
import type { Accumulator, PartitionQueue } from "./accumulator.ts";
import { backoff } from "./backoff.ts";
import type { Batch } from "./batch.ts";
import { describeCode } from "./cluster.ts";
import type { Identities } from "./identities.ts";
import type { Metadata } from "./metadata.ts";
import { type InvalidRecord, type PartitionResult, verdictOf } from "./produce_request.ts";
import { nextSequence } from "./record_batch.ts";

/** A queue's first batch, on its way. */
export interface Shipment {
  queue: PartitionQueue;
  batch: Batch;
}

/** What outcomes are told to. */
export interface OutcomeParts {
  accumulator: Accumulator;
  metadata: Metadata;
  identities: Pick<Identities, "problem">;
  metrics: ProducerMetrics;
  log: Logger;
}

/** Decides over batches. */
export class Outcomes {
  readonly #parts: OutcomeParts;
  readonly #deliveryTimeoutMs: number;

  constructor(parts: OutcomeParts, { deliveryTimeoutMs }: { deliveryTimeoutMs: number }) {
    this.#parts = parts;
    this.#deliveryTimeoutMs = deliveryTimeoutMs;
  }

  /** When a batch must have an outcome, in ms since 1970. */
  deadline(batch: Batch): number {
    return batch.arrivedAt + this.#deliveryTimeoutMs;
  }

  /** The broker answered for this batch. */
  answered(shipment: Shipment, result: PartitionResult): void {
    const { queue, batch } = shipment;
    if (batch.settled) return this.#retire(shipment); // "unknown" was told when its deadline passed
    if (result.code === 0) return this.#acknowledge(shipment, result);
    const { name, message } = describeCode(result.code);
    const text = `${queue.topic}-${queue.partition}: ${message} (${name})`;
    const error = new DeliveryError(failureOf(result.code), text, { code: result.code });
    switch (verdictOf(result.code)) {
      case "retry":
        // With an offset beside it the error came after the write: the leader lost its part before all replicas had
        // the batch, and the next leader may have it (seen with code 6 when a leader stops while a replica is slow).
        return this.failed(shipment, error, { mayHaveArrived: result.baseOffset >= 0 });
      case "maybe-written":
        return this.failed(shipment, error, { mayHaveArrived: true });
      case "identity-lost":
        return this.#giveUp(shipment, error);
      case "too-large":
        return batch.records.count > 1 && !batch.maybeWritten ? this.#split(shipment) : this.#refuse(shipment, error);
      case "invalid-records":
        return this.#refuseSome(shipment, error, result.invalid);
      case "refused":
        return this.#refuse(shipment, error);
    }
  }

  /** An attempt failed, and the same bytes go out again after a while. */
  failed(shipment: Shipment, error: unknown, { mayHaveArrived }: { mayHaveArrived: boolean }): void {
    const { queue, batch } = shipment;
    const { metadata, metrics, log } = this.#parts;
    if (mayHaveArrived) batch.maybeWritten = true;
    if (batch.settled) return this.#retire(shipment);
    batch.failures++;
    batch.lastError = error;
    queue.retryAt = Date.now() + backoff(batch.failures - batch.failuresElsewhere);
    const code = error instanceof DeliveryError ? error.code : undefined;
    metrics.retries.inc({ error: code === undefined ? "NO_ANSWER" : describeCode(code).name });
    log.debug("not delivered yet", {
      topic: queue.topic,
      partition: queue.partition,
      attempt: batch.failures,
      mayHaveArrived,
      cause: rootCause(error),
    });
    metadata.refreshSoon(queue.topic);
  }

  /** Settles what has waited too long. Queues are in order of arrival: the first with time left ends the search. */
  expire(now: number): void {
    for (const queue of this.#parts.accumulator.active) {
      for (const batch of [...queue.batches]) {
        if (batch.settled) continue;
        if (this.deadline(batch) > now) break;
        const waited = `no answer within ${this.#deliveryTimeoutMs} ms`;
        const why = batch.lastError ? rootCause(batch.lastError) : this.#obstacle({ queue, batch });
        const text = `${queue.topic}-${queue.partition}: ${waited}: ${why}`;
        this.#endNow({ queue, batch }, new DeliveryError("timed-out", text, { cause: batch.lastError }));
      }
    }
  }

  /** Settles everything, because the process ends. @returns how many records that were */
  abandonAll(error: DeliveryError): number {
    let records = 0;
    for (const queue of this.#parts.accumulator.active) {
      for (const batch of [...queue.batches]) {
        if (batch.settled) continue;
        records += batch.records.count;
        this.#endNow({ queue, batch }, error);
      }
    }
    return records;
  }

  /** Never sent, or only ever refused: not written. Else nobody knows. */
  #endNow(shipment: Shipment, error: DeliveryError): void {
    const { queue, batch } = shipment;
    if (batch.onTheWire) batch.maybeWritten = true;
    if (batch.maybeWritten) this.#tellUnknown(shipment, error);
    else this.#tellRejected(shipment, () => error, { retriable: true });
    // A batch whose request is under way, or being made, stays in its queue until that has ended.
    if (!(queue.busy && queue.batches[0] === batch)) this.#retire(shipment);
  }

  #obstacle({ queue, batch }: Shipment): string {
    const { metadata } = this.#parts;
    if (!metadata.connected) return `Kafka does not answer (${metadata.problem})`;
    if (metadata.leaderOf(queue.topic, queue.partition) < 0) return "the partition has no leader";
    if (batch !== queue.batches[0]) return "earlier records still wait";
    if (batch.onTheWire) return "the broker has not answered yet";
    return this.#parts.identities.problem ?? "its broker takes no more requests for now";
  }

  #acknowledge({ queue, batch }: Shipment, { baseOffset, logAppendTime }: PartitionResult): void {
    const { accumulator, metrics, log } = this.#parts;
    const { identity, topic, partition } = queue;
    const { records } = batch;
    if (identity) identity.nextSequence = nextSequence(identity.nextSequence, records.count);
    metrics.records.inc({ outcome: "acknowledged" }, records.count);
    metrics.recordBytes.inc(batch.reservedBytes);
    accumulator.remove(queue, batch);
    const offsetOf = (index: number) => baseOffset < 0 ? -1 : baseOffset + index;
    const latencyMs = Date.now() - batch.arrivedAt;
    if (log.level <= LogLevels.DEBUG) {
      for (let i = 0; i < records.count; i++) {
        log.debug("delivered", { topic, partition, offset: offsetOf(i), latencyMs });
      }
    }
    accumulator.settle(batch, (index) => ({
      status: "acknowledged",
      partition,
      offset: offsetOf(index),
      timestamp: logAppendTime >= 0 ? logAppendTime : records.timestampOf(index),
      latencyMs,
    }));
  }

  /** The error spends no sequence, so the halves may be sent under the one of the whole. */
  #split({ queue }: Shipment): void {
    this.#parts.log.debug("batch too large for its topic, split", { topic: queue.topic, partition: queue.partition });
    this.#parts.accumulator.splitFirst(queue);
  }

  /** Others should not suffer for what shared a batch with them: they go out again, under the sequence of the whole. */
  #refuseSome(shipment: Shipment, error: DeliveryError, invalid: readonly InvalidRecord[]): void {
    const { queue, batch } = shipment;
    const { count } = batch.records;
    const reasons = new Map(invalid.filter(({ index }) => index < count).map(({ index, message }) => [index, message]));
    if (reasons.size === 0 || batch.maybeWritten) return this.#refuse(shipment, error); // whoever is to blame
    if (reasons.size < count) this.#parts.accumulator.splitFirst(queue, (index) => reasons.has(index));
    const indexes = [...reasons.keys()].sort((a, b) => a - b);
    this.#reject({ queue, batch: queue.batches[0] }, (i) => {
      const message = reasons.get(indexes[i]);
      if (!message) return error;
      return new DeliveryError(error.failure, `${queue.topic}-${queue.partition}: ${message}`, { code: error.code });
    }, { retriable: false });
  }

  /** A final answer; an earlier attempt may have been written all the same. */
  #refuse(shipment: Shipment, error: DeliveryError): void {
    if (shipment.batch.maybeWritten) this.#giveUp(shipment, error);
    else this.#reject(shipment, () => error, { retriable: false });
  }

  #reject(shipment: Shipment, errorOf: (index: number) => DeliveryError, { retriable }: { retriable: boolean }): void {
    this.#tellRejected(shipment, errorOf, { retriable });
    this.#retire(shipment);
  }

  #tellRejected(
    { batch }: Shipment,
    errorOf: (index: number) => DeliveryError,
    { retriable }: { retriable: boolean },
  ): void {
    const { accumulator, metrics } = this.#parts;
    metrics.records.inc({ outcome: "rejected" }, batch.records.count);
    accumulator.settle(batch, (index) => ({ status: "rejected", error: errorOf(index), retriable }));
  }

  #giveUp(shipment: Shipment, error: DeliveryError): void {
    shipment.batch.maybeWritten = true;
    this.#tellUnknown(shipment, error);
    this.#retire(shipment);
  }

  #tellUnknown({ queue, batch }: Shipment, error: DeliveryError): void {
    const { accumulator, metrics, log } = this.#parts;
    metrics.records.inc({ outcome: "unknown" }, batch.records.count);
    log.warn("outcome unknown: these records may or may not be in Kafka", {
      topic: queue.topic,
      partition: queue.partition,
      records: batch.records.count,
      producerId: queue.identity?.producerId.toString(),
      baseSequence: queue.identity?.nextSequence,
      cause: error.message,
    });
    accumulator.settle(batch, () => ({ status: "unknown", error }));
  }

  /**
   * Takes a batch that has its outcome out of its queue. One that may be in the log, or still arrive, takes the
   * partition's identity with it, so that neither it nor what comes later can be mistaken for the other.
   */
  #retire({ queue, batch }: Shipment): void {
    this.#parts.accumulator.remove(queue, batch);
    queue.retryAt = 0; // its failures are not the next one's, whose deadline may be nearer than its back-off
    if (!batch.maybeWritten || !queue.identity) return;
    this.#parts.metrics.identityResets.inc();
    queue.identity = undefined;
  }
}

const FAILURES: Record<number, DeliveryFailure> = {
  3: "unknown-topic",
  10: "too-large",
  17: "unknown-topic",
  18: "too-large",
  29: "not-authorized",
  31: "not-authorized",
  32: "invalid-record",
  87: "invalid-record",
};

function failureOf(code: number): DeliveryFailure {
  return FAILURES[code] ?? "kafka";
}

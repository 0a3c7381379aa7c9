/**
 * The way in. Most records are taken in at once; those of a topic, or for a partition, that is not known yet wait here
 * until it has been looked up. That counts as time in which they have to be delivered.
 *
 * @module
 */
import { DeliveryError, rootCause } from "../errors.ts";
import type { TopicMetadata } from "./cluster.ts";
import type { Delivery } from "./delivery.ts";
import type { Intake } from "./intake.ts";
import type { Metadata } from "./metadata.ts";
import type { ProducerRecord } from "./record_batch.ts";

/** What an admission works with. */
export interface AdmissionParts {
  intake: Intake;
  metadata: Metadata;
  /** Called when records were taken in. */
  onAccepted: () => void;
}

/** Records that came in together. */
interface Arrival {
  records: readonly ProducerRecord[];
  delivery: Delivery;
  topic: string;
  /** In ms since 1970. */
  now: number;
}

/** Lets records in. */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #deliveryTimeoutMs: number;
  /** Those who wait for a look-up, and when that has ended. */
  readonly #waiting = new Map<Delivery, Promise<void>>();

  constructor(parts: AdmissionParts, { deliveryTimeoutMs }: { deliveryTimeoutMs: number }) {
    this.#parts = parts;
    this.#deliveryTimeoutMs = deliveryTimeoutMs;
  }

  /** Records that wait for a look-up. */
  get records(): number {
    let sum = 0;
    for (const delivery of this.#waiting.keys()) sum += delivery.waiting;
    return sum;
  }

  /** Takes records in, now or when their topic has been looked up, unless the signal aborts before. */
  admit(
    records: readonly ProducerRecord[],
    delivery: Delivery,
    { topic, signal }: { topic: string; signal?: AbortSignal },
  ): void {
    const { metadata, intake } = this.#parts;
    if (signal?.aborted) {
      return intake.refuse(delivery, new DeliveryError("aborted", "The call was aborted before it began"));
    }
    const arrival = { records, delivery, topic, now: Date.now() };
    const known = metadata.known(topic);
    // A partition that we have not heard of may have been added since.
    const unheardOf = (partition: unknown) => typeof partition === "number" && partition >= known!.leaders.length;
    const complete = known && !records.some((record) => unheardOf(record?.partition));
    // Whoever comes during a look-up waits for it, too, so as not to overtake.
    if (complete && !metadata.isLooking(topic)) this.#accept(arrival, known);
    else {
      arrival.records = [...records]; // the array is the caller's, who may go on with it
      this.#waiting.set(delivery, this.#acceptAfterLookUp(arrival, complete ? known : undefined));
    }
    if (signal) this.#leaveOnAbort(delivery, signal);
  }

  /** Resolves when all who wait now are in, or have been refused. */
  async settled(): Promise<void> {
    await Promise.all(this.#waiting.values());
  }

  /** Refuses all who wait. @returns how many records that were */
  refuseAll(error: DeliveryError): number {
    const { records } = this;
    for (const delivery of this.#waiting.keys()) this.#parts.intake.refuse(delivery, error);
    return records;
  }

  /** @param known What to go by when the look-up fails */
  async #acceptAfterLookUp(arrival: Arrival, known: TopicMetadata | undefined): Promise<void> {
    const { delivery, topic } = arrival;
    const { intake, metadata } = this.#parts;
    const late = `${topic}: no answer within ${this.#deliveryTimeoutMs} ms: the topic was still being looked up`;
    const timer = setTimeout(
      () => intake.refuse(delivery, new DeliveryError("timed-out", late)),
      this.#deliveryTimeoutMs,
    );
    try {
      this.#accept(arrival, await metadata.lookUp(topic));
    } catch (error) {
      if (known) this.#accept(arrival, known);
      else intake.refuse(delivery, error as DeliveryError);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(delivery);
    }
  }

  #accept({ records, delivery, now }: Arrival, topic: TopicMetadata): void {
    if (delivery.waiting === 0) return; // told that it is not written, so it must not be
    const { intake, onAccepted } = this.#parts;
    try {
      intake.accept(records, topic, delivery, now);
    } catch (cause) { // a record that cannot be looked at: nothing was taken in
      intake.refuse(delivery, new DeliveryError("invalid-record", rootCause(cause), { cause }));
    }
    onAccepted();
  }

  #leaveOnAbort(delivery: Delivery, signal: AbortSignal): void {
    const onAbort = () => {
      const error = new DeliveryError("aborted", "The caller stopped waiting", { cause: signal.reason });
      if (this.#waiting.has(delivery)) this.#parts.intake.refuse(delivery, error);
      else delivery.settleRest({ status: "unknown", error });
    };
    signal.addEventListener("abort", onAbort, { once: true });
    void delivery.settled.then(() => signal.removeEventListener("abort", onAbort));
  }
}

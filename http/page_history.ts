/**
 * The last quarter of an hour in numbers, one sample a second, out of the metrics that are counted anyway.
 *
 * @module
 */
import type { Registry } from "prom-client";

/** How many samples are kept: 15 minutes. */
const KEPT = 900;

/** One second. Rates are per second, latencies in ms, null where nothing was answered. */
export interface Sample {
  /** Milliseconds since 1970. */
  time: number;
  /** Records that came in, whatever became of them. */
  produced: number;
  delivered: number;
  refused: number;
  unknown: number;
  /** Of HTTP requests that write. */
  p50: number | null;
  p99: number | null;
  bufferBytes: number;
  bufferRecords: number;
  /** By group, where the groups were looked at in this second. */
  lag?: Record<string, number>;
}

/** Counters at one moment. */
interface Counts {
  time: number;
  acknowledged: number;
  rejected: number;
  unknown: number;
  bufferBytes: number;
  bufferRecords: number;
  /** Requests by the upper bound of their bucket in seconds, cumulative. */
  buckets: Map<number, number>;
}

/** Samples, the oldest first. */
export class PageHistory {
  readonly samples: Sample[] = [];
  readonly #registry: Registry;
  #last?: Counts;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Takes a sample. @returns nothing the first time, when there is nothing to compare with */
  async take(): Promise<Sample | undefined> {
    const [last, now] = [this.#last, await this.#count()];
    this.#last = now;
    if (!last) return undefined;
    const seconds = (now.time - last.time) / 1000;
    const per = (count: number) => Math.round(10 * count / seconds) / 10;
    const delivered = now.acknowledged - last.acknowledged;
    const refused = now.rejected - last.rejected;
    const unknown = now.unknown - last.unknown;
    const waiting = now.bufferRecords - last.bufferRecords;
    const sample: Sample = {
      time: Date.now(),
      produced: per(Math.max(0, delivered + refused + unknown + waiting)),
      delivered: per(delivered),
      refused: per(refused),
      unknown: per(unknown),
      p50: quantile(0.5, last.buckets, now.buckets),
      p99: quantile(0.99, last.buckets, now.buckets),
      bufferBytes: now.bufferBytes,
      bufferRecords: now.bufferRecords,
    };
    this.samples.push(sample);
    if (this.samples.length > KEPT) this.samples.shift();
    return sample;
  }

  async #count(): Promise<Counts> {
    const outcomes = new Map<unknown, number>();
    for (const { labels, value } of await this.#values("kafka_deno_producer_records_total")) {
      outcomes.set(labels.outcome, value);
    }
    const buckets = new Map<number, number>();
    for (const { labels, value } of await this.#values("kafka_deno_http_request_seconds")) {
      if (labels.method !== "POST" || labels.le === undefined) continue;
      const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
      buckets.set(bound, (buckets.get(bound) ?? 0) + value);
    }
    const one = async (name: string) => (await this.#values(name))[0]?.value ?? 0;
    return {
      time: performance.now(),
      acknowledged: outcomes.get("acknowledged") ?? 0,
      rejected: outcomes.get("rejected") ?? 0,
      unknown: outcomes.get("unknown") ?? 0,
      bufferBytes: await one("kafka_deno_producer_buffer_bytes"),
      bufferRecords: await one("kafka_deno_producer_buffer_records"),
      buckets,
    };
  }

  async #values(name: string): Promise<{ labels: Record<string, unknown>; value: number }[]> {
    return (await this.#registry.getSingleMetric(name)?.get())?.values ?? [];
  }
}

/**
 * A quantile of what was observed between two moments, in ms, as Prometheus estimates it: within a bucket all values
 * are taken to be equally likely. Null when there was nothing.
 */
export function quantile(
  share: number,
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
): number | null {
  const bounds = [...after.keys()].sort((a, b) => a - b);
  const counts = bounds.map((bound) => after.get(bound)! - (before.get(bound) ?? 0));
  const wanted = share * (counts.at(-1) ?? 0);
  if (wanted === 0) return null;
  const i = counts.findIndex((count) => count >= wanted);
  const [low, high] = [bounds[i - 1] ?? 0, bounds[i]];
  if (high === Infinity) return low * 1000;
  const below = counts[i - 1] ?? 0;
  const seconds = low + (high - low) * (wanted - below) / (counts[i] - below);
  return Math.round(seconds * 10_000) / 10;
}

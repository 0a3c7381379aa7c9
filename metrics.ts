/**
 * The counters of the whole program, in one registry, rendered for Prometheus. Names follow
 * https://prometheus.io/docs/practices/naming/
 *
 * @module
 */
import process from "node:process";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** What the delivery path counts. */
export interface ProducerMetrics {
  /** Records by what became of them: acknowledged, rejected or unknown. */
  readonly records: Counter<"outcome">;
  /** Encoded bytes of acknowledged records. */
  readonly recordBytes: Counter;
  /** Records per batch, when it is frozen. */
  readonly batchRecords: Histogram;
  /** Bytes per batch as sent, after compression. */
  readonly batchBytes: Histogram;
  /** Names the buffer whose bytes and records are shown. */
  watchBuffer(buffer: { bytes: number; records: number }): void;
  /** Produce requests without an answer yet. */
  readonly inFlight: Gauge;
  /** From a Produce request's first byte to its answer, in seconds. */
  readonly requestSeconds: Histogram;
  /** Batches to be sent again, by Kafka's name of the error. */
  readonly retries: Counter<"error">;
  /** Partitions that took a fresh producer id. */
  readonly identityResets: Counter;
}

const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SIZES = [1, 10, 100, 1_000, 10_000, 100_000];

/** Registers what the delivery path counts. */
export function createProducerMetrics(registry: Registry): ProducerMetrics {
  const registers = [registry];
  const named = (name: string, help: string) => ({ name: `kafka_deno_producer_${name}`, help, registers });
  let buffer = { bytes: 0, records: 0 };
  for (const unit of ["bytes", "records"] as const) {
    new Gauge({
      ...named(`buffer_${unit}`, `Records without an outcome yet, in ${unit}`),
      collect() {
        this.set(buffer[unit]);
      },
    });
  }
  return {
    records: new Counter({ ...named("records_total", "Records by outcome"), labelNames: ["outcome"] }),
    recordBytes: new Counter(named("record_bytes_total", "Encoded bytes of acknowledged records")),
    batchRecords: new Histogram({ ...named("batch_records", "Records per batch"), buckets: SIZES }),
    batchBytes: new Histogram({
      ...named("batch_bytes", "Bytes per batch as sent"),
      buckets: SIZES.map((size) => size * 10),
    }),
    watchBuffer: (shown) => buffer = shown,
    inFlight: new Gauge(named("requests_in_flight", "Produce requests without an answer yet")),
    requestSeconds: new Histogram({
      ...named("request_seconds", "Duration of Produce requests"),
      buckets: LATENCY_SECONDS,
    }),
    retries: new Counter({ ...named("retries_total", "Batches to be sent again, by error"), labelNames: ["error"] }),
    identityResets: new Counter(named("identity_resets_total", "Partitions that took a fresh producer id")),
  };
}

/** What the HTTP side counts. */
export interface HttpMetrics {
  /** From a request's arrival to its response, in seconds. For streams: to their beginning. */
  readonly requestSeconds: Histogram<"method" | "route" | "status">;
  /** Names what counts the requests at work and the open event streams. */
  watch(counts: { requests: () => number; streams: () => number }): void;
}

/** Registers what the HTTP side counts. */
export function createHttpMetrics(registry: Registry): HttpMetrics {
  const registers = [registry];
  const named = (name: string, help: string) => ({ name: `kafka_deno_http_${name}`, help, registers });
  let counts = { requests: () => 0, streams: () => 0 };
  gauge(named("requests_at_work", "Requests without an answer yet"), () => counts.requests());
  gauge(named("event_streams", "Open streams of server-sent events"), () => counts.streams());
  return {
    requestSeconds: new Histogram({
      ...named("request_seconds", "Duration of HTTP requests by route and status"),
      labelNames: ["method", "route", "status"],
      buckets: LATENCY_SECONDS,
    }),
    watch: (watched) => counts = watched,
  };
}

/** How often the event loop is asked how late it is, in ms. */
const LAG_PROBE_MS = 500;

/** Registers what is known of the process. @returns what ends the probing of the event loop */
export function createProcessMetrics(registry: Registry): Disposable {
  const registers = [registry];
  const started = Date.now() / 1000 - performance.now() / 1000;
  const named = (name: string, help: string) => ({ name, help, registers });
  gauge(named("process_start_time_seconds", "Start of the process since 1970"), () => started);
  gauge(named("process_resident_memory_bytes", "Resident memory"), () => Deno.memoryUsage().rss);
  gauge(named("process_heap_bytes", "Heap in use"), () => Deno.memoryUsage().heapUsed);
  new Counter({
    ...named("process_cpu_seconds_total", "CPU time of the process, user and system"),
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  const lag = new Histogram({
    ...named("kafka_deno_event_loop_lag_seconds", "How late a timer of the event loop was"),
    buckets: LATENCY_SECONDS,
  });
  let expected = performance.now() + LAG_PROBE_MS;
  const timer = setInterval(() => {
    lag.observe(Math.max(0, performance.now() - expected) / 1000);
    expected = performance.now() + LAG_PROBE_MS;
  }, LAG_PROBE_MS);
  Deno.unrefTimer(Number(timer));
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function gauge(named: { name: string; help: string; registers: Registry[] }, value: () => number): void {
  new Gauge({
    ...named,
    collect() {
      this.set(value());
    },
  });
}

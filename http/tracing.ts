/**
 * Trace context (https://www.w3.org/TR/trace-context/): what comes with a request goes on with its records, as record
 * headers. With `OTEL_DENO=true` each produce is a span of its own, beneath Deno's span of the request.
 *
 * @module
 */
import type { Outcome } from "../kafka/delivery.ts";
import type { ProducerRecord } from "../kafka/record.ts";
import type { RecordSink } from "./types.ts";

/** The part of OpenTelemetry's API that is needed here; Deno has it built in. */
interface Tracer {
  startSpan(
    name: string,
    options: { kind: number; attributes: Record<string, string | number> },
    context: unknown,
  ): Span;
}
interface Span {
  spanContext(): { traceId: string; spanId: string; traceFlags: number };
  setStatus(status: { code: number; message?: string }): void;
  end(): void;
}

const PRODUCER = 3;
const ERROR = 2;
/** No id is all zeros, there is no version ff, and only versions after 00 may have more fields. */
const TRACEPARENT = /^(?!ff|00.{54})[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-|$)/;
const MAX_TRACESTATE = 512;

type RecordHeader = readonly [name: string, value: string];

/** Passes trace context on. */
export class Tracing {
  readonly #tracer = findTracer();

  /** Sends records that carry the request's trace. */
  send(
    sink: RecordSink,
    records: readonly ProducerRecord[],
    { headers, topic }: { headers: Headers; topic: string },
  ): Promise<Outcome[]> {
    return this.run({ headers, topic, records: records.length }, (context) => {
      addHeaders(records, context);
      return sink.send(records, { topic });
    });
  }

  /** Runs `produce` with the record headers that carry the request's trace; none if it has none. */
  run<T>(
    request: { headers: Headers; topic: string; records?: number },
    produce: (headers: readonly RecordHeader[]) => Promise<T>,
  ): Promise<T> {
    const context = contextOf(request.headers);
    return this.#tracer ? this.#inSpan(request, context, produce) : produce(context);
  }

  async #inSpan<T>(
    { topic, records }: { topic: string; records?: number },
    context: readonly RecordHeader[],
    produce: (headers: readonly RecordHeader[]) => Promise<T>,
  ): Promise<T> {
    const span = this.#tracer!.tracer.startSpan(`send ${topic}`, {
      kind: PRODUCER,
      attributes: {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        ...(records !== undefined && { "messaging.batch.message_count": records }),
      },
    }, this.#tracer!.active());
    const { traceId, spanId, traceFlags } = span.spanContext();
    const flags = traceFlags.toString(16).padStart(2, "0");
    const state = context.filter(([name]) => name === "tracestate");
    try {
      return await produce([["traceparent", `00-${traceId}-${spanId}-${flags}`], ...state]);
    } catch (error) {
      span.setStatus({ code: ERROR, message: (error as Error).message });
      throw error;
    } finally {
      span.end();
    }
  }
}

/** Gives records the headers, unless they bring a trace of their own. */
function addHeaders(records: readonly ProducerRecord[], headers: readonly RecordHeader[]): void {
  if (headers.length === 0) return;
  for (const record of records) {
    const own = record.headers ?? [];
    if (!own.some(([name]) => name === "traceparent")) record.headers = [...own, ...headers];
  }
}

/** The same for records that come in a stream. */
export async function* withHeaders(
  chunks: AsyncIterable<ProducerRecord[]>,
  headers: readonly RecordHeader[],
): AsyncGenerator<ProducerRecord[], void, undefined> {
  for await (const records of chunks) {
    addHeaders(records, headers);
    yield records;
  }
}

const NONE: readonly RecordHeader[] = [];

function contextOf(headers: Headers): readonly RecordHeader[] {
  const traceparent = headers.get("traceparent");
  if (traceparent === null) return NONE;
  if (!TRACEPARENT.test(traceparent) || traceparent.length > MAX_TRACESTATE) return NONE;
  const tracestate = headers.get("tracestate");
  const pass = tracestate !== null && tracestate.length <= MAX_TRACESTATE;
  return [["traceparent", traceparent], ...(pass ? [["tracestate", tracestate] as const] : [])];
}

/** Deno's tracer, if tracing is on: it can be found when it is off, but every span fails then. */
function findTracer(): { tracer: Tracer; active: () => unknown } | undefined {
  try {
    // deno-lint-ignore no-explicit-any -- not in Deno's stable types yet
    const { tracerProvider, contextManager } = (Deno as any).telemetry;
    const tracer: Tracer = tracerProvider.getTracer("kafka-deno");
    tracer.startSpan("start", { kind: PRODUCER, attributes: {} }, contextManager.active()).end();
    return { tracer, active: () => contextManager.active() };
  } catch {
    return undefined;
  }
}

/**
 * `POST /topics/{topic}` with `application/x-ndjson`: a stream of records, one a line, and a stream of outcomes, one a
 * line, in the same order. Both flow at the pace of the slowest of client, Kafka and the client's reading.
 *
 * Over HTTP/2 the answer begins with the first record that is in Kafka. Over HTTP/1.1 it is a matter of memory when: as
 * soon as Deno.serve (2.9) sends an answer there, it reads the rest of the request into memory, as fast as the client
 * can send, however slowly we take it. So the answer begins when the upload has ended, or when the client pauses: then
 * it waits for results, and sends no faster than it gets them. Until then results are kept, in about two bytes each.
 *
 * @module
 */
import type { Logger } from "@std/log";
import type { Outcome } from "../kafka/delivery.ts";
import type { BodyReader } from "./body.ts";
import { checkEncoding, checkTransferEncoding } from "./body.ts";
import { errorMembers, failureOf } from "./delivery.ts";
import { HttpError, unavailable } from "./errors.ts";
import { NDJSON } from "./media_types.ts";
import { Positions } from "./positions.ts";
import { type Chunk, RecordStream } from "./record_stream.ts";
import { type Tracing, withHeaders } from "./tracing.ts";
import type { Call, RecordSink } from "./types.ts";

/** Broken lines that may come before the first record that Kafka takes; without one the answer is no 200. */
const MAX_FAILURES_FIRST = 1_000;
/** Lines whose results are kept, at most, until the answer begins. */
const MAX_KEPT = 20_000_000;
/** The status of an outcome that nobody knows. */
const UNKNOWN = 504;
/** Pieces of the answer that wait for a client that does not read; then its upload stands still. */
const MAX_WAITING = 4;

/** What a stream works with. */
export interface StreamParts {
  sink: RecordSink;
  body: BodyReader;
  log: Logger;
  tracing: Tracing;
  /** Those that are open: an answer that has begun is no request at work any more. */
  streams: { count: number; readonly max: number };
}

/** Answers a streamed request; the topic is known to be there. */
export async function streamRecords(
  { sink, body, log, tracing, streams }: StreamParts,
  call: Call,
  { topic, partition }: { topic: string; partition: number | undefined },
): Promise<Response> {
  checkEncoding(call.request.headers);
  checkTransferEncoding(call.request.headers);
  if (streams.count >= streams.max) {
    const limit = `expected at most ${streams.max} (HTTP_MAX_CONNECTIONS)`;
    throw unavailable(`${streams.count} streams of records are open; ${limit}`);
  }
  const input = new RecordStream(call, { body, partition });
  const atOnce = isHttp2(call.request);
  const results = new Results(input, { atOnce });
  input.onPause = () => results.clientWaits();
  const release = call.hold();
  streams.count++;
  const delivered = tracing.run({ headers: call.request.headers, topic }, (context) => {
    return results.pump(sink.deliver(withHeaders(input.chunks(), context), { topic }));
  });
  const done = delivered.finally(() => {
    streams.count--;
    release();
    const { lines, brokeOff } = input;
    log[brokeOff ? "warn" : "debug"]("a stream of records ended", {
      id: call.id,
      topic,
      lines,
      brokeOff: brokeOff?.message,
      ...results.count,
    });
  });
  await results.whenClear;
  if (results.count.acknowledged === 0) {
    input.stop();
    await done; // of what was under way, something may be in Kafka after all
  }
  if (results.count.acknowledged === 0) throw results.failure();
  if (!atOnce) input.watchMemory();
  return new Response(results.stream(), { headers: { "content-type": NDJSON } });
}

/** Deno.serve tells no version, but only HTTP/2 names the host in another place than a header. */
function isHttp2({ headers }: Request): boolean {
  return !headers.has("host");
}

/** What became of the lines of one chunk. */
interface ChunkResult {
  lines: number;
  positions: Positions;
  /** Lines of the answer for what is not in Kafka, by their place in the chunk. */
  failures: Map<number, string>;
}

/** The answer's side: outcomes to lines. */
class Results {
  readonly count = { acknowledged: 0, rejected: 0, unknown: 0, broken: 0 };
  readonly #input: RecordStream;
  readonly #atOnce: boolean;
  readonly #waiting: ChunkResult[] = [];
  readonly #failures: HttpError[] = [];
  readonly #clear = Promise.withResolvers<void>();
  #ended = false;
  #streaming = false;
  #change = Promise.withResolvers<void>();

  /** @param options.atOnce Whether the answer may begin while the client is sending. */
  constructor(input: RecordStream, { atOnce }: { atOnce: boolean }) {
    this.#input = input;
    this.#atOnce = atOnce;
  }

  /** Resolves when it is time to answer: with a stream if a record is in Kafka, else with an error. */
  get whenClear(): Promise<void> {
    return this.#clear.promise;
  }

  /** The client has stopped sending for the moment. */
  clientWaits(): void {
    if (this.count.acknowledged > 0) this.#clear.resolve();
  }

  /** Takes outcomes as they come, until there are no more. */
  async pump(outcomes: AsyncIterable<Outcome[]>): Promise<void> {
    for await (const chunk of outcomes) {
      this.#waiting.push(this.#take(chunk, this.#input.handedOver.shift()!));
      if (this.#atOnce || this.#input.pausing) this.clientWaits();
      const hopeless = this.count.acknowledged === 0 && this.#failures.length >= MAX_FAILURES_FIRST;
      if (hopeless || this.#input.lines > MAX_KEPT) this.#clear.resolve();
      this.#changed();
      while (this.#streaming && this.#waiting.length > MAX_WAITING) await this.#change.promise;
    }
    this.#ended = true;
    this.#clear.resolve();
    this.#changed();
  }

  #take(outcomes: Outcome[], { lines, errors }: Chunk): ChunkResult {
    const result: ChunkResult = { lines: lines.length, positions: new Positions(), failures: new Map() };
    let next = 0;
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i];
      const error = errors.size > 0 ? errors.get(i) : undefined;
      if (error) {
        this.count.broken++;
        this.#failed(error);
        result.failures.set(
          i,
          `{"line":${line},"error_code":${error.code},"error":${JSON.stringify(error.message)}}\n`,
        );
        continue;
      }
      const outcome = outcomes[next++];
      this.count[outcome.status]++;
      if (outcome.status === "acknowledged") result.positions.push(outcome.partition, outcome.offset);
      else {
        const failure = failureOf([outcome]);
        this.#failed(failure);
        this.#input.failed(failure);
        result.failures.set(i, `{"line":${line},${errorMembers(outcome)}}\n`);
      }
    }
    return result;
  }

  #failed(error: HttpError): void {
    if (this.count.acknowledged === 0) this.#failures.push(error);
  }

  /** The answer as it comes. */
  stream(): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    this.#streaming = true;
    return new ReadableStream({
      pull: async (controller) => {
        while (this.#waiting.length === 0 && !this.#ended) await this.#change.promise;
        const result = this.#waiting.shift();
        this.#changed();
        if (result) return controller.enqueue(encoder.encode(render(result)));
        if (this.#input.brokeOff !== undefined) controller.enqueue(encoder.encode(this.#lastLine()));
        controller.close();
      },
      cancel: () => {
        this.#streaming = false; // nobody reads: take the outcomes of what is under way, and count them
        this.#input.stop(new HttpError(400, "the client stopped reading"));
        this.#changed();
      },
    }, { highWaterMark: 1 });
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Why there is nothing to answer 200 to. */
  failure(): HttpError {
    // What may have been written must not be told as not written, whatever became of the others.
    const first = this.#failures.find(({ status }) => status === UNKNOWN) ?? this.#failures[0];
    if (!first) {
      const { brokeOff } = this.#input;
      const found = brokeOff ? `has no records: ${brokeOff.message}` : "has no records";
      return new HttpError(brokeOff?.status ?? 422, `The stream ${found}; expected one a line`);
    }
    const { status, code, headers, message } = first;
    const found = status === UNKNOWN ? "is known to be written; one of them" : "was written; the first";
    const text = `None of the first ${this.#failures.length} lines ${found}: ${message}`;
    return new HttpError(status, text, { code, headers, cause: first });
  }

  #lastLine(): string {
    const { lines, brokeOff } = this.#input;
    const message = `The stream ended after line ${lines}: ${brokeOff!.message}`;
    return `{"error_code":${brokeOff!.code},"error":${JSON.stringify(message)}}\n`;
  }
}

function render({ lines, positions, failures }: ChunkResult): string {
  const position = positions[Symbol.iterator]();
  let text = "";
  for (let i = 0; i < lines; i++) {
    const failure = failures.size > 0 ? failures.get(i) : undefined;
    if (failure !== undefined) text += failure;
    else {
      const [partition, offset] = position.next().value!;
      text += `{"partition":${partition},"offset":${offset},"error_code":null,"error":null}\n`;
    }
  }
  return text;
}

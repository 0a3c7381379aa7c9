/**
 * `POST /topics/{topic}` with `application/x-ndjson`: a stream of records, one a line, and a stream of outcomes, one a
 * line, in the same order. Both flow at the pace of the slowest of client, Kafka and the client's reading.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import type { Logger } from "@std/log";
import type { Outcome } from "../kafka/delivery.ts";
import type { ProducerRecord } from "../kafka/record.ts";
import type { BodyReader } from "./body.ts";
import { checkEncoding } from "./body.ts";
import { errorMembers, failureOf } from "./delivery.ts";
import { RecordParser } from "./envelope.ts";
import { ErrorCode, HttpError, toHttpError } from "./errors.ts";
import { type Line, LineSplitter } from "./lines.ts";
import { type Format, NDJSON } from "./media_types.ts";
import { queryParameter } from "./target.ts";
import type { Call, RecordSink } from "./types.ts";

/** Records that are delivered together. */
const CHUNK_RECORDS = 500;
/** Results that may wait for the first record that Kafka takes; without one the answer is no 200. */
const MAX_FAILURES_FIRST = 1_000;

/** What a stream works with. */
export interface StreamParts {
  sink: RecordSink;
  body: BodyReader;
  log: Logger;
}

/** What became of a line: its record is under way, or it is broken. */
type Fate = { line: number; error?: HttpError };

/** Answers a streamed request; the topic is known to be there. */
export async function streamRecords(
  { sink, body, log }: StreamParts,
  call: Call,
  { topic, partition }: { topic: string; partition: number | undefined },
): Promise<Response> {
  checkEncoding(call.request.headers);
  const stream = new RecordStream(call, { body, partition });
  const results = new Results(sink.deliver(stream.chunks(), { topic }), stream);
  const release = call.hold();
  let finished: Promise<void> | undefined;
  const finish = () => finished ??= end();
  const end = async () => {
    await results.drain();
    release();
    log[stream.brokeOff ? "warn" : "debug"]("a stream of records ended", {
      id: call.id,
      topic,
      lines: stream.lines,
      ...results.count,
      brokeOff: stream.brokeOff,
    });
  };
  try {
    const first = await results.untilFirstAcknowledged();
    return new Response(results.stream(first, finish), { headers: { "content-type": NDJSON } });
  } catch (error) {
    stream.stop();
    await finish();
    throw error;
  }
}

/** The request's side: bytes to records. */
class RecordStream {
  /** Why the input ended before its end, if it did. */
  brokeOff?: string;
  lines = 0;
  /** For each chunk that was handed over, what is to be told about each of its lines. */
  readonly fates: Fate[][] = [];
  readonly #call: Call;
  readonly #body: BodyReader;
  readonly #parser: RecordParser;
  readonly #partition: number | undefined;
  readonly #stopOnError: boolean;
  readonly #splitter: LineSplitter;
  readonly #stopped = Promise.withResolvers<{ done: true; value: undefined }>();
  #ended = false;

  constructor(call: Call, { body, partition }: { body: BodyReader; partition: number | undefined }) {
    this.#call = call;
    this.#body = body;
    this.#partition = partition;
    this.#stopOnError = oneOf(call.query, "on_error", ["continue", "stop"]) === "stop";
    this.#parser = new RecordParser(oneOf<Format>(call.query, "format", ["json", "binary", "text"]));
    this.#splitter = new LineSplitter(body.maxBytes);
  }

  /** Reads no further. */
  stop(why?: string): void {
    if (why !== undefined) this.brokeOff ??= why;
    this.#ended = true;
    this.#stopped.resolve({ done: true, value: undefined });
  }

  /** Never throws: what was read before the client broke off must still get its outcome. */
  async *chunks(): AsyncGenerator<ProducerRecord[], void, undefined> {
    for await (const piece of this.#pieces()) {
      yield* this.#chunksOf(this.#splitter.split(piece));
      if (this.#ended) return;
    }
    const rest = this.brokeOff === undefined ? this.#splitter.rest() : undefined;
    if (rest) yield* this.#chunksOf([rest]);
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = this.#call.request.body?.getReader();
    if (!reader) return;
    const onStop = () => this.stop("the server is stopping");
    this.#call.stopping.addEventListener("abort", onStop, { once: true });
    try {
      while (!this.#ended) {
        const { value } = await Promise.race([this.#body.next(reader.read()), this.#stopped.promise]);
        if (value === undefined) return;
        yield value;
      }
    } catch (error) {
      this.stop(error instanceof HttpError ? error.message : "the client broke off, or its body was malformed");
    } finally {
      this.#call.stopping.removeEventListener("abort", onStop);
      void reader.cancel().catch(() => {});
    }
  }

  *#chunksOf(lines: Iterable<Line>): Generator<ProducerRecord[], void, undefined> {
    let records: ProducerRecord[] = [];
    let fates: Fate[] = [];
    for (const line of lines) {
      this.lines = line.number;
      try {
        records.push(this.#parse(line));
        fates.push({ line: line.number });
      } catch (error) {
        fates.push({ line: line.number, error: toHttpError(error) });
        if (this.#stopOnError) {
          this.stop(`line ${line.number} is wrong`);
          break;
        }
      }
      if (fates.length < CHUNK_RECORDS) continue;
      this.fates.push(fates);
      yield records;
      [records, fates] = [[], []];
    }
    if (fates.length === 0) return;
    this.fates.push(fates);
    yield records;
  }

  #parse({ bytes }: Line): ProducerRecord {
    if (!bytes) throw new HttpError(413, `The line is too long; expected at most ${this.#body.maxBytes} bytes`);
    if (!isUtf8(bytes)) throw new HttpError(400, "The line is not valid UTF-8; expected JSON in UTF-8");
    const record = this.#parser.parse(bytes);
    if (this.#partition === undefined) return record;
    if (record.partition !== undefined && record.partition !== this.#partition) {
      const found = `partition is ${record.partition} while the path says ${this.#partition}`;
      throw new HttpError(422, `${found}; expected no partition, or the same`);
    }
    return { ...record, partition: this.#partition };
  }

  /** Whether a record that Kafka did not take ends the stream as well. */
  delivered(outcome: Outcome): void {
    if (this.#stopOnError && outcome.status !== "acknowledged") this.stop("a record was not delivered");
  }
}

/** The answer's side: outcomes to lines. */
class Results {
  readonly count = { acknowledged: 0, rejected: 0, unknown: 0, broken: 0 };
  readonly #outcomes: AsyncGenerator<Outcome[], void, undefined>;
  readonly #input: RecordStream;
  readonly #failures: HttpError[] = [];

  constructor(outcomes: AsyncGenerator<Outcome[], void, undefined>, input: RecordStream) {
    this.#outcomes = outcomes;
    this.#input = input;
  }

  /**
   * The first lines of the answer, among them that of a record that is in Kafka.
   *
   * @throws {HttpError} when the input ends, or goes on too long, without one
   */
  async untilFirstAcknowledged(): Promise<string> {
    let text = "";
    while (this.count.acknowledged === 0) {
      const more = this.#failures.length < MAX_FAILURES_FIRST ? await this.#next() : undefined;
      if (more === undefined) throw this.#failure();
      text += more;
    }
    return text;
  }

  /** The answer as it comes. `finish` is called once, when the last line was taken or nobody takes them any more. */
  stream(first: string, finish: () => Promise<void>): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    let waiting: string | undefined = first;
    return new ReadableStream({
      pull: async (controller) => {
        const text = waiting ?? await this.#next();
        waiting = undefined;
        if (text !== undefined) return controller.enqueue(encoder.encode(text));
        if (this.#input.brokeOff !== undefined) controller.enqueue(encoder.encode(this.#lastLine()));
        await finish();
        controller.close();
      },
      cancel: async () => {
        this.#input.stop("the client stopped reading");
        await finish();
      },
    }, { highWaterMark: 1 });
  }

  /** Waits for what is still under way. */
  async drain(): Promise<void> {
    while (await this.#next() !== undefined);
  }

  async #next(): Promise<string | undefined> {
    const { value: outcomes } = await this.#outcomes.next();
    if (!outcomes) return undefined;
    let text = "";
    let index = 0;
    for (const { line, error } of this.#input.fates.shift()!) {
      if (error) {
        this.count.broken++;
        this.#failures.push(error);
        text += `{"line":${line},"error_code":${error.code},"error":${JSON.stringify(error.message)}}\n`;
        continue;
      }
      const outcome = outcomes[index++];
      this.count[outcome.status]++;
      if (outcome.status === "acknowledged") {
        text += `{"partition":${outcome.partition},"offset":${outcome.offset},"error_code":null,"error":null}\n`;
        continue;
      }
      this.#failures.push(failureOf([outcome]));
      this.#input.delivered(outcome);
      text += `{"line":${line},${errorMembers(outcome)}}\n`;
    }
    if (this.count.acknowledged > 0) this.#failures.length = 0; // nobody will ask for them
    return text;
  }

  #failure(): HttpError {
    const [first] = this.#failures;
    if (!first) {
      return new HttpError(this.#input.brokeOff ? 400 : 422, "The stream has no records; expected one a line");
    }
    const { status, code, headers, message } = first;
    const text = `None of the first ${this.#failures.length} lines was written; the first: ${message}`;
    return new HttpError(status, text, { code, headers, cause: first });
  }

  #lastLine(): string {
    const message = `The stream ended after line ${this.#input.lines}: ${this.#input.brokeOff}`;
    return `{"error_code":${ErrorCode.unavailable},"error":${JSON.stringify(message)}}\n`;
  }
}

function oneOf<T extends string>(query: string, name: string, choices: readonly T[]): T {
  const text = queryParameter(query, name) ?? choices[0];
  const found = choices.find((choice) => choice === text);
  if (found) return found;
  throw new HttpError(422, `${name} is ${JSON.stringify(text)}; expected one of ${choices.join(", ")}`);
}

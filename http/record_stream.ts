/**
 * The request's side of a stream of records: bytes to lines, lines to records.
 *
 * @module
 */
import type { ProducerRecord } from "../kafka/record.ts";
import type { BodyReader } from "./body.ts";
import { RecordParser } from "./envelope.ts";
import { ErrorCode, HttpError, toHttpError, unavailable } from "./errors.ts";
import { type Line, LineSplitter } from "./lines.ts";
import type { Format } from "./media_types.ts";
import { queryParameter } from "./target.ts";
import type { Call } from "./types.ts";

/** Records that are delivered together. */
const CHUNK_RECORDS = 500;
/** A client that pauses so long, in ms, waits to hear what became of what it sent. */
const PAUSE_MS = 250;

/** How much the process may grow by while Deno.serve takes in what we don't, in bytes, and how often to look, in ms. */
const MAX_BACKLOG_BYTES = 64 << 20;
const MEMORY_CHECK_MS = 50;

/** Lines that were handed over together, as records where they are not broken. */
export interface Chunk {
  /** Numbers of the lines. */
  lines: number[];
  /** What is wrong with those that are broken, by their place in the chunk. */
  errors: Map<number, HttpError>;
}

/** Reads a request as a stream of records. */
export class RecordStream {
  /** Why the input ended before its end, if it did. */
  brokeOff?: HttpError;
  lines = 0;
  /** Whether the client has sent nothing for a while. */
  pausing = false;
  /** Called when a pause begins. */
  onPause: () => void = () => {};
  /** What was handed over, in order; who tells what became of it takes it out. */
  readonly handedOver: Chunk[] = [];
  readonly #call: Call;
  readonly #body: BodyReader;
  readonly #parser: RecordParser;
  readonly #partition: number | undefined;
  readonly #stopOnError: boolean;
  readonly #splitter: LineSplitter;
  #reader?: ReadableStreamDefaultReader<Uint8Array>;
  #ended = false;
  #memoryCheck?: ReturnType<typeof setInterval>;
  /** Whether the next piece is waited for, and how many there were. */
  #waiting = false;
  #pieces = 0;

  constructor(call: Call, { body, partition }: { body: BodyReader; partition: number | undefined }) {
    this.#call = call;
    this.#body = body;
    this.#partition = partition;
    this.#stopOnError = oneOf(call.query, "on_error", ["continue", "stop"]) === "stop";
    this.#parser = new RecordParser(oneOf<Format>(call.query, "format", ["json", "binary", "text"]));
    this.#splitter = new LineSplitter(body.maxBytes);
  }

  /** Reads no further. */
  stop(why?: HttpError): void {
    this.brokeOff ??= why;
    this.#ended = true;
    clearInterval(this.#memoryCheck);
    void this.#reader?.cancel().catch(() => {}); // whoever waits for the next piece is told that there is none
  }

  /** Never throws: what was read before the client broke off must still get its outcome. */
  async *chunks(): AsyncGenerator<ProducerRecord[], void, undefined> {
    for await (const piece of this.#read()) {
      this.#splitter.push(piece);
      yield* this.#chunksOf(() => this.#splitter.next());
      if (this.#ended) return;
    }
    let rest = this.brokeOff === undefined ? this.#splitter.rest() : undefined;
    yield* this.#chunksOf(() => {
      const line = rest;
      rest = undefined;
      return line;
    });
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = this.#reader = this.#call.request.body?.getReader();
    if (!reader) return;
    const onStop = () => this.stop(unavailable("the server is stopping"));
    this.#call.stopping.addEventListener("abort", onStop, { once: true });
    try {
      while (!this.#ended) {
        const { value } = await this.#body.next(this.#noticingPauses(reader.read()));
        if (value === undefined) return;
        yield value;
      }
    } catch (error) {
      this.stop(error instanceof HttpError ? error : brokenOff());
    } finally {
      this.#call.stopping.removeEventListener("abort", onStop);
      this.stop();
    }
  }

  async #noticingPauses<T>(piece: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.pausing = true;
      this.onPause();
    }, PAUSE_MS);
    this.#waiting = true;
    try {
      return await piece;
    } finally {
      clearTimeout(timer);
      this.pausing = this.#waiting = false;
      this.#pieces++;
    }
  }

  *#chunksOf(next: () => Line | undefined): Generator<ProducerRecord[], void, undefined> {
    let records: ProducerRecord[] = [];
    let chunk: Chunk = { lines: [], errors: new Map() };
    for (let line = next(); line; line = next()) {
      this.lines = line.number;
      chunk.lines.push(line.number);
      try {
        records.push(this.#parse(line));
      } catch (error) {
        const fault = toHttpError(error);
        chunk.errors.set(chunk.lines.length - 1, fault);
        if (this.#stopOnError) {
          this.stop(new HttpError(fault.status, `line ${line.number} is wrong`, { code: fault.code }));
          break;
        }
      }
      if (chunk.lines.length < CHUNK_RECORDS) continue;
      this.handedOver.push(chunk);
      yield records;
      [records, chunk] = [[], { lines: [], errors: new Map() }];
    }
    if (chunk.lines.length === 0) return;
    this.handedOver.push(chunk);
    yield records;
  }

  #parse({ bytes, fault }: Line): ProducerRecord {
    if (fault === "too long") {
      throw new HttpError(413, `The line is too long; expected at most ${this.#body.maxBytes} bytes`);
    }
    if (fault) throw new HttpError(400, "The line is not valid UTF-8; expected JSON in UTF-8");
    const record = this.#parser.parse(bytes);
    if (this.#partition === undefined) return record;
    if (record.partition !== undefined && record.partition !== this.#partition) {
      const found = `partition is ${record.partition} while the path says ${this.#partition}`;
      throw new HttpError(422, `${found}; expected no partition, or the same`);
    }
    return { ...record, partition: this.#partition };
  }

  /** A record was not delivered: whether that ends the stream, the client has said. */
  failed({ status, code }: HttpError): void {
    if (this.#stopOnError) this.stop(new HttpError(status, "a record was not delivered", { code }));
  }

  /** Ends the stream when the process grows too much. To be called when Deno.serve begins to take in what we don't. */
  watchMemory(): void {
    if (this.#ended) return;
    let { rss: before } = Deno.memoryUsage();
    let pieces = this.#pieces;
    this.#memoryCheck = setInterval(() => {
      const { rss } = Deno.memoryUsage();
      // Where we waited for a piece all the time, Deno has nothing of this stream: what has grown is of others.
      if (this.#waiting && this.#pieces === pieces) before = rss;
      pieces = this.#pieces;
      if (rss - before < MAX_BACKLOG_BYTES) return;
      this.stop(unavailable("it was sent much faster than Kafka takes it; expected a pace, or no pauses"));
    }, MEMORY_CHECK_MS);
  }
}

/** As an answer it is the client's fault; as a line it says that what comes after it may be sent again. */
function brokenOff(): HttpError {
  return new HttpError(400, "the client broke off, or its body was malformed", { code: ErrorCode.unavailable });
}

function oneOf<T extends string>(query: string, name: string, choices: readonly T[]): T {
  const text = queryParameter(query, name) ?? choices[0];
  const found = choices.find((choice) => choice === text);
  if (found) return found;
  throw new HttpError(422, `${name} is ${JSON.stringify(text)}; expected one of ${choices.join(", ")}`);
}

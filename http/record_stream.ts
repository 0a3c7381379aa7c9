/**
 * The request's side of a stream of records: bytes to lines, lines to records.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import type { ProducerRecord } from "../kafka/record.ts";
import type { BodyReader } from "./body.ts";
import { RecordParser } from "./envelope.ts";
import { HttpError, toHttpError } from "./errors.ts";
import { type Line, LineSplitter } from "./lines.ts";
import type { Format } from "./media_types.ts";
import { queryParameter } from "./target.ts";
import type { Call } from "./types.ts";

/** Records that are delivered together. */
const CHUNK_RECORDS = 500;
/** A client that pauses so long, in ms, waits to hear what became of what it sent. */
const PAUSE_MS = 250;

/** How much memory the process may grow by while an answer is streamed, and how often to look, in bytes. */
const MAX_BACKLOG_BYTES = 256 << 20;
const MEMORY_CHECK_BYTES = 4 << 20;

/** What became of a line: its record is under way, or it is broken. */
export interface Fate {
  line: number;
  error?: HttpError;
}

/** Reads a request as a stream of records. */
export class RecordStream {
  /** Why the input ended before its end, if it did. */
  brokeOff?: string;
  lines = 0;
  /** Whether the client has sent nothing for a while. */
  pausing = false;
  /** Called when a pause begins. */
  onPause: () => void = () => {};
  /** For each chunk that was handed over, what is to be told about each of its lines. */
  readonly fates: Fate[][] = [];
  readonly #call: Call;
  readonly #body: BodyReader;
  readonly #parser: RecordParser;
  readonly #partition: number | undefined;
  readonly #stopOnError: boolean;
  readonly #splitter: LineSplitter;
  #reader?: ReadableStreamDefaultReader<Uint8Array>;
  #ended = false;
  #rssAtAnswer?: number;
  #unchecked = 0;

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
    void this.#reader?.cancel().catch(() => {}); // whoever waits for the next piece is told that there is none
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
    const reader = this.#reader = this.#call.request.body?.getReader();
    if (!reader) return;
    const onStop = () => this.stop("the server is stopping");
    this.#call.stopping.addEventListener("abort", onStop, { once: true });
    try {
      while (!this.#ended) {
        const { value } = await this.#body.next(this.#noticingPauses(reader.read()));
        if (value === undefined) return;
        this.#checkMemory(value.length);
        yield value;
      }
    } catch (error) {
      this.stop(error instanceof HttpError ? error.message : "the client broke off, or its body was malformed");
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
    try {
      return await piece;
    } finally {
      clearTimeout(timer);
      this.pausing = false;
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

  /** A record was not delivered: whether that ends the stream, the client has said. */
  failed(): void {
    if (this.#stopOnError) this.stop("a record was not delivered");
  }

  /** From now on Deno.serve takes in what we don't, so that its memory must be watched. */
  answered(): void {
    this.#rssAtAnswer = Deno.memoryUsage().rss;
  }

  #checkMemory(bytes: number): void {
    if (this.#rssAtAnswer === undefined) return;
    this.#unchecked += bytes;
    if (this.#unchecked < MEMORY_CHECK_BYTES) return;
    this.#unchecked = 0;
    if (Deno.memoryUsage().rss - this.#rssAtAnswer < MAX_BACKLOG_BYTES) return;
    this.stop("it was sent much faster than Kafka takes it; expected a pace, or no pauses");
  }
}

function oneOf<T extends string>(query: string, name: string, choices: readonly T[]): T {
  const text = queryParameter(query, name) ?? choices[0];
  const found = choices.find((choice) => choice === text);
  if (found) return found;
  throw new HttpError(422, `${name} is ${JSON.stringify(text)}; expected one of ${choices.join(", ")}`);
}

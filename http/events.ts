/**
 * `GET /topics/{topic}/events`: the live tail of a topic as server-sent events, see
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 *
 * An event's id is the next offset of every partition, so that a client that comes back with `Last-Event-ID` goes on
 * exactly behind the last event it has seen.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import type { RecordView } from "../kafka/record_reader.ts";
import type { Start, TailReader } from "../kafka/tail.ts";
import type { TailedRecords } from "../kafka/topic_tail.ts";
import { HttpError, noSuchPartition, unavailable } from "./errors.ts";
import { compactJson, JsonScanner } from "./json_scanner.ts";
import { parsePartition } from "./produce.ts";
import { queryParameter } from "./target.ts";
import type { TopicGate } from "./topic.ts";
import type { Call, Handler, RecordSink } from "./types.ts";

/** How keys and values are shown. */
const FORMATS = ["text", "json", "binary"] as const;
type Format = (typeof FORMATS)[number];

/** After this time without an event, in ms, a comment says that the connection is alive. */
const HEARTBEAT_MS = 15_000;
/** How long a client may wait before it comes back, in ms. */
const RETRY_MS = 2_000;

/** What event streams work with. */
export interface EventParts {
  sink: Pick<RecordSink, "lookUp">;
  tails: { follow(topic: string, start: Start): Promise<TailReader> };
  gate: TopicGate;
  /** Streams at a time. */
  maxStreams: number;
  heartbeatMs?: number;
}

/** Which records a client wants. */
interface Wish {
  format: Format;
  partition: number | undefined;
  key: string | undefined;
}

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** Counts and makes event streams. */
export class EventStreams {
  /** Open ones. */
  count = 0;
  readonly #parts: EventParts;

  constructor(parts: EventParts) {
    this.#parts = parts;
  }

  readonly handle: Handler = async (call) => {
    const { sink, tails, gate, maxStreams, heartbeatMs = HEARTBEAT_MS } = this.#parts;
    const [topic] = call.parameters;
    gate.check(topic, call.token);
    checkAccept(call.request.headers.get("accept"));
    const wish = parseWish(call.query);
    const start = parseStart(call);
    const { leaders } = await sink.lookUp(topic);
    if (wish.partition !== undefined && !(wish.partition in leaders)) {
      throw noSuchPartition(topic, wish.partition, leaders.length);
    }
    if (this.count >= maxStreams) {
      throw unavailable(`${this.count} event streams are open; expected at most ${maxStreams}`);
    }
    this.count++;
    const release = call.hold();
    const reader = await tails.follow(topic, start).catch((cause) => {
      this.count--;
      release();
      throw unavailable(`Topic "${topic}" cannot be followed now: ${(cause as Error).message}`, cause);
    });
    const end = () => {
      this.count--;
      release();
      reader[Symbol.dispose]();
    };
    const stream = new EventStream(reader, wish, { stopping: call.stopping, heartbeatMs, end });
    return new Response(stream.readable, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
    });
  };
}

/** One client's stream. */
class EventStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #reader: TailReader;
  readonly #wish: Wish;
  readonly #options: { stopping: AbortSignal; heartbeatMs: number; end: () => void };
  #ended = false;
  /** Ends a wait for news. */
  #wake = () => {};

  constructor(
    reader: TailReader,
    wish: Wish,
    options: { stopping: AbortSignal; heartbeatMs: number; end: () => void },
  ) {
    this.#reader = reader;
    this.#wish = wish;
    this.#options = options;
    this.readable = new ReadableStream({
      start: (controller) => controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n${this.#id()}\n`)),
      pull: (controller) => this.#pull(controller),
      cancel: () => this.#end(),
    }, { highWaterMark: 1 });
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      while (!this.#ended) {
        const found = this.#options.stopping.aborted ? null : await this.#reader.next();
        if (found === null) return this.#last(controller, "end", "the server is stopping");
        const bytes = found && this.#render(found);
        if (bytes && bytes.length > 0) return controller.enqueue(bytes);
        if (found === undefined && !await this.#news()) {
          return controller.enqueue(encoder.encode(`: alive\n${this.#id()}\n`));
        }
      }
    } catch (error) {
      this.#last(controller, "dropped", (error as Error).message);
    }
  }

  /** Waits for something new. @returns false when a heartbeat is due before that */
  async #news(): Promise<boolean> {
    const { stopping, heartbeatMs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wake = () => resolve(true);
    const timer = setTimeout(() => resolve(false), heartbeatMs);
    const forget = this.#reader.whenNews(wake);
    this.#wake = wake;
    stopping.addEventListener("abort", wake);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      forget();
      stopping.removeEventListener("abort", wake);
    }
  }

  /** Says where to go on, and ends. */
  #last(controller: ReadableStreamDefaultController<Uint8Array>, event: string, message: string): void {
    if (this.#ended) return;
    const resume = this.#reader.positions.join();
    controller.enqueue(
      encoder.encode(`${this.#id()}event: ${event}\ndata: ${JSON.stringify({ message, resume })}\n\n`),
    );
    controller.close();
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wake();
    this.#options.end();
  }

  #id(): string {
    return `id: ${this.#reader.positions.join()}\n`;
  }

  #render({ partition, records, shared }: TailedRecords): Uint8Array {
    const { format, partition: only, key } = this.#wish;
    if (only !== undefined && only !== partition) return new Uint8Array();
    if (key !== undefined) return encoder.encode(this.#events(partition, records.filter((r) => isKey(r, key))));
    const known = shared?.get(format);
    if (known) return known;
    const bytes = encoder.encode(this.#events(partition, records));
    shared?.set(format, bytes);
    return bytes;
  }

  #events(partition: number, records: readonly RecordView[]): string {
    const positions = [...this.#reader.positions];
    let text = "";
    for (const record of records) {
      positions[partition] = record.offset + 1;
      text += `id: ${positions.join()}\ndata: ${recordJson(record, partition, this.#wish.format)}\n\n`;
    }
    return text;
  }
}

function isKey({ key }: RecordView, wanted: string): boolean {
  return key !== null && utf8.decode(key) === wanted;
}

function recordJson(record: RecordView, partition: number, format: Format): string {
  const { offset, timestamp } = record;
  const headers = record.headers.map(([name, value]) =>
    `{"key":${JSON.stringify(name)},"value":${value === null ? null : `"${value.toString("base64")}"`}}`
  );
  return `{"partition":${partition},"offset":${offset},"timestamp":${timestamp},` +
    `${member("key", record.key, format)},${member("value", record.value, format)},"headers":[${headers.join()}]}`;
}

/** Bytes in the format that was asked for or, where they are something else, as base64 under another name. */
function member(name: "key" | "value", bytes: RecordView["value"], format: Format): string {
  if (bytes === null) return `"${name}":null`;
  if (format === "binary") return `"${name}":"${bytes.toString("base64")}"`;
  if (!isUtf8(bytes)) return `"${name}_base64":"${bytes.toString("base64")}"`;
  if (format === "json" && isJson(bytes)) return `"${name}":${compactJson(bytes)}`;
  return `"${name}":${JSON.stringify(utf8.decode(bytes))}`;
}

function isJson(bytes: Uint8Array): boolean {
  try {
    new JsonScanner(bytes).whole();
    return true;
  } catch {
    return false;
  }
}

function checkAccept(accept: string | null): void {
  if (accept === null || /(?:^|[,\s])(?:text\/(?:event-stream|\*)|\*\/\*)\s*(?:[;,]|$)/i.test(accept)) return;
  throw new HttpError(406, `Accept is ${JSON.stringify(accept)}; expected text/event-stream`);
}

function parseWish(query: string): Wish {
  const text = queryParameter(query, "format") ?? "text";
  const format = FORMATS.find((format) => format === text);
  if (!format) throw new HttpError(422, `format is ${JSON.stringify(text)}; expected one of ${FORMATS.join(", ")}`);
  const partition = queryParameter(query, "partition");
  return {
    format,
    partition: partition === undefined ? undefined : parsePartition(partition),
    key: queryParameter(query, "key"),
  };
}

function parseStart({ request, query }: Call): Start {
  const last = request.headers.get("last-event-id");
  if (last !== null && last !== "") {
    if (/^\d{1,15}(,\d{1,15}){0,9999}$/.test(last)) return last.split(",").map(Number);
    throw new HttpError(
      400,
      `Last-Event-ID is ${JSON.stringify(last.slice(0, 60))}; expected an id of ours, offsets with commas`,
    );
  }
  const from = queryParameter(query, "from") ?? "end";
  if (from === "beginning" || from === "end") return from;
  throw new HttpError(422, `from is ${JSON.stringify(from)}; expected beginning or end`);
}

/**
 * A stream of records over HTTP, as plain as can be: what was written when, what was answered when.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { NotSentError } from "./http_client.ts";

/** Some lines of a stream, and how long to wait after them, in ms. */
export interface Piece {
  lines: string[];
  pauseMs: number;
}

/** What came of a stream. */
export interface StreamAnswer {
  /** 0 if the answer did not even begin. */
  status: number;
  /** When each line was written; those that are missing were not. */
  written: number[];
  /** When nothing more was to be written. */
  uploadedAt: number;
  /** Lines of the answer, or one that is not of lines, and when they came. */
  answered: { at: number; text: string }[];
  /** Why the answer did not come to its end. */
  failure?: string;
}

/** How {@linkcode postStream} goes about it. */
export interface StreamOptions {
  /** After the last piece, in ms. */
  timeoutMs: number;
  /** The caller's clock. */
  now: () => number;
}

/**
 * Sends it once, on a connection of its own.
 *
 * @throws {NotSentError} when nobody listens
 */
export async function postStream(
  { port, path, pieces }: { port: number; path: string; pieces: readonly Piece[] },
  { timeoutMs, now }: StreamOptions,
): Promise<StreamAnswer> {
  const answer: StreamAnswer = { status: 0, written: [], uploadedAt: 0, answered: [] };
  using connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch((cause) => {
    throw new NotSentError((cause as Error).message, { cause });
  });
  const over = new AbortController();
  const reading = readAnswer(connection, answer, now).catch((error) => void (answer.failure = String(error)))
    .finally(() => over.abort());
  await upload(connection, { port, path, pieces }, { answer, now, signal: over.signal });
  answer.uploadedAt = now();
  if (
    !await Promise.race([
      reading.then(() => true),
      sleep(timeoutMs, false, { signal: over.signal }).catch(() => true),
    ])
  ) {
    answer.failure = `no answer within ${timeoutMs} ms`;
  }
  return answer;
}

/** Writes until the end, or until the answer has ended: then nobody reads any more. */
async function upload(
  connection: Deno.TcpConn,
  { port, path, pieces }: { port: number; path: string; pieces: readonly Piece[] },
  { answer, now, signal }: { answer: StreamAnswer; now: () => number; signal: AbortSignal },
): Promise<void> {
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/x-ndjson\r\n` +
    `transfer-encoding: chunked\r\nconnection: close\r\n\r\n`;
  try {
    await writeAll(connection, head);
    for (const { lines, pauseMs } of pieces) {
      for (const _ of lines) answer.written.push(now());
      const text = lines.map((line) => line + "\n").join("");
      await writeAll(connection, `${new TextEncoder().encode(text).length.toString(16)}\r\n${text}\r\n`);
      await sleep(pauseMs, undefined, { signal });
    }
    await writeAll(connection, "0\r\n\r\n");
  } catch {
    // The connection has gone, or the answer is there: reading tells which.
  }
}

async function writeAll(connection: Deno.TcpConn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Bytes as they come, taken by the line or by number. */
class Input {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(16 << 10);
  #bytes = new Uint8Array();

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#bytes.indexOf(0x0a);
      if (end >= 0) return (await this.take(end + 1)).trimEnd();
      await this.#more();
    }
  }

  async take(count: number): Promise<string> {
    while (this.#bytes.length < count) await this.#more();
    const taken = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.slice(count);
    return new TextDecoder().decode(taken);
  }

  async #more(): Promise<void> {
    const count = await this.#connection.read(this.#buffer);
    if (count === null) throw new Error("the connection ended before the answer did");
    const all = new Uint8Array(this.#bytes.length + count);
    all.set(this.#bytes);
    all.set(this.#buffer.subarray(0, count), this.#bytes.length);
    this.#bytes = all;
  }
}

async function readAnswer(connection: Deno.TcpConn, answer: StreamAnswer, now: () => number): Promise<void> {
  const input = new Input(connection);
  const status = Number((await input.line()).slice(9, 12));
  let length: number | undefined;
  for (let header; (header = await input.line()) !== "";) {
    if (/^content-length:/i.test(header)) length = Number(header.split(":")[1]);
  }
  const add = (text: string) => answer.answered.push({ at: now(), text });
  answer.status = status;
  if (length !== undefined) return void add(await input.take(length));
  let rest = "";
  for (let size; (size = parseInt(await input.line(), 16)) > 0;) {
    // A chunk may end within a line, but not within a character: the server writes whole lines, in UTF-8.
    const lines = (rest + await input.take(size)).split("\n");
    rest = lines.pop()!;
    lines.forEach(add);
    await input.line();
  }
}

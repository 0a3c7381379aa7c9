/**
 * One HTTP connection, as plain as can be. `fetch`, and `node:http` under Deno 2.9, send a request again when a kept
 * connection breaks before its answer: whoever is to say what became of each request cannot use them.
 *
 * @module
 */

/** An answer. */
export interface Answer {
  status: number;
  text: string;
}

/** The server did not even accept a connection: it has not seen the request. */
export class NotSentError extends Error {
  override name = "NotSentError";
}

/** A connection that was idle for longer, in ms, is not used again: the server may have gone in the meantime. */
const IDLE_MS = 500;

/** A client that has one request under way at a time, and keeps its connection from one to the next. */
export class HttpClient {
  readonly #port: number;
  #connection: Deno.TcpConn | undefined;
  #usedAt = 0;

  /** @param port of 127.0.0.1 */
  constructor(port: number) {
    this.#port = port;
  }

  /**
   * Sends it once.
   *
   * @throws {NotSentError} when nobody listens
   * @throws {Error} when the answer does not come, or not within `timeoutMs`
   */
  async post(
    path: string,
    { type, body, timeoutMs }: { type: string; body: string; timeoutMs: number },
  ): Promise<Answer> {
    const connection = await this.#connect();
    const late = setTimeout(() => this.close(), timeoutMs);
    try {
      const bytes = new TextEncoder().encode(body);
      const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${this.#port}\r\ncontent-type: ${type}\r\n` +
        `content-length: ${bytes.length}\r\n\r\n`;
      await writeAll(connection, new TextEncoder().encode(head));
      await writeAll(connection, bytes);
      const { answer, last } = await readAnswer(connection);
      this.#usedAt = Date.now();
      if (last) this.close();
      return answer;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  async #connect(): Promise<Deno.TcpConn> {
    if (Date.now() - this.#usedAt > IDLE_MS) this.close();
    try {
      return this.#connection ??= await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    } catch (cause) {
      throw new NotSentError((cause as Error).message, { cause });
    }
  }

  /** Closes the connection; the next request opens another. */
  close(): void {
    try {
      this.#connection?.close();
    } catch {
      // It is closed already.
    }
    this.#connection = undefined;
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads an answer with a Content-Length, as all of ours to a whole body are. */
async function readAnswer(connection: Deno.TcpConn): Promise<{ answer: Answer; last: boolean }> {
  const buffer = new Uint8Array(64 << 10);
  let received = new Uint8Array();
  const text = (from: number, to?: number) => new TextDecoder().decode(received.subarray(from, to));
  for (let bodyAt = -1, length = 0;;) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("the connection ended before the answer did");
    const all = new Uint8Array(received.length + count);
    all.set(received);
    all.set(buffer.subarray(0, count), received.length);
    received = all;
    if (bodyAt < 0) {
      const end = text(0).indexOf("\r\n\r\n"); // heads are ASCII: characters are bytes
      if (end < 0) continue;
      bodyAt = end + 4;
      const declared = /^content-length: *(\d+)/im.exec(text(0, bodyAt))?.[1];
      if (declared === undefined) throw new Error(`an answer without Content-Length: ${text(0, bodyAt)}`);
      length = Number(declared);
    }
    if (received.length < bodyAt + length) continue;
    const head = text(0, bodyAt);
    const status = Number(head.slice(9, 12));
    return { answer: { status, text: text(bodyAt, bodyAt + length) }, last: /^connection: *close/im.test(head) };
  }
}

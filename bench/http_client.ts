/**
 * A small HTTP/1.1 client for loads: one request at a time on a connection, of which only the status is looked at.
 *
 * @module
 */

/** One request, sent over and over. */
export interface Load {
  contentType: string;
  body: string;
  /** A connection of its own for every request, as PHP clients do. */
  reconnect?: boolean;
}

const BUFFER_BYTES = 64 << 10;
const HEAD_END = "\r\n\r\n";
/** How the last chunk ends. The answers are JSON, in which nothing else looks like that. */
const CHUNKS_END = "0\r\n\r\n";
const latin1 = new TextDecoder("latin1"); // bytes are characters, so that lengths agree

/** The bytes of a POST. */
export function requestBytes(url: URL, { contentType, body, reconnect }: Load): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const bytes = encoder.encode(body);
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${bytes.length}`,
    ...(reconnect ? ["Connection: close"] : []),
  ];
  return encoder.encode(head.join("\r\n") + HEAD_END + body);
}

/** A connection to a server; opened when it is first needed, and again after it broke. */
export class Client implements Disposable {
  readonly #url: URL;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #connection?: Deno.TcpConn;

  constructor(url: URL) {
    this.#url = url;
  }

  /** Sends a request and reads its answer. @returns the status @throws {Error} when the connection breaks */
  async send(request: Uint8Array<ArrayBuffer>): Promise<number> {
    try {
      this.#connection ??= await this.#connect();
      await writeAll(this.#connection, request);
      const { status, last } = await this.#answer(this.#connection);
      if (last) this.#close();
      return status;
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  async #connect(): Promise<Deno.TcpConn> {
    const connection = await Deno.connect({ hostname: this.#url.hostname, port: Number(this.#url.port) });
    connection.setNoDelay();
    return connection;
  }

  async #answer(connection: Deno.TcpConn): Promise<{ status: number; last: boolean }> {
    let text = "";
    for (let headEnd = -1;;) {
      const count = await connection.read(this.#buffer);
      if (count === null) throw new Error(`the connection ended after ${text.length} bytes of an answer`);
      text += latin1.decode(this.#buffer.subarray(0, count));
      if (headEnd < 0) headEnd = text.indexOf(HEAD_END);
      if (headEnd < 0 || !isWhole(text, headEnd)) continue;
      const last = /^connection: *close/im.test(text.slice(0, headEnd));
      return { status: Number(text.slice(9, 12)), last };
    }
  }

  #close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

function isWhole(text: string, headEnd: number): boolean {
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, headEnd))?.[1];
  if (length === undefined) return text.endsWith(CHUNKS_END);
  return text.length >= headEnd + HEAD_END.length + Number(length);
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

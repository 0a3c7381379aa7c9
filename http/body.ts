/**
 * Reads a request's body, bounded in size and time.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { Deadlines } from "./deadlines.ts";
import { HttpError } from "./errors.ts";

/** Reads bodies within limits of size and time. */
export class BodyReader {
  readonly maxBytes: number;
  readonly #deadlines: Deadlines;

  /** @param timeoutMs For a whole body, or for the next piece of a stream. */
  constructor({ maxBytes, timeoutMs }: { maxBytes: number; timeoutMs: number }) {
    this.maxBytes = maxBytes;
    this.#deadlines = new Deadlines(timeoutMs);
  }

  /**
   * Looks at what a request says of its body.
   *
   * @returns whether its length is declared, for {@linkcode readUtf8}
   * @throws {HttpError} 413 when the declared length is over the limit, 415 when the body is encoded
   */
  checkHeaders(headers: Headers): boolean {
    checkEncoding(headers);
    const declared = headers.get("content-length");
    if (declared !== null && Number(declared) > this.maxBytes) throw this.#tooLarge(`has ${declared} bytes`);
    const chunked = checkTransferEncoding(headers);
    return declared !== null && !chunked;
  }

  /**
   * The body, which is valid UTF-8.
   *
   * @param declared What {@linkcode checkHeaders} said.
   * @throws {HttpError} 400 when there is none, it is not UTF-8 or the client broke off; 408 when it takes too long;
   * 413 when it is over the limit
   */
  async readUtf8(request: Request, declared: boolean): Promise<Uint8Array> {
    let bytes: Uint8Array;
    try {
      // With a declared length, Deno hands out that many bytes and no more; the length is checked before. Looking at
      // `request.body` would make a stream of bytes that are there already.
      const reading = declared ? request.bytes() : this.#readCounted(request.body);
      bytes = await this.#deadlines.limit(reading, tooSlow);
    } catch (cause) {
      if (cause instanceof HttpError) throw cause;
      throw new HttpError(400, "The body broke off or was malformed; expected all of it", { cause });
    }
    if (bytes.length === 0) throw new HttpError(400, "The body is missing; expected JSON");
    // `request.json()` would turn what is not UTF-8 into U+FFFD in silence.
    if (!isUtf8(bytes)) throw new HttpError(400, "The body is not valid UTF-8; expected JSON in UTF-8");
    return bytes;
  }

  /** The next piece of a streamed body. @throws {HttpError} 408 when it takes too long */
  next<T>(piece: Promise<T>): Promise<T> {
    return this.#deadlines.limit(piece, tooSlow);
  }

  async #readCounted(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body ?? []) {
      size += chunk.length;
      if (size > this.maxBytes) throw this.#tooLarge(`has more than ${this.maxBytes} bytes`);
      chunks.push(chunk);
    }
    return concat(chunks, size);
  }

  #tooLarge(found: string): HttpError {
    return new HttpError(413, `The body ${found}; expected at most ${this.maxBytes} (HTTP_MAX_BODY_BYTES)`);
  }
}

/** @throws {HttpError} 415 when a body is compressed or otherwise encoded */
export function checkEncoding(headers: Headers): void {
  const encoding = headers.get("content-encoding");
  if (encoding === null || encoding.toLowerCase() === "identity") return;
  throw new HttpError(415, `Content-Encoding is ${JSON.stringify(encoding)}; expected none`);
}

/**
 * Deno.serve takes what is compressed in transfer for what it stands for.
 *
 * @returns whether there is such a header
 * @throws {HttpError} 415
 */
export function checkTransferEncoding(headers: Headers): boolean {
  const encoding = headers.get("transfer-encoding");
  if (encoding === null) return false;
  if (encoding.toLowerCase() === "chunked") return true;
  throw new HttpError(415, `Transfer-Encoding is ${JSON.stringify(encoding)}; expected chunked`);
}

function tooSlow(limitMs: number): HttpError {
  const message = `The body was not there after ${limitMs} ms; expected it sooner (HTTP_BODY_TIMEOUT_MS)`;
  return new HttpError(408, message, { headers: { connection: "close" } });
}

/** Pieces as one. */
export function concat(pieces: readonly Uint8Array[], size: number): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

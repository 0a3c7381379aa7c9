/**
 * Reads a request's body, bounded in size, as bytes.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { HttpError } from "./errors.ts";

/** @throws {HttpError} 413 when the declared length is over the limit, 415 when the body is encoded */
export function checkBodyHeaders(headers: Headers, maxBytes: number): void {
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new HttpError(415, `Content-Encoding is ${JSON.stringify(encoding)}; expected none`);
  }
  const declared = headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge(`has ${declared} bytes`, maxBytes);
}

/**
 * The body, which is valid UTF-8.
 *
 * @throws {HttpError} 400 when there is none, it is not UTF-8 or the client broke off; 413 when it is over the limit
 */
export async function readUtf8(request: Request, maxBytes: number): Promise<Uint8Array> {
  const bytes = await readBytes(request, maxBytes);
  if (bytes.length === 0) throw new HttpError(400, "The body is missing; expected JSON");
  // `request.json()` would turn what is not UTF-8 into U+FFFD in silence.
  if (!isUtf8(bytes)) throw new HttpError(400, "The body is not valid UTF-8; expected JSON in UTF-8");
  return bytes;
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  try {
    // With a declared length, hyper hands out that many bytes and no more; the length is checked before.
    if (request.headers.has("content-length") && !request.headers.has("transfer-encoding")) {
      return await request.bytes();
    }
    return await readCounted(request.body, maxBytes);
  } catch (cause) {
    if (cause instanceof HttpError) throw cause;
    throw new HttpError(400, "The body broke off or was malformed; expected all of it", { cause });
  }
}

async function readCounted(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(`has more than ${maxBytes} bytes`, maxBytes);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function tooLarge(found: string, maxBytes: number): HttpError {
  return new HttpError(413, `The body ${found}; expected at most ${maxBytes} (HTTP_MAX_BODY_BYTES)`);
}

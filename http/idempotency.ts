/**
 * `Idempotency-Key`: a client that does not know what became of its request sends it again, with the same key, and gets
 * the answer of the first one instead of writing twice.
 *
 * Keys are remembered in this process, for {@linkcode WINDOW_MS}: not across a restart, not by another server.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { HttpError, RETRY_AFTER_SECONDS, toHttpError } from "./errors.ts";

/** How long an answer is remembered, in ms. */
const WINDOW_MS = 10 * 60_000;
/** Answers that are remembered, in number and in characters; beyond, the oldest are forgotten. */
const MAX_ENTRIES = 10_000;
const MAX_LENGTH = 16 << 20;

/** What an answer is remembered by. */
interface Entry {
  fingerprint: string;
  /** Undefined while the first request is at work. */
  answer?: { status: number; contentType: string; body: string };
  at: number;
}

/** Remembers answers by the keys of their requests. */
export class IdempotentAnswers {
  readonly #entries = new Map<string, Entry>();
  #length = 0;

  /**
   * Answers a request, or gives the answer of an earlier one with the same key.
   *
   * Only what may have been written is remembered: a request of which nothing was written may be sent again as it is.
   *
   * @param scope Who asks for what: the same key elsewhere is another one.
   * @param content What is asked for: with other content, the same key is a mistake.
   * @throws {HttpError} 400 for a key that is none, 422 when it came with another body, 409 while the first is at work
   */
  async run(
    key: string,
    { scope, content }: { scope: string; content: readonly (Uint8Array | string)[] },
    answer: () => Promise<Response>,
  ): Promise<Response> {
    if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
      throw new HttpError(
        400,
        `Idempotency-Key is ${JSON.stringify(key.slice(0, 60))}; expected 1 to 255 visible characters`,
      );
    }
    const name = `${scope} ${key}`;
    const hash = createHash("sha256");
    for (const part of content) hash.update(`${part.length} `).update(part);
    const fingerprint = hash.digest("base64");
    const known = this.#find(name);
    if (known) return replay(known, fingerprint);
    const entry: Entry = { fingerprint, at: Date.now() };
    this.#entries.set(name, entry);
    try {
      const response = await answer();
      await this.#remember(entry, response);
      return response;
    } catch (error) {
      // 504: nobody knows whether it was written, and a second attempt must not make it two.
      const { status, message, code } = toHttpError(error);
      if (status === 504) {
        this.#keep(entry, {
          status,
          contentType: "application/json",
          body: JSON.stringify({ error_code: code, message }),
        });
      } else this.#entries.delete(name);
      throw error;
    }
  }

  #find(name: string): Entry | undefined {
    const oldest = Date.now() - WINDOW_MS;
    for (const [name, { at, answer }] of this.#entries) {
      const tooMany = this.#entries.size > MAX_ENTRIES || this.#length > MAX_LENGTH;
      if (at > oldest && !tooMany) break;
      if (!answer) continue; // still at work: without its entry, it could be done a second time
      this.#entries.delete(name);
      this.#length -= answer.body.length;
    }
    return this.#entries.get(name);
  }

  async #remember(entry: Entry, response: Response): Promise<void> {
    const { status, headers } = response;
    // Before the copy: Deno 2.9 may leave out of it the headers that nobody has looked at yet.
    const contentType = headers.get("content-type") ?? "";
    this.#keep(entry, { status, contentType, body: await response.clone().text() });
  }

  #keep(entry: Entry, answer: NonNullable<Entry["answer"]>): void {
    entry.answer = answer;
    this.#length += answer.body.length;
  }
}

function replay({ fingerprint: first, answer }: Entry, fingerprint: string): Response {
  if (first !== fingerprint) {
    throw new HttpError(
      422,
      "The Idempotency-Key came before with another body or format; expected a key of its own for each request",
    );
  }
  if (!answer) {
    const headers = { "retry-after": String(RETRY_AFTER_SECONDS) };
    throw new HttpError(409, "The first request with this Idempotency-Key is still at work; expected a pause", {
      headers,
    });
  }
  const headers = { "content-type": answer.contentType, "idempotent-replayed": "true" };
  return new Response(answer.body, { status: answer.status, headers });
}

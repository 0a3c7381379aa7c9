/**
 * One line for each request that was answered. At tens of thousands a second a log line of its own for each would cost
 * more than the request: lines are put together by hand, and written many at a time.
 *
 * @module
 */

/** How long lines may wait to be written, in ms. */
const FLUSH_MS = 100;
/** So many characters are written without waiting. */
const FLUSH_LENGTH = 1 << 16;
/** Characters that may wait while nobody reads; what comes then is counted instead. */
const MAX_WAITING = 1 << 20;

/** What a line says. */
export interface AccessEntry {
  method: string;
  path: string;
  status: number;
  /** How long it took, in ms. */
  ms: number;
  /** Without anything that JSON would escape, and so is the client's address. */
  id: string;
  client: string;
  /** Name of the token, if it had one. */
  token: string | undefined;
}

/** Where lines go: `Deno.stderr`, for one. */
export interface LogSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Collects lines and writes them. */
export class AccessLog {
  readonly #sink: LogSink;
  readonly #format: Format;
  readonly #encoder = new TextEncoder();
  #waiting = "";
  #dropped = 0;
  #timer?: ReturnType<typeof setTimeout>;
  #writing?: Promise<void>;
  /** The first half of the last line, and what it was made of. */
  #head = "";
  #now = 0;
  #method = "";
  #path = "";
  #status = 0;

  constructor(sink: LogSink, format: "text" | "json") {
    this.#sink = sink;
    this.#format = format === "json" ? JSON_FORMAT : TEXT_FORMAT;
  }

  add(entry: AccessEntry): void {
    if (this.#waiting.length > MAX_WAITING) return void this.#dropped++;
    this.#waiting += this.#headFor(entry) + this.#format.rest(entry);
    if (this.#waiting.length > FLUSH_LENGTH) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
  }

  /** Resolves when all that waits is written. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await (this.#writing ??= this.#write().finally(() => this.#writing = undefined));
  }

  async #write(): Promise<void> {
    while (this.#waiting !== "") {
      let text = this.#waiting;
      this.#waiting = "";
      if (this.#dropped > 0) text += `${this.#dropped} requests are not listed: nobody read this log in time\n`;
      this.#dropped = 0;
      const bytes = this.#encoder.encode(text);
      try {
        for (let written = 0; written < bytes.length;) written += await this.#sink.write(bytes.subarray(written));
      } catch {
        // Whoever read stderr has gone. Requests are answered all the same.
      }
    }
  }

  /** At the rates where it matters, the next request is mostly of the same kind, and in the same millisecond. */
  #headFor({ method, path, status }: AccessEntry): string {
    const now = Date.now();
    if (now === this.#now && path === this.#path && status === this.#status && method === this.#method) {
      return this.#head;
    }
    this.#now = now;
    this.#method = method;
    this.#path = path;
    this.#status = status;
    return this.#head = this.#format.head(new Date(now).toISOString(), `${method} ${path} ${status}`, status);
  }
}

/** A line in two halves: what many lines have in common, and the rest. */
interface Format {
  head(time: string, message: string, status: number): string;
  rest(entry: AccessEntry): string;
}

/** Fields in the order of importance; `message` is what a person reads first. */
const JSON_FORMAT: Format = {
  head: (time, message, status) =>
    `{"time":"${time}","level":"INFO","component":"http","message":${quote(message)},"status":${status},"ms":`,
  rest: ({ ms, id, client, token }) => {
    const name = token === undefined ? "" : `,"token":${quote(token)}`;
    return `${ms.toFixed(2)},"id":"${id}","client":"${client}"${name}}\n`;
  },
};

const TEXT_FORMAT: Format = {
  head: (time, message) => `${time.slice(11, 23)} INFO  http: ${isPlain(message) ? message : quote(message)} ms=`,
  rest: ({ ms, id, client, token }) => {
    const name = token === undefined ? "" : ` token=${quote(token)}`;
    return `${ms.toFixed(2)} id=${id} client=${client}${name}\n`;
  },
};

function isPlain(text: string): boolean {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text);
}

/** As JSON, and in ASCII: what came from outside cannot start a new line, move the cursor or reorder the text. */
function quote(text: string): string {
  if (isPlain(text)) return `"${text}"`;
  const escape = (c: string) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
  // deno-lint-ignore no-control-regex
  return JSON.stringify(text).replace(/[^\x00-\x7e]/g, escape);
}

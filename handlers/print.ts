/**
 * The default handler: writes records to an output, in a format of the user's choice.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import type { BatchHandler, ConsumedRecord } from "./types.ts";

/** The output was closed by its reader. */
export class OutputClosed extends Error {
  override name = "OutputClosed";

  /** @param written How many of the records it took before. */
  constructor(readonly written: number) {
    super("the reader of the output has closed it");
  }
}

/** Where lines go. */
export interface Output {
  /** Writes all; resolves to how many bytes were taken, which are fewer only where the reader has closed. */
  write(bytes: Uint8Array): Promise<number>;
  readonly isTerminal: boolean;
  /** Whether there is a reader, who may close it. */
  readonly isPipe: boolean;
}

/** Appends a record to a page. */
export type Format = (record: ConsumedRecord, page: Page) => void;

/** How long a reader of a pipe may take to close it after what it wanted, in ms. */
const CLOSE_MS = 50;

/** A handler that prints: one write for all records that come together. */
export function printer(output: Output, format: Format): BatchHandler {
  const page = new Page();
  let turn: Promise<unknown> = Promise.resolve();
  let first = output.isPipe;
  const print = async (records: readonly ConsumedRecord[]) => {
    page.clear();
    let written = 0;
    if (first && records.length > 1) {
      // Of a reader that closes after some lines (`| head -3`) only a later write tells. So that there is one:
      first = false;
      records.slice(0, -1).forEach((record) => format(record, page));
      written = await output.write(page.bytes);
      if (written === page.length) await new Promise((resolve) => setTimeout(resolve, CLOSE_MS));
      page.clear();
      format(records.at(-1)!, page);
      if (await output.write(page.bytes) === page.length) return;
      page.clear();
    } else {
      for (const record of records) format(record, page);
      written = await output.write(page.bytes);
      if (written === page.length) return;
    }
    throw new OutputClosed(countWithin(written, records));
  };
  /** How many records such a part of their bytes holds. */
  const countWithin = (bytes: number, records: readonly ConsumedRecord[]) => {
    page.clear();
    const beyond = records.findIndex((record) => (format(record, page), page.length > bytes));
    return beyond < 0 ? records.length : beyond;
  };
  return (records) => {
    const printed = turn.then(() => print(records));
    turn = printed.catch(() => {});
    return printed;
  };
}

/** Bytes that grow. */
export class Page {
  #bytes = Buffer.allocUnsafe(1 << 16);
  length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  add(data: Uint8Array): void {
    if (this.length + data.length > this.#bytes.length) this.#grow(data.length);
    this.#bytes.set(data, this.length);
    this.length += data.length;
  }

  addText(text: string): void {
    this.add(Buffer.from(text));
  }

  #grow(more: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.length + more, this.#bytes.length * 2));
    larger.set(this.bytes);
    this.#bytes = larger;
  }
}

/** Makes text fit for a terminal; undefined where it is not for one. */
export type Escape = ((text: string) => string) | undefined;

/** What may stand in a format, and how a record fills it. Letters and meanings are kcat's. */
const PLACEHOLDERS: Record<string, (record: ConsumedRecord) => string | Uint8Array | null> = {
  t: ({ topic }) => topic,
  p: ({ partition }) => String(partition),
  o: ({ offset }) => String(offset),
  k: ({ key }) => key,
  s: ({ value }) => value,
  K: ({ key }) => String(key?.length ?? -1),
  S: ({ value }) => String(value?.length ?? -1),
  T: ({ timestamp }) => String(timestamp),
  h: ({ headers }) => Buffer.concat(headers.flatMap(headerBytes)),
  "%": () => "%",
};

/** `name=value`, separated by commas; a value that is null as NULL. */
function headerBytes([name, value]: readonly [string, Uint8Array | null], index: number): Uint8Array[] {
  return [Buffer.from(`${index > 0 ? "," : ""}${name}=`), value ?? Buffer.from("NULL")];
}

const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", "0": "\0", "\\": "\\" };

/**
 * Reads a format like kcat's: `%t %p %o %k %s %K %S %T %h %%` and `\n \r \t \0 \\ \xHH`.
 *
 * @throws {SyntaxError} at a placeholder or an escape that there is not
 */
export function parseFormat(format: string, escape?: Escape): Format {
  const pieces = [...format.matchAll(/%(.?)|\\(x[0-9a-fA-F]{2}|.?)|[^%\\]+/gs)].map((match) => {
    const [literal, placeholder, escaped] = match;
    if (placeholder !== undefined) {
      if (!Object.hasOwn(PLACEHOLDERS, placeholder)) throw unknown(literal, "%t %p %o %k %s %K %S %T %h %%");
      return fill(PLACEHOLDERS[placeholder], escape);
    }
    if (escaped?.length === 3) return constant(Buffer.from(escaped.slice(1), "hex"));
    if (escaped !== undefined && !Object.hasOwn(ESCAPES, escaped)) throw unknown(literal, "\\n \\r \\t \\0 \\\\ \\xHH");
    return constant(Buffer.from(escaped === undefined ? literal : ESCAPES[escaped]));
  });
  return (record, page) => {
    for (const piece of pieces) piece(record, page);
  };
}

function fill(read: (record: ConsumedRecord) => string | Uint8Array | null, escape: Escape): Format {
  return (record, page) => {
    const data = read(record);
    if (data === null) return;
    if (typeof data === "string") page.addText(data);
    else if (escape) page.addText(escape(Buffer.from(data.buffer, data.byteOffset, data.length).toString()));
    else page.add(data);
  };
}

function constant(bytes: Uint8Array): Format {
  return (_record, page) => page.add(bytes);
}

function unknown(found: string, expected: string): SyntaxError {
  return new SyntaxError(`${JSON.stringify(found)} means nothing in a format; expected ${expected}`);
}

/** One JSON object a line. Bytes that are not UTF-8 are `{ "base64": "..." }`. */
export function jsonFormat(escape?: Escape): Format {
  return ({ topic, partition, offset, timestamp, key, value, headers }, page) => {
    const line = JSON.stringify({
      topic,
      partition,
      offset,
      timestamp,
      key: toJson(key),
      value: toJson(value),
      headers: headers.map(([name, value]) => [name, toJson(value)]),
    });
    page.addText((escape ? escape(line) : line) + "\n");
  };
}

function toJson(bytes: Uint8Array | null): string | null | { base64: string } {
  if (bytes === null) return null;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return isUtf8(buffer) ? buffer.toString() : { base64: buffer.toString("base64") };
}

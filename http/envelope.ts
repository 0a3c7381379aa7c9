/**
 * REST Proxy's envelope, `{"records":[{"key","value","partition","timestamp","headers"}]}`, as records.
 *
 * @module
 */
import type { ProducerRecord } from "../kafka/record.ts";
import { ErrorCode, HttpError } from "./errors.ts";
import { compactJson, JsonScanner, Token } from "./json_scanner.ts";
import type { Format, SchemaFormat } from "./media_types.ts";

/** What may stand beside `records`. Only formats that we have no registry for use these. */
const SCHEMA_FIELDS = new Set(["key_schema", "key_schema_id", "value_schema", "value_schema_id"]);
const TEXT_LIMIT = 60;
const VALUE = new TextEncoder().encode("value");
const RECORDS = new TextEncoder().encode("records");

/**
 * The records of an envelope.
 *
 * @throws {HttpError} 400 when it is not JSON or not of the shape of an envelope, 422 when a field is not as expected
 */
export function parseEnvelope(body: Uint8Array, format: Format): ProducerRecord[] {
  const parser = PARSERS[format] ??= new EnvelopeParser(format);
  return checkingSyntax(body, () => parser.envelope(body));
}

/** Parsing ends before anything else begins, so that one parser for each format will do. */
const PARSERS: Partial<Record<Format, EnvelopeParser>> = {};

/** Reads records that stand by themselves, one after another, as in a stream. */
export class RecordParser {
  readonly #parser: EnvelopeParser;

  constructor(format: Format) {
    this.#parser = new EnvelopeParser(format);
  }

  /** @param line Must be valid UTF-8. @throws {HttpError} as {@linkcode parseEnvelope} */
  parse(line: Uint8Array): ProducerRecord {
    return checkingSyntax(line, () => this.#parser.single(line), "line");
  }
}

/** The answer to formats that need a schema registry: we have none, but first things first, as REST Proxy does. */
export function refuseSchema(body: Uint8Array, format: SchemaFormat): never {
  const records = parseEnvelope(body, "json");
  const fields = JSON.parse(new TextDecoder().decode(body));
  for (const [part, code] of [["key", ErrorCode.noKeySchema], ["value", ErrorCode.noValueSchema]] as const) {
    const used = records.some((record) => record[part] !== null && record[part] !== undefined);
    const schema = fields[`${part}_schema`] ?? fields[`${part}_schema_id`];
    if (!used || (schema !== undefined && schema !== null)) continue;
    throw new HttpError(422, `The body has no ${part} schema; expected ${part}_schema or ${part}_schema_id`, { code });
  }
  throw new HttpError(
    422,
    `Records in ${format} need a schema registry and there is no schema registry configured here`,
  );
}

/** A field that is wrong in what is not JSON at all would be the smaller part of the truth. */
function checkingSyntax<T>(body: Uint8Array, parse: () => T, what = "body"): T {
  try {
    try {
      return parse();
    } catch (error) {
      if (error instanceof HttpError) new JsonScanner(body).whole();
      throw error;
    }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new HttpError(400, `The ${what} is ${cause.message}`, { cause });
  }
}

class EnvelopeParser {
  readonly #scanner: JsonScanner;
  readonly #format: Format;
  #records?: ProducerRecord[];
  #seen = 0;
  // The record at hand.
  #key: ProducerRecord["key"];
  #value: ProducerRecord["value"] | undefined;
  #partition?: number;
  #timestamp?: number;
  #headers?: ProducerRecord["headers"];

  constructor(format: Format) {
    this.#scanner = new JsonScanner(new Uint8Array());
    this.#format = format;
  }

  envelope(body: Uint8Array): ProducerRecord[] {
    const scanner = this.#scanner;
    this.#records = undefined;
    scanner.reset(body);
    if (scanner.peek() !== Token.openObject) this.#wrong(400, "The body", 'an object, {"records":[...]}');
    const seen: string[] = [];
    scanner.children(Token.openObject, () => {
      const name = scanner.takeName(RECORDS) ? "records" : scanner.memberName();
      if (seen.includes(name)) throw new HttpError(422, `The body has ${quote(name)} twice; expected it once`);
      seen.push(name);
      if (name === "records") this.#recordArray();
      else if (SCHEMA_FIELDS.has(name)) scanner.skipValue();
      else throw new HttpError(422, `The body has an unknown field ${quote(name)}; expected "records"`);
    });
    scanner.end();
    const records = this.#records as ProducerRecord[] | undefined;
    if (!records) throw new HttpError(422, 'The body has no "records"; expected {"records":[...]}');
    if (records.length === 0) throw new HttpError(422, "records is empty; expected at least one record");
    this.#records = undefined; // nothing of it is kept
    return records;
  }

  single(line: Uint8Array): ProducerRecord {
    this.#records = undefined;
    this.#scanner.reset(line);
    const record = this.#record();
    this.#scanner.end();
    return record;
  }

  #recordArray(): void {
    this.#records = [];
    if (this.#scanner.peek() !== Token.openArray) this.#wrong(400, "records", "an array");
    this.#scanner.children(Token.openArray, this.#element);
  }

  readonly #element = () => void this.#records!.push(this.#record());

  #record(): ProducerRecord {
    const scanner = this.#scanner;
    if (scanner.peek() !== Token.openObject) this.#wrong(400, this.#where(), 'an object, {"value":...}');
    this.#seen = 0;
    this.#key =
      this.#value =
      this.#partition =
      this.#timestamp =
      this.#headers =
        undefined;
    scanner.children(Token.openObject, this.#member);
    if (this.#key === undefined && this.#value === undefined) {
      throw new HttpError(422, `${this.#where()} has neither key nor value; expected a value, null for a tombstone`);
    }
    return {
      key: this.#key,
      value: this.#value ?? null,
      headers: this.#headers,
      timestamp: this.#timestamp,
      partition: this.#partition,
    };
  }

  readonly #member = () => {
    // Nearly all members are values.
    const name = this.#scanner.takeName(VALUE) ? "value" : this.#scanner.memberName();
    switch (name) {
      case "value":
        this.#once(1, name);
        return void (this.#value = this.#data(name));
      case "key":
        this.#once(2, name);
        return void (this.#key = this.#data(name));
      case "partition":
        this.#once(4, name);
        return void (this.#partition = this.#integer(name, "a whole number"));
      case "timestamp":
        this.#once(8, name);
        this.#timestamp = this.#integer(name, "whole milliseconds since 1970");
        if (this.#timestamp !== undefined && this.#timestamp < 0) {
          throw new HttpError(422, `${this.#where(name)} is ${this.#timestamp}; expected milliseconds since 1970`);
        }
        return;
      case "headers":
        this.#once(16, name);
        return this.#headerArray();
    }
    const expected = '"key", "value", "partition", "timestamp" and "headers"';
    throw new HttpError(422, `${this.#where()} has an unknown field ${quote(name)}; expected ${expected}`);
  };

  /** `JSON.parse` would let the last one win; nobody who sends two means that. */
  #once(field: number, name: string): void {
    if (this.#seen & field) throw new HttpError(422, `${this.#where()} has ${quote(name)} twice; expected it once`);
    this.#seen |= field;
  }

  #data(name: string): string | Uint8Array | null {
    const scanner = this.#scanner;
    const { bytes } = scanner;
    const kind = scanner.peek();
    const start = scanner.position;
    scanner.loose = false;
    if (this.#format === "json") {
      scanner.skipValue();
      if (kind === Token.n) return null;
      const json = bytes.subarray(start, scanner.position);
      return scanner.loose ? compactJson(json) : json;
    }
    if (kind === Token.n) return this.#null() ?? null;
    const where = this.#where(name);
    if (kind !== Token.quote) {
      this.#wrong(422, where, this.#format === "binary" ? "base64, or null" : "a string, or null");
    }
    if (this.#format === "binary") return this.#base64(scanner.string(), where);
    if (!scanner.skipString()) return bytes.subarray(start + 1, scanner.position - 1);
    const text: string = JSON.parse(scanner.text(start));
    if (text.isWellFormed()) return text;
    throw new HttpError(422, `${where} has half a surrogate pair; expected Unicode`);
  }

  #headerArray(): void {
    if (this.#null() === null) return;
    const headers: [string, Uint8Array | null][] = [];
    const at = () => this.#where(`headers[${headers.length}]`);
    if (this.#scanner.peek() !== Token.openArray) this.#wrong(422, this.#where("headers"), "an array");
    this.#scanner.children(Token.openArray, () => {
      let key: string | null | undefined;
      let value: Uint8Array | null | undefined;
      if (this.#scanner.peek() !== Token.openObject) this.#wrong(422, at(), '{"key":...,"value":...}');
      this.#scanner.children(Token.openObject, () => {
        const name = this.#scanner.memberName();
        if (name === "key" && key === undefined) key = this.#text(`${at()}.key`, "a string");
        else if (name === "value" && value === undefined) {
          const text = this.#text(`${at()}.value`, "base64, or null");
          value = text === null ? null : this.#base64(text, `${at()}.value`);
        } else throw new HttpError(422, `${at()} has a field ${quote(name)} too many; expected "key" and "value"`);
      });
      if (typeof key !== "string" || !key.isWellFormed() || value === undefined) {
        throw new HttpError(422, `${at()} is not complete; expected a string "key", and a "value" in base64 or null`);
      }
      headers.push([key, value]);
    });
    this.#headers = headers;
  }

  #integer(name: string, expected: string): number | undefined {
    if (this.#null() === null) return undefined;
    const code = this.#scanner.peek();
    if (code !== Token.minus && !(code >= Token.zero && code <= Token.nine)) {
      this.#wrong(422, this.#where(name), expected);
    }
    const start = this.#scanner.position;
    this.#scanner.skipValue();
    const raw = this.#scanner.text(start);
    if (Number.isSafeInteger(Number(raw))) return Number(raw);
    throw new HttpError(422, `${this.#where(name)} is ${shorten(raw)}; expected ${expected}`);
  }

  #text(where: string, expected: string): string | null {
    if (this.#null() === null) return null;
    if (this.#scanner.peek() !== Token.quote) this.#wrong(422, where, expected);
    return this.#scanner.string();
  }

  #base64(text: string, where: string): Uint8Array {
    try {
      return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    } catch (cause) {
      throw new HttpError(400, `${where} is ${quote(shorten(text))}; expected base64 with its padding`, { cause });
    }
  }

  /** Takes a null if it comes next. */
  #null(): null | undefined {
    if (this.#scanner.peek() !== Token.n) return undefined;
    this.#scanner.skipValue();
    return null;
  }

  #where(field?: string): string {
    if (!this.#records) return field ?? "The record";
    const record = `records[${this.#records.length}]`;
    return field === undefined ? record : `${record}.${field}`;
  }

  #wrong(status: number, where: string, expected: string): never {
    const start = this.#scanner.position;
    this.#scanner.skipValue();
    const found = shorten(this.#scanner.text(start));
    throw new HttpError(status, `${where} is ${found}; expected ${expected}`);
  }
}

function shorten(text: string): string {
  return text.length <= TEXT_LIMIT ? text : text.slice(0, TEXT_LIMIT) + "...";
}

function quote(text: string): string {
  return JSON.stringify(shorten(text));
}

/**
 * A server of a lab's own: `server.ts` on a free port, with a token that nobody else has.
 *
 * @module
 */
import { HttpError } from "../../http/errors.ts";
import type { Child } from "../children.ts";

/** What became of records that were sent. */
export interface Answer {
  status: number;
  /** Of each record, where it was written. */
  offsets: { partition: number; offset: number }[];
  /** What the server said where it did not write them. */
  message: string | undefined;
}

/** A record to send. */
export interface LabRecord {
  key?: string;
  value: string;
}

/** A server process. */
export class LabServer {
  readonly process: Child;
  /** What it wrote on its terminal, the last lines. */
  readonly lines: string[];
  readonly #url: string;
  readonly #token: string;

  private constructor(process: Child, { lines, url, token }: { lines: string[]; url: string; token: string }) {
    this.process = process;
    this.lines = lines;
    this.#url = url;
    this.#token = token;
  }

  /** Starts one and waits until it is ready. @throws {Error} with its last lines when it ends instead */
  static async start(spawn: (token: string, onLine: (line: string) => void) => Child): Promise<LabServer> {
    const token = crypto.randomUUID();
    const lines: string[] = [];
    const process = spawn(token, (line) => {
      lines.push(line);
      if (lines.length > 20) lines.shift();
    });
    const ready = Promise.all([process.says(/listening on http/), process.says(/ server: ready/)]);
    const found = await Promise.race([ready, process.ended.then(() => undefined)]);
    if (!found) throw new Error(`the lab's server ended:\n${process.tail.join("\n")}`);
    const url = /http:\/\/[\w.:]+/.exec(found[0])![0];
    return new LabServer(process, { lines, url, token });
  }

  /** Sends records in one request. @throws {TypeError} when the server does not answer */
  async send(topic: string, records: readonly LabRecord[], signal?: AbortSignal): Promise<Answer> {
    const response = await fetch(`${this.#url}/topics/${topic}`, {
      method: "POST",
      headers: { "content-type": "application/vnd.kafka.text.v2+json", authorization: `Bearer ${this.#token}` },
      body: JSON.stringify({ records }),
      signal,
    });
    const { offsets = [], message } = await response.json();
    return { status: response.status, offsets, message };
  }

  /** Writes values without keys. @throws {HttpError} with what the server said when it did not */
  async write(topic: string, values: readonly string[]): Promise<void> {
    const { message } = await this.send(topic, values.map((value) => ({ value })));
    if (message) throw new HttpError(502, message);
  }

  /** Bytes in the buffer of its producer. */
  async bufferBytes(): Promise<number> {
    const response = await fetch(`${this.#url}/metrics`, { headers: { authorization: `Bearer ${this.#token}` } });
    return Number(/^kafka_deno_producer_buffer_bytes (\d+)/m.exec(await response.text())?.[1] ?? 0);
  }
}

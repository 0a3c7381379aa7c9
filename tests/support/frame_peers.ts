/**
 * Peers for testing the fault proxy without Kafka: a server that answers
 * frames, and a client that tells a reset from an orderly end.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  frameOf,
  FrameSplitter,
  int16,
  int32,
  parseRequest,
  type Request,
  responseFrame,
  string,
} from "./kafka_frames.ts";

/** A server in Kafka's place. */
export interface FakeBroker extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** What came in, whole requests, of all connections. */
  readonly requests: Request[];
  /** How each connection ended, in that order, and its unfinished bytes. */
  readonly ends: { how: "fin" | "rst"; rest: Buffer }[];
}

/** Starts one that answers what `answer` returns; `echo <id>` by default. */
export function startFakeBroker(
  answer: (request: Request) => Uint8Array | Promise<Uint8Array> = ({ correlationId }) =>
    Buffer.from(`echo ${correlationId}`),
): FakeBroker {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr;
  const requests: Request[] = [];
  const ends: FakeBroker["ends"] = [];
  const open = new Set<Deno.TcpConn>();
  const serve = async (conn: Deno.TcpConn) => {
    open.add(conn);
    const splitter = new FrameSplitter();
    const how = await readAll(conn, async (chunk) => {
      for (const frame of splitter.push(chunk)) {
        const request = parseRequest(frame);
        requests.push(request);
        if (!request.answered) continue;
        await writeAll(conn, responseFrame(request, await answer(request)));
      }
    });
    ends.push({ how, rest: splitter.rest() });
    if (open.delete(conn)) conn.close();
  };
  const served: Promise<void>[] = [];
  const accepting = (async () => {
    for (;;) {
      try {
        served.push(serve(await listener.accept()));
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return; // disposed
        // Else it was reset before it was accepted: it never was.
      }
    }
  })();
  return {
    hostname,
    port,
    requests,
    ends,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of open) conn.close();
      open.clear();
      await Promise.all(served);
    },
  };
}

/** Reads to the end; a failed answer ends it like a reset. */
async function readAll(
  conn: Deno.TcpConn,
  onChunk: (chunk: Buffer) => Promise<void>,
): Promise<"fin" | "rst"> {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) return "fin";
      await onChunk(Buffer.from(buffer.slice(0, count)));
    }
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return "rst";
    if (error instanceof Deno.errors.BrokenPipe) return "rst";
    if (error instanceof Deno.errors.BadResource) return "rst"; // disposed
    if (error instanceof Deno.errors.Interrupted) return "rst"; // disposed
    throw error;
  }
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}

/** A request of any type; its client id is `test`. */
export function requestFrame(
  { key = 3, version = 6, id, body = Buffer.alloc(0) }: {
    key?: number;
    version?: number;
    id: number;
    body?: Uint8Array;
  },
): Buffer {
  return frameOf(int16(key), int16(version), int32(id), string("test"), body);
}

/** A client that reads what comes in as it comes in. */
export class FakeClient implements AsyncDisposable {
  /** How the connection ended, if it has. */
  ended?: "fin" | "rst";
  /** The whole responses. */
  readonly frames: Buffer[] = [];
  #conn: Deno.TcpConn;
  #closed = false;
  #splitter = new FrameSplitter();
  #reading: Promise<void>;

  static async connect(port: number): Promise<FakeClient> {
    return new FakeClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    this.ended = await readAll(this.#conn, (chunk) => {
      this.frames.push(...this.#splitter.push(chunk));
      return Promise.resolve();
    });
  }

  /** The unfinished bytes behind the last whole response. */
  get rest(): Buffer {
    return this.#splitter.rest();
  }

  /** The bodies of the responses so far, as text. */
  get answers(): string[] {
    return this.frames.map((frame) => frame.toString("utf8", 8));
  }

  async send(frame: Uint8Array): Promise<void> {
    await writeAll(this.#conn, frame);
  }

  /** Sends a request and does not wait for its answer. */
  async ask(id: number): Promise<void> {
    await this.send(requestFrame({ id }));
  }

  close(): void {
    if (!this.#closed) this.#conn.close();
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#reading;
  }
}

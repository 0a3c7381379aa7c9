/**
 * Asks whether a Kafka answers at an address, in Kafka's own protocol and without a client library: three requests in
 * old versions that brokers up to 4.x still take (KIP-896 names the oldest).
 *
 * @module
 */

/** What is found at an address. */
export type Finding =
  /** A Kafka that can create topics; `brokers` are the addresses it tells clients to use. */
  | { kind: "kafka"; brokers: readonly string[] }
  /** A Kafka that cannot create topics (yet): no controller, or too few brokers. */
  | { kind: "not ready"; reason: string }
  /** Something listens, and it does not speak Kafka's protocol, at least not without TLS. */
  | { kind: "other"; reason: string }
  /** Nothing can be reached. */
  | { kind: "nothing"; reason: string };

/** Settings of {@linkcode probeKafka}. */
export interface ProbeOptions {
  /** How many brokers must be there; 1 by default. */
  brokers?: number;
  /** For all of it, in milliseconds; 3000 by default. */
  timeout?: number;
  signal?: AbortSignal;
}

// https://kafka.apache.org/protocol#protocol_api_keys
const METADATA = 3;
const API_VERSIONS = 18;
const CREATE_TOPICS = 19;
/** Longer than any answer to these requests; another protocol's first bytes, read as a length, are far beyond. */
const LONGEST_ANSWER = 1 << 20;

/**
 * Asks the broker at `address` (`host:port`) who it is, who is in its cluster, and whether a topic could be created
 * there. The last is only validated, nothing is written; it needs a controller, to which brokers pass it on.
 *
 * @throws the signal's reason when it aborts
 */
export async function probeKafka(address: string, options: ProbeOptions = {}): Promise<Finding> {
  const { brokers = 1, timeout = 3000, signal } = options;
  signal?.throwIfAborted();
  const at = address.lastIndexOf(":");
  const hostname = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const late = AbortSignal.timeout(timeout);
  const ends = AbortSignal.any(signal ? [late, signal] : [late]);
  let isKafka = false;
  let socket: Deno.TcpConn | undefined;
  const close = () => {
    try {
      socket?.close();
    } catch {
      // The signal has closed it already.
    }
  };
  try {
    socket = await Deno.connect({ hostname, port: Number(address.slice(at + 1)), signal: ends });
    ends.addEventListener("abort", close);
    const connection = new Connection(socket);
    await connection.request(API_VERSIONS, 0, new Body());
    isKafka = true;
    const members = readMetadata(await connection.request(METADATA, 1, new Body().int32(0)));
    if (members.length < brokers) {
      return { kind: "not ready", reason: `${members.length} of ${brokers} brokers are there` };
    }
    const refusal = await tryCreate(connection, { brokers, timeout });
    return refusal ? { kind: "not ready", reason: refusal } : { kind: "kafka", brokers: members };
  } catch (error) {
    signal?.throwIfAborted();
    const reason = late.aborted ? `no answer within ${timeout} ms` : (error as Error).message;
    if (isKafka) {
      return { kind: "not ready", reason: late.aborted ? `no controller answers within ${timeout} ms` : reason };
    }
    return { kind: socket ? "other" : "nothing", reason };
  } finally {
    ends.removeEventListener("abort", close);
    close();
  }
}

/** Metadata v1: brokers, controller, topics. */
function readMetadata(answer: Answer): string[] {
  return Array.from({ length: answer.int32() }, () => {
    answer.int32(); // node id
    const host = answer.string();
    const port = answer.int32();
    answer.string(); // rack
    return `${host}:${port}`;
  });
}

/** Why no topic with as many replicas as there should be brokers can be created; undefined if one can. */
async function tryCreate(connection: Connection, { brokers, timeout }: Required<Omit<ProbeOptions, "signal">>) {
  const body = new Body().int32(1).string("kafka-deno-probe").int32(1).int16(brokers).int32(0).int32(0);
  const answer = await connection.request(CREATE_TOPICS, 2, body.int32(timeout).int8(1));
  answer.int32(); // throttle time
  answer.int32(); // one topic
  answer.string();
  const code = answer.int16();
  const message = answer.string();
  // All others (36 exists, 29 not authorized, 44 against a policy, 41 ask the controller) are a controller's word, too.
  const notYet = new Map([
    [7, "no controller answers"],
    [8, "the broker is not available"],
    [15, "the coordinator is not available"],
    [38, `fewer than ${brokers} brokers are there`],
  ]);
  return code === -1 ? message ?? "unknown server error" : notYet.get(code);
}

/** One request after another: 4 bytes of length, a header (v1), the body. */
class Connection {
  #socket: Deno.TcpConn;
  #requests = 0;

  constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  async request(key: number, version: number, body: Body): Promise<Answer> {
    const id = ++this.#requests;
    const header = new Body().int16(key).int16(version).int32(id).string("kafka-deno-probe");
    const length = new Body().int32(header.bytes.length + body.bytes.length);
    await this.#write(Uint8Array.from([...length.bytes, ...header.bytes, ...body.bytes]));
    const size = new Answer(await this.#read(4)).int32();
    if (size < 4 || size > LONGEST_ANSWER) throw new Error("the answer is not in Kafka's protocol");
    const answer = new Answer(await this.#read(size));
    const answered = answer.int32();
    if (answered !== id) throw new Error(`the answer is to request ${answered}; expected ${id}`);
    return answer;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#socket.write(bytes.subarray(sent));
  }

  async #read(size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    for (let got = 0; got < size;) {
      const count = await this.#socket.read(bytes.subarray(got));
      if (count === null) throw new Error("it closed the connection");
      got += count;
    }
    return bytes;
  }
}

/** Writes the primitive types of https://kafka.apache.org/protocol#protocol_types, big-endian. */
class Body {
  readonly bytes: number[] = [];

  int8(value: number): this {
    this.bytes.push(value & 0xff);
    return this;
  }
  int16(value: number): this {
    return this.int8(value >> 8).int8(value);
  }
  int32(value: number): this {
    return this.int16(value >> 16).int16(value);
  }
  string(value: string): this {
    const bytes = new TextEncoder().encode(value);
    this.int16(bytes.length).bytes.push(...bytes);
    return this;
  }
}

/** Reads the same types; reading past the end throws a RangeError. */
class Answer {
  #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer);
  }

  int16(): number {
    return this.#view.getInt16((this.#at += 2) - 2);
  }
  int32(): number {
    return this.#view.getInt32((this.#at += 4) - 4);
  }
  string(): string | undefined {
    const length = this.int16();
    if (length < 0) return undefined;
    const bytes = new Uint8Array(this.#view.buffer, this.#at, length);
    this.#at += length;
    return new TextDecoder().decode(bytes);
  }
}

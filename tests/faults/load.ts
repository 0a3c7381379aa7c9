/**
 * The load: clients that write over HTTP and write down what they were told. A process of its own, so that nothing the
 * harness does can hold it up. Commands come on its standard input: `flood MS`; its end is the end.
 *
 *   deno run load.ts SETTINGS.json
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Random, seededRandom } from "../support/wait.ts";
import { HttpClient, NotSentError } from "./http_client.ts";
import { Journal, type Send, type TopicUse, valueOf } from "./history.ts";

/** What the load is told. */
export interface LoadSettings {
  port: number;
  seed: number;
  topics: TopicUse[];
  /** Appended to. */
  file: string;
  clients: number;
  /** Between an answer and the next request, in ms, on average. */
  pauseMs: number;
  /** After which a client gives up on an answer. */
  patienceMs: number;
}

const KEYS = 12;
const FLOOD = { clients: 12, records: 60, pad: 900 };

interface Sender {
  client: HttpClient;
  random: Random;
}

interface Entry {
  value: string;
  key?: string | null;
}

type Offset = { partition: number; offset: number; error_code: number | null };

/** One way to use a topic. */
interface Shape {
  records: number;
  pad: number;
}

class Load {
  readonly #settings: LoadSettings;
  readonly #journal: Journal<Send>;
  #requests = 0;
  #ids = 0;
  #lastTime = 0;
  #floodUntil = 0;
  #ending = false;

  constructor(settings: LoadSettings) {
    this.#settings = settings;
    this.#journal = new Journal(settings.file);
  }

  async run(): Promise<void> {
    const { clients } = this.#settings;
    const normal = Array.from({ length: clients }, (_, i) => this.#client(i));
    const flooding = Array.from({ length: FLOOD.clients }, (_, i) => this.#flooder(50 + i));
    await this.#listen();
    this.#ending = true;
    await Promise.all([...normal, ...flooding]);
  }

  async #listen(): Promise<void> {
    let rest = "";
    for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line.startsWith("flood ")) this.#floodUntil = Date.now() + Number(line.slice(6));
      }
    }
  }

  #sender(seed: number): Sender {
    return { client: new HttpClient(this.#settings.port), random: seededRandom(this.#settings.seed * 100 + seed) };
  }

  async #client(seed: number): Promise<void> {
    const sender = this.#sender(seed);
    const { random } = sender;
    while (!this.#ending) {
      const records = random.next() < 0.6 ? 1 : random.integer(2, 12);
      const failed = await this.#request(sender, {
        records,
        pad: random.next() < 0.03 ? 5_000 : random.integer(5, 60),
      });
      await sleep(failed ? 100 : random.between(0, 2 * this.#settings.pauseMs));
    }
  }

  async #flooder(seed: number): Promise<void> {
    const sender = this.#sender(seed);
    while (!this.#ending) {
      if (Date.now() < this.#floodUntil) await this.#request(sender, FLOOD);
      await sleep(50);
    }
  }

  /** @returns whether it was of no use */
  async #request({ client, random }: Sender, { records, pad }: Shape): Promise<boolean> {
    const use = random.next() < 0.65 ? "keyed" : random.next() < 0.85 ? "growing" : "doomed";
    const { name: topic } = this.#settings.topics.find(({ kind }) => kind === use)!;
    // Single partitions of the growing topic, too: those that are there from the beginning.
    const only = use === "growing" && random.next() < 0.3 ? random.integer(0, 2) : undefined;
    const sends = Array.from({ length: records }, () => ({
      id: `${this.#ids++}`,
      pad,
      topic,
      key: use === "keyed" ? `key-${random.integer(1, KEYS)}` : null,
    }));
    const number = this.#requests++;
    const start = this.#now();
    const path = `/topics/${topic}` + (only === undefined ? "" : `/partitions/${only}`);
    const told = await this.#post(client, path, sends.map((send) => ({ key: send.key, value: valueOf(send) })));
    const end = this.#now();
    this.#journal.add(...sends.map((send, i) => ({
      ...send,
      request: number,
      start,
      end,
      ...verdict(told, i),
      status: told.status,
      failure: told.failure,
    })));
    return told.status !== 200;
  }

  async #post(client: HttpClient, path: string, records: Entry[]): Promise<Told> {
    const timeoutMs = this.#settings.patienceMs;
    const type = "application/vnd.kafka.text.v2+json";
    try {
      const { status, text } = await client.post(path, { type, body: JSON.stringify({ records }), timeoutMs });
      const body = JSON.parse(text);
      return {
        status,
        offsets: body.offsets,
        failure: status === 200 ? undefined : String(body.message).slice(0, 200),
      };
    } catch (error) {
      return { status: 0, notSent: error instanceof NotSentError, failure: String(error).slice(0, 200) };
    }
  }

  /** The clock in ms, but later than ever before: what comes first must be seen to come first. */
  #now(): number {
    return this.#lastTime = Math.max(Date.now(), this.#lastTime + 0.001);
  }
}

interface Told {
  status: number;
  notSent?: boolean;
  offsets?: Offset[];
  failure?: string;
}

/** What the contract says that a response means for a record. Anything else means: unknown. */
function verdict({ status, offsets, notSent }: Told, index: number): Pick<Send, "outcome" | "partition" | "offset"> {
  if (status === 200) {
    const { partition, offset, error_code } = offsets![index];
    if (error_code === null) return { outcome: "ok", partition, offset };
    return { outcome: error_code === 50004 ? "unknown" : "refused" };
  }
  const refused = status === 503 || (status >= 400 && status < 500) || notSent;
  return { outcome: refused ? "refused" : "unknown" };
}

if (import.meta.main) await new Load(JSON.parse(Deno.readTextFileSync(Deno.args[0]))).run();

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
import { type Piece, postStream } from "./stream_client.ts";
import { type Entry, fateInStream, fateOf, type Told } from "./told.ts";

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
      const failed = await this.#anyRequest(sender);
      await sleep(failed ? 100 : random.between(0, 2 * this.#settings.pauseMs));
    }
  }

  /** @returns whether it was of no use */
  async #anyRequest(sender: Sender): Promise<boolean> {
    const { random } = sender;
    const way = random.next();
    if (way < 0.1) return await this.#names(sender);
    const records = random.next() < 0.6 ? 1 : random.integer(2, 12);
    const pad = random.next() < 0.03 ? 5_000 : random.integer(5, 60);
    if (way < 0.2) return await this.#stream(sender, { records: records * 3, pad });
    return await this.#request(sender, { records, pad });
  }

  async #flooder(seed: number): Promise<void> {
    const sender = this.#sender(seed);
    while (!this.#ending) {
      if (Date.now() < this.#floodUntil) await this.#request(sender, FLOOD);
      await sleep(50);
    }
  }

  /** Records in one body, and one answer. */
  async #request({ client, random }: Sender, shape: Shape): Promise<boolean> {
    const { sends, path } = this.#draw(random, shape);
    const body = JSON.stringify({ records: sends.map((send) => ({ key: send.key, value: valueOf(send) })) });
    const request = this.#requests++;
    const start = this.#now();
    const told = await this.#post(client, path, { type: "application/vnd.kafka.text.v2+json", body });
    const end = this.#now();
    const { status, failure } = told;
    this.#journal.add(
      ...sends.map((send, i) => ({ ...send, request, start, end, ...fateOf(told, i), status, failure })),
    );
    return status !== 200;
  }

  /** Names that the server makes up. */
  async #names({ client, random }: Sender): Promise<boolean> {
    const count = random.next() < 0.5 ? 0 : random.integer(1, 20);
    const request = this.#requests++;
    const start = this.#now();
    const told = await this.#post(client, count === 0 ? "/names" : `/names?count=${count}`, { type: "", body: "" });
    const end = this.#now();
    const { status, failure } = told;
    const topic = this.#topic("names");
    const name = (i: number) => told.entries?.[i].value;
    this.#journal.add(...Array.from({ length: Math.max(count, 1) }, (_, i) => {
      const send = { id: `${this.#ids++}`, name: name(i), pad: 0, topic, key: null, request };
      return { ...send, start, end, ...fateOf(told, i), status, failure };
    }));
    return status !== 200;
  }

  /** Records one after the other, in one request, whose answers may come while others are still being sent. */
  async #stream({ random }: Sender, shape: Shape): Promise<boolean> {
    const { sends, path } = this.#draw(random, shape);
    const pieces: Piece[] = [];
    for (let at = 0; at < sends.length;) {
      const some = sends.slice(at, at += random.integer(1, sends.length));
      const lines = some.map((send) => JSON.stringify({ key: send.key, value: valueOf(send) }));
      pieces.push({ lines, pauseMs: random.pick([0, 20, 100, 400]) });
    }
    const { port, patienceMs } = this.#settings;
    const request = this.#requests++;
    const asked = this.#now();
    const now = () => this.#now();
    const options = { timeoutMs: patienceMs, now };
    const told = await postStream({ port, path: `${path}?format=text`, pieces }, options).catch((error) => {
      if (!(error instanceof NotSentError)) throw error;
    });
    const end = this.#now();
    this.#journal.add(...sends.flatMap((send, i): Send[] => {
      if (!told) return [{ ...send, request, start: asked, end, outcome: "refused", status: 0, failure: "not sent" }];
      const start = told.written[i];
      if (start === undefined) return []; // it was never sent
      const fate = fateInStream(told, i);
      const since = Math.max(start, Math.min(told.uploadedAt, fate.at ?? end));
      const { at: _, ...rest } = fate;
      return [{ ...send, request, start, since, end: fate.at ?? end, ...rest }];
    }));
    return told?.status !== 200;
  }

  /** What to send, and where. */
  #draw(random: Random, { records, pad }: Shape) {
    const use = random.next() < 0.65 ? "keyed" : random.next() < 0.85 ? "growing" : "doomed";
    const topic = this.#topic(use);
    // Single partitions of the growing topic, too: those that are there from the beginning.
    const only = use === "growing" && random.next() < 0.3 ? random.integer(0, 2) : undefined;
    const sends = Array.from({ length: records }, () => ({
      id: `${this.#ids++}`,
      pad,
      topic,
      key: use === "keyed" ? `key-${random.integer(1, KEYS)}` : null,
    }));
    return { sends, path: `/topics/${topic}` + (only === undefined ? "" : `/partitions/${only}`) };
  }

  #topic(wanted: TopicUse["kind"]): string {
    return this.#settings.topics.find(({ kind }) => kind === wanted)!.name;
  }

  async #post(client: HttpClient, path: string, content: { type: string; body: string }): Promise<Told> {
    try {
      const { status, text } = await client.post(path, { ...content, timeoutMs: this.#settings.patienceMs });
      const body = JSON.parse(text);
      if (status !== 200) return { status, failure: String(body.message).slice(0, 200) };
      return { status, entries: (body.offsets ?? body.records ?? [body]) as Entry[] };
    } catch (error) {
      return { status: 0, notSent: error instanceof NotSentError, failure: String(error).slice(0, 200) };
    }
  }

  /** The clock in ms, but later than ever before: what comes first must be seen to come first. */
  #now(): number {
    return this.#lastTime = Math.max(Date.now(), this.#lastTime + 0.001);
  }
}

if (import.meta.main) await new Load(JSON.parse(Deno.readTextFileSync(Deno.args[0]))).run();

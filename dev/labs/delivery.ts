/**
 * What does "delivered" mean? A consumer that is killed in mid-batch, a record that cannot be handled, an answer that
 * is lost on the network.
 *
 * @module
 */
import { HttpError } from "../../http/errors.ts";
import { viewGroups } from "../../kafka/groups.ts";
import type { Child } from "../children.ts";
import type { Lab } from "./lab.ts";
import { LossyProxy } from "./lossy_proxy.ts";
import { watch } from "./watch.ts";
import { HANDLER, type Place, toldIn, Workshop } from "./workshop.ts";

const ORDERS = Array.from({ length: 8 }, (_, i) => `order ${i + 1}`);
/** How long the handler takes for each, in ms. */
const ORDER_MS = 1_000;
/** How long the group waits for a member that was killed, in ms: Kafka allows no less. */
const SESSION_MS = 6_000;
const ATTEMPTS = 3;
const SHOWN = 30;

/** What one try with a lossy network has shown. */
interface LostAnswer {
  idempotence: boolean;
  /** What the producer said, and what is in the topic. */
  reports: string[];
  records: { offset: number; value: string | null }[];
}

/** Begins the lab: a topic with one partition, one consumer with a slow handler. */
export async function beginDeliveryLab(place: Place): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(new Workshop(place, "delivery"));
  const proxy = stack.use(new LossyProxy());
  await shop.makeTopic(1);
  const consumer = new OrderConsumer(shop);
  const facts = Object.assign(consumer.facts, {
    topic: shop.topic,
    committed: null as number | null,
    end: null as number | null,
    /** What `dlt` said. */
    sentBack: [] as string[],
    lostAnswers: [] as LostAnswer[],
    sessionSeconds: SESSION_MS / 1_000,
    attempts: ATTEMPTS,
  });
  const [server] = await Promise.all([shop.server(), consumer.start()]);
  stack.use(watch(async () => {
    const [{ partitions }] = await viewGroups(shop.client, [shop.topic]);
    const position = partitions.find(({ topic }) => topic === shop.topic);
    facts.committed = position?.committed ?? null;
    facts.end = position?.end ?? null;
  }));
  const owned = stack.move();
  return {
    facts,
    actions: {
      order: () => server.write(shop.topic, ORDERS),
      kill: () => consumer.kill(),
      restart: () => consumer.start(),
      poison: () => server.write(shop.topic, ["poison"]),
      mend: () => consumer.mend(),
      async sendBack() {
        if (facts.deadLetters.length === 0) throw new HttpError(409, "There is no dead letter; expected one");
        facts.sentBack.push(...await sendBack(shop, consumer.letters));
      },
      async loseAnswer(input) {
        if (!shop.isPlain) throw new HttpError(409, "This Kafka wants TLS or SASL; expected one that a proxy can read");
        facts.lostAnswers.push(await loseAnswer(shop, { proxy, idempotence: input.idempotence !== false }));
      },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A record, how often the handler was done with it, and how often it failed. */
interface Handled {
  offset: number;
  value: string;
  handled: number;
  failed: number;
}

/** The consumer, and what it did with each record. */
class OrderConsumer {
  /** The topic of its dead letters. */
  readonly letters: string;
  readonly facts = {
    consumer: "stopped" as "stopped" | "joining" | "runs" | "killed",
    mended: false,
    records: [] as Handled[],
    /** Where the dead letters are. */
    deadLetters: [] as string[],
  };
  readonly #shop: Workshop;
  #process: Child | undefined;

  constructor(shop: Workshop) {
    this.#shop = shop;
    this.letters = `${shop.topic}.dlt`;
    shop.ownTopic(this.letters);
  }

  /** Starts it, and waits until the group has let it in. */
  async start(): Promise<void> {
    const { facts } = this;
    if (facts.consumer === "runs") throw new HttpError(409, "The consumer runs; expected it to be stopped");
    facts.consumer = "joining";
    this.#process = this.#shop.consume("lab-consumer", {
      flags: ["--handler", HANDLER, "--max-attempts", `${ATTEMPTS}`, "--retry-backoff-ms", "300"],
      env: {
        KAFKA_SESSION_TIMEOUT_MS: `${SESSION_MS}`,
        KAFKA_DENO_LAB_MS: `${ORDER_MS}`,
        ...(facts.mended && { KAFKA_DENO_LAB_MENDED: "true" }),
      },
      onLine: (line) => this.#read(line),
    });
    await this.#shop.says(this.#process, / consumer: assigned/);
    facts.consumer = "runs";
  }

  async kill(): Promise<void> {
    this.#process!.signal("SIGKILL");
    await this.#process!.ended;
    this.facts.consumer = "killed";
  }

  /** Gives it a handler that bears poison. */
  async mend(): Promise<void> {
    this.facts.mended = true;
    await this.#process!.stop();
    this.facts.consumer = "stopped";
    await this.start();
  }

  #read(line: string): void {
    const { records, deadLetters } = this.facts;
    const place = / deadLetter=(\S+)/.exec(line)?.[1];
    if (place) deadLetters.push(place);
    const told = toldIn(line);
    if (!told || told.what === "begins") return;
    let record = records.find(({ offset }) => offset === told.offset);
    if (!record) records.push(record = { offset: told.offset, value: told.value, handled: 0, failed: 0 });
    record[told.what === "handled" ? "handled" : "failed"]++;
    records.splice(0, records.length - SHOWN);
  }
}

/** Sends dead letters back. @returns what was said about each */
async function sendBack(shop: Workshop, letters: string): Promise<string[]> {
  const lines: string[] = [];
  const flags = ["--topic", letters, "--group", `${shop.topic}-dlt`];
  await shop.until(shop.start("dlt", { name: "lab-dlt", flags, onLine: (line) => void lines.push(line) }).ended);
  return lines;
}

/** Sends one record; the answer of the broker that has written it is lost. */
async function loseAnswer(
  shop: Workshop,
  { proxy, idempotence }: { proxy: LossyProxy; idempotence: boolean },
): Promise<LostAnswer> {
  const before = (await shop.read(shop.topic)).length;
  const reports: string[] = [];
  proxy.loseNext();
  const producer = shop.start("produce", {
    name: "lab-producer",
    flags: ["--topic", shop.topic, "--names", "1", "--verbose"],
    env: { KAFKA_BROKERS: await proxy.before(shop.brokers[0]), KAFKA_IDEMPOTENCE: `${idempotence}` },
    onLine: (line) => /deliver/.test(line) && void reports.push(line),
  });
  await shop.until(producer.ended);
  const records = (await shop.read(shop.topic)).slice(before).map(({ offset, value }) => ({ offset, value }));
  return { idempotence, reports, records };
}

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

const ORDERS = 8;
/** How long the handler takes for each, in ms. */
const ORDER_MS = 700;
/** How long the group waits for a member that was killed, in ms: Kafka allows no less. */
const SESSION_MS = 6_000;
const ATTEMPTS = 3;
const SHOWN = 30;

/** What became of a record. */
interface Handled {
  offset: number;
  value: string;
  /** How often the handler was done with it, and how often it failed. */
  handled: number;
  failed: number;
}

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
  const letters = `${shop.topic}.dlt`;
  shop.ownTopic(letters);
  const facts = {
    topic: shop.topic,
    consumer: "stopped" as "stopped" | "joining" | "runs" | "killed",
    mended: false,
    committed: null as number | null,
    end: null as number | null,
    records: [] as Handled[],
    /** Where the dead letters are. */
    deadLetters: [] as string[],
    /** What `dlt` said. */
    sentBack: [] as string[],
    lostAnswers: [] as LostAnswer[],
    sessionSeconds: SESSION_MS / 1_000,
    attempts: ATTEMPTS,
  };
  let consumer: Child | undefined;
  const onLine = (line: string) => {
    const place = / deadLetter=(\S+)/.exec(line)?.[1];
    if (place) facts.deadLetters.push(place);
    const told = toldIn(line);
    if (told && told.what !== "begins") {
      const record = entryOf(facts.records, told);
      record[told.what === "handled" ? "handled" : "failed"]++;
    }
  };
  const consume = async () => {
    if (facts.consumer === "runs") throw new HttpError(409, "The consumer runs; expected it to be stopped");
    facts.consumer = "joining";
    consumer = shop.consume("lab-consumer", {
      flags: ["--handler", HANDLER, "--max-attempts", `${ATTEMPTS}`, "--retry-backoff-ms", "300"],
      env: {
        KAFKA_SESSION_TIMEOUT_MS: `${SESSION_MS}`,
        KAFKA_DENO_LAB_MS: `${ORDER_MS}`,
        ...(facts.mended && { KAFKA_DENO_LAB_MENDED: "true" }),
      },
      onLine,
    });
    await shop.says(consumer, / consumer: assigned/);
    facts.consumer = "runs";
  };
  await shop.makeTopic(1);
  const [server] = await Promise.all([shop.server(), consume()]);
  stack.use(watch(async () => {
    const [{ partitions }] = await viewGroups(shop.client, [shop.topic]);
    const position = partitions.find(({ topic }) => topic === shop.topic);
    facts.committed = position?.committed ?? null;
    facts.end = position?.end ?? null;
  }));
  const send = async (values: string[]) => {
    const { message } = await server.send(shop.topic, values.map((value) => ({ value })));
    if (message) throw new HttpError(502, message);
  };
  const owned = stack.move();
  return {
    facts,
    actions: {
      order: () => send(Array.from({ length: ORDERS }, (_, i) => `order ${i + 1}`)),
      async kill() {
        consumer!.signal("SIGKILL");
        await consumer!.ended;
        facts.consumer = "killed";
      },
      restart: consume,
      poison: () => send(["poison"]),
      async mend() {
        facts.mended = true;
        await consumer!.stop();
        facts.consumer = "stopped";
        await consume();
      },
      async sendBack() {
        if (facts.deadLetters.length === 0) throw new HttpError(409, "There is no dead letter; expected one");
        const flags = ["--topic", letters, "--group", `${shop.topic}-dlt`];
        const onLine = (line: string) => void facts.sentBack.push(line);
        await shop.until(shop.start("dlt", { name: "lab-dlt", flags, onLine }).ended);
      },
      async loseAnswer(input) {
        if (!shop.isPlain) throw new HttpError(409, "This Kafka wants TLS or SASL; expected one that a proxy can read");
        const idempotence = input.idempotence !== false;
        const [broker] = shop.brokers;
        const before = (await shop.read(shop.topic)).length;
        const reports: string[] = [];
        proxy.loseNext();
        const producer = shop.start("produce", {
          name: "lab-producer",
          flags: ["--topic", shop.topic, "--names", "1", "--verbose"],
          env: { KAFKA_BROKERS: await proxy.before(broker), KAFKA_IDEMPOTENCE: `${idempotence}` },
          onLine: (line) => void reports.push(line),
        });
        await shop.until(producer.ended);
        const records = (await shop.read(shop.topic)).slice(before).map(({ offset, value }) => ({ offset, value }));
        facts.lostAnswers.push({ idempotence, reports: reports.filter((line) => /deliver/.test(line)), records });
      },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function entryOf(records: Handled[], { offset, value }: { offset: number; value: string }): Handled {
  let record = records.find((record) => record.offset === offset);
  if (!record) records.push(record = { offset, value, handled: 0, failed: 0 });
  records.splice(0, records.length - SHOWN);
  return record;
}

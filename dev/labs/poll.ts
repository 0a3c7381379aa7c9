/**
 * What does poll do? A slow handler shows position, committed offset and high watermark apart; one that takes longer
 * than the session shows what heartbeats are for.
 *
 * @module
 */
import { viewGroups } from "../../kafka/groups.ts";
import type { Lab } from "./lab.ts";
import { watch } from "./watch.ts";
import { HANDLER, type Place, toldIn, Workshop } from "./workshop.ts";

const RECORDS = 10;
/** How long the handler takes for each, in ms. */
const RECORD_MS = 1_000;
/** A member that is silent for so long is out, in ms: Kafka allows no less. */
const SESSION_MS = 6_000;
/** Twice that, in seconds. */
const LONG_S = 12;

/** Begins the lab: a topic with one partition, and a consumer that takes a second for each record. */
export async function beginPollLab(place: Place): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(new Workshop(place, "poll"));
  const facts = {
    topic: shop.topic,
    /** The next record to be handled, what is committed, and where the partition ends. */
    position: 0,
    committed: null as number | null,
    end: null as number | null,
    /** What the handler works on. */
    atWork: null as { offset: number; value: string; since: number } | null,
    member: true,
    state: "",
    /** How often the group went on without the consumer. */
    lost: 0,
    sessionSeconds: SESSION_MS / 1_000,
    longSeconds: LONG_S,
    now: Date.now(),
  };
  const onLine = (line: string) => {
    if (line.includes("the group went on without us")) facts.lost++;
    const told = toldIn(line);
    if (!told) return;
    const { offset, value } = told;
    facts.atWork = told.what === "begins" ? { offset, value, since: Date.now() } : null;
    facts.position = told.what === "handled" ? offset + 1 : offset;
  };
  await shop.makeTopic(1);
  const consumer = shop.consume("lab-consumer", {
    flags: ["--handler", HANDLER],
    env: {
      KAFKA_SESSION_TIMEOUT_MS: `${SESSION_MS}`,
      KAFKA_DENO_LAB_MS: `${RECORD_MS}`,
      KAFKA_DENO_LAB_SINGLY: "true",
    },
    onLine,
  });
  const [server] = await Promise.all([shop.server(), shop.says(consumer, / consumer: assigned/)]);
  stack.use(watch(async () => {
    const [{ state, members, partitions }] = await viewGroups(shop.client, [shop.topic]);
    Object.assign(facts, {
      state,
      member: members.length > 0,
      committed: partitions[0]?.committed ?? null,
      end: partitions[0]?.end ?? null,
      now: Date.now(),
    });
  }));
  const owned = stack.move();
  return {
    facts,
    actions: {
      send: () => server.write(shop.topic, Array.from({ length: RECORDS }, (_, i) => `record ${i + 1}`)),
      hold: () => server.write(shop.topic, [`hold ${LONG_S}`]),
      block: () => server.write(shop.topic, [`block ${LONG_S}`]),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

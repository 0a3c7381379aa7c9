/**
 * The topic that a script works on: there, or made.
 *
 * @module
 */
import type { Admin, ITopicConfig } from "kafkajs";
import { rootCause } from "../errors.ts";
import { backoff } from "./backoff.ts";
import type { KafkaClient } from "./client.ts";
import { sleep } from "./wait.ts";

/** Partitions of a topic that we make. */
export const NEW_TOPIC_PARTITIONS = 3;

/** Runs something with an admin connection that is closed afterwards. */
export async function withAdmin<T>(client: KafkaClient, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client.kafka.admin();
  try {
    await admin.connect();
    return await use(admin);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

/**
 * Sees to it that a topic exists, with {@linkcode NEW_TOPIC_PARTITIONS} partitions and the cluster's default
 * replication if it has to be made.
 *
 * @param create `false`: a missing topic is an error
 * @returns whether it was made
 * @throws {Deno.errors.NotFound} when it does not exist and may not be made
 */
export async function ensureTopic(
  client: KafkaClient,
  topic: string,
  { create }: { create: boolean },
): Promise<boolean> {
  return await withAdmin(client, async (admin) => {
    if ((await admin.listTopics()).includes(topic)) return false;
    if (!create) {
      throw new Deno.errors.NotFound(
        `Topic "${topic}" does not exist and KAFKA_CREATE_TOPIC is false; create it, or set KAFKA_CREATE_TOPIC=true`,
      );
    }
    try {
      return await createTopic(admin, { topic, numPartitions: NEW_TOPIC_PARTITIONS, replicationFactor: -1 });
    } catch (cause) {
      throw new Error(`Cannot create topic "${topic}": ${rootCause(cause)}`, { cause });
    }
  });
}

/** How long a new topic may be unknown to the broker that is asked for it, in ms. */
const READY_MS = 10_000;

/**
 * Makes a topic and waits until it can be used: brokers hear of it some moments after the controller has made it.
 * kafkajs's own waiting gives up at the first broker that has not.
 *
 * @returns `false` if there is one of that name already
 */
export async function createTopic(admin: Admin, topic: ITopicConfig): Promise<boolean> {
  const made = await admin.createTopics({ topics: [topic], waitForLeaders: false });
  const deadline = Date.now() + READY_MS;
  for (let failures = 1;; failures++) {
    try {
      await admin.fetchTopicMetadata({ topics: [topic.topic] });
      return made;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(backoff(failures));
    }
  }
}

/**
 * The topic that a script works on: there, or made.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { rootCause } from "../errors.ts";
import type { KafkaClient } from "./client.ts";

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
      return await admin.createTopics({
        topics: [{ topic, numPartitions: NEW_TOPIC_PARTITIONS, replicationFactor: -1 }],
        waitForLeaders: true,
      });
    } catch (cause) {
      throw new Error(`Cannot create topic "${topic}": ${rootCause(cause)}`, { cause });
    }
  });
}

/**
 * The Kafka of a benchmark, and topics that live for one run.
 *
 * @module
 */
import { loadConfig } from "../config.ts";
import { kafkaJars } from "../dev/jars.ts";
import { findJava } from "../dev/java.ts";
import { startLocalKafka } from "../dev/local_kafka.ts";
import { provideKafka } from "../dev/provide_kafka.ts";
import { createKafka } from "../kafka/client.ts";
import { createTopic, withAdmin } from "../kafka/topics.ts";

/** A Kafka to measure with. */
export interface BenchKafka extends AsyncDisposable {
  /** `host:port`, several separated by commas. */
  readonly bootstrap: string;
  /** Of Kafka and what it runs on, for results. */
  readonly versions: Record<string, string>;
  /** Runs something on a topic that nobody has used, and removes the topic and its data. */
  withTopic<T>(options: TopicOptions, use: (topic: string) => Promise<T>): Promise<T>;
}

/** What a topic is like. */
export interface TopicOptions {
  partitions: number;
  /** Removes what is older than so many bytes of a partition, for runs that would fill the disk. */
  retentionBytes?: number;
}

const SEGMENT_BYTES = 64 << 20;

/** Settings of a Kafka that is started to measure with. */
export const BENCH_PROPERTIES = { "log.retention.check.interval.ms": "1000" };

/** The Kafka of KAFKA_BROKERS, else one that is started on a free port with temporary data. */
export async function benchKafka(onProgress: (line: string) => void): Promise<BenchKafka> {
  const brokers = Deno.env.get("KAFKA_BROKERS");
  if (brokers) {
    return withTopics(await provideKafka({ brokers, sources: ["configured"] }), { Kafka: "of KAFKA_BROKERS" });
  }
  const kafka = await startLocalKafka({ onProgress, properties: BENCH_PROPERTIES });
  return withTopics(kafka, { Kafka: (await kafkaJars()).version, Java: (await findJava()).version });
}

/** A Kafka that is there, as benchmarks want it. */
export function withTopics(
  kafka: AsyncDisposable & { readonly bootstrap: string },
  versions: Record<string, string> = {},
): BenchKafka {
  const { bootstrap } = kafka;
  const client = () => createKafka(loadConfig("produce", { args: [`--brokers=${bootstrap}`], envFile: "" }));
  return {
    bootstrap,
    versions,
    async withTopic({ partitions, retentionBytes }, use) {
      const topic = `bench-${crypto.randomUUID().slice(0, 8)}`;
      const configs: Record<string, string> = { "segment.bytes": `${SEGMENT_BYTES}`, "file.delete.delay.ms": "0" };
      if (retentionBytes !== undefined) configs["retention.bytes"] = `${retentionBytes}`;
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
      const wanted = { topic, numPartitions: partitions, replicationFactor: -1, configEntries };
      await withAdmin(client(), (admin) => createTopic(admin, wanted));
      try {
        return await use(topic);
      } finally {
        await withAdmin(client(), (admin) => admin.deleteTopics({ topics: [topic] }));
      }
    },
    [Symbol.asyncDispose]: () => kafka[Symbol.asyncDispose](),
  };
}

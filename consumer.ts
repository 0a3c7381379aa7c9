/**
 * Kafka in, payloads out: the end of `HTTP -> producer -> Kafka -> consumer -> handler`.
 *
 *     deno task consume
 *     deno task consume --topic orders --group billing --quiet > orders.txt
 *
 * Payloads go to stdout, one a line, and nothing else does; what there is to say goes to stderr.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { type Config, configOrExit } from "./config.ts";
import { rootCause } from "./errors.ts";
import { createKafka, type KafkaClient } from "./kafka/client.ts";
import { ensureTopic, withAdmin } from "./kafka/topics.ts";
import { backoff } from "./kafka/backoff.ts";
import { loggerFor, setupLogging } from "./log.ts";
import { stopSignal } from "./signals.ts";

const USAGE = `Prints a topic's messages, one a line, as a member of a consumer group.

Usage: deno task consume [flags]
  deno task consume --topic test --group myConsumerGroup`;

/** Reads until asked to stop. @returns the process's exit code */
async function consume(config: Config<"consume">, { signal, log }: { signal: AbortSignal; log: Logger }) {
  await untilTopicsExist(config, { signal, log });
  if (signal.aborted) return;
  const client = createKafka(config, { retries: 5 });
  const consumer = client.kafka.consumer({
    groupId: config.groupId,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 500,
    retry: { retries: 5, restartOnFailure: () => Promise.resolve(false) },
  });
  const crashed = Promise.withResolvers<never>();
  consumer.on(consumer.events.CRASH, ({ payload }) => crashed.reject(payload.error));
  consumer.on(consumer.events.GROUP_JOIN, async ({ payload }) => {
    const assigned = Object.entries(payload.memberAssignment).map(([topic, p]) => `${topic}[${p.join(", ")}]`);
    log.info(assigned.length > 0 ? `assigned ${assigned.join(" ")}` : "assigned no partition: others have them all");
    await forEachEmpty(client, { groupId: config.groupId, assignment: payload.memberAssignment, log }, sayEnd);
  });
  const ended = new Set<string>();
  const sayEnd = (topic: string, partition: number, offset: string) => {
    if (ended.has(`${topic}[${partition}]`)) return;
    ended.add(`${topic}[${partition}]`);
    log.info(`no more messages in ${topic}[${partition}] at offset ${offset}; waiting for more`);
  };
  let idle: ReturnType<typeof setTimeout> | undefined;
  const restartIdle = () => {
    clearTimeout(idle);
    idle = setTimeout(() => {
      log.info(`timed out: no message for ${config.idleTimeout} s; still waiting`);
      restartIdle();
    }, config.idleTimeout * 1_000);
  };
  log.info("waiting for partition assignment (re-joining a group soon after leaving it may take a while)");
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [...config.topics], fromBeginning: true });
    const run = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, uncommittedOffsets }) => {
        restartIdle();
        ended.delete(`${batch.topic}[${batch.partition}]`);
        await writeAll(batch.messages.map(({ value }) => `${value ?? ""}\n`).join(""));
        resolveOffset(batch.lastOffset());
        await commitOffsetsIfNecessary(uncommittedOffsets());
        await heartbeat();
        if (Number(batch.lastOffset()) + 1 === Number(batch.highWatermark)) {
          sayEnd(batch.topic, batch.partition, batch.highWatermark);
        }
      },
    });
    restartIdle();
    await Promise.race([run.then(() => aborted(signal)), aborted(signal), crashed.promise]);
  } finally {
    clearTimeout(idle);
    await Promise.race([consumer.disconnect().catch(() => {}), sleep(config.shutdownTimeoutMs)]);
    client.destroySockets("stopping");
  }
}

/** Waits for Kafka, for ever, and makes the topics if it may. */
async function untilTopicsExist(config: Config<"consume">, { signal, log }: { signal: AbortSignal; log: Logger }) {
  const client = createKafka(config);
  for (let failures = 0; !signal.aborted;) {
    try {
      for (const topic of config.topics) {
        const made = await ensureTopic(client, topic, { create: config.createTopic });
        if (made) log.info(`created topic ${topic}`);
      }
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw error;
      if (failures++ === 0) {
        log.warn(`Kafka does not answer at ${config.brokers}; waiting until it does`, { cause: rootCause(error) });
      }
      await Promise.race([sleep(backoff(failures)), aborted(signal)]);
    }
  }
}

/** kafkajs has no event for the end of a partition, and delivers nothing for one without messages. */
async function forEachEmpty(
  client: KafkaClient,
  { groupId, assignment, log }: { groupId: string; assignment: Record<string, number[]>; log: Logger },
  tell: (topic: string, partition: number, offset: string) => void,
) {
  await withAdmin(client, async (admin) => {
    for (const { topic, partitions } of await admin.fetchOffsets({ groupId, topics: Object.keys(assignment) })) {
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        const committed = Number(partitions.find((p) => p.partition === partition)?.offset ?? -1);
        const atEnd = Math.max(committed, Number(low)) >= Number(high);
        if (atEnd && assignment[topic].includes(partition)) tell(topic, partition, high);
      }
    }
  }).catch((error) => log.debug(`cannot tell which partitions are empty: ${rootCause(error)}`));
}

async function writeAll(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function main(): Promise<number> {
  const config = configOrExit("consume", USAGE);
  setupLogging(config.quiet ? { ...config, logLevel: "WARN" } : config);
  const log = loggerFor("consumer");
  try {
    await consume(config, { signal: stopSignal(), log });
    return 0;
  } catch (error) {
    log.error(`cannot consume ${config.topics}: ${rootCause(error)}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

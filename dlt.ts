/**
 * Sends dead letters back to where they came from.
 *
 *     deno task dlt --topic test.dlt --dry-run
 *     deno task dlt --topic test.dlt
 *
 * It is a consumer of the dead-letter topic whose handler is a producer: what was sent back is remembered as its
 * group's position, so that no letter is sent back twice. Dead letters stay in their topic until Kafka deletes them.
 *
 * @module
 */
import { type Config, configOrExit, loadConfig } from "./config.ts";
import { Consumer } from "./consumer/consumer.ts";
import { describeLetter, originOf } from "./consumer/dead_letters.ts";
import { rootCause } from "./errors.ts";
import type { Handler } from "./handlers/types.ts";
import { createKafka } from "./kafka/client.ts";
import { viewGroups } from "./kafka/groups.ts";
import { escapeControls, loggerFor, setupLogging } from "./log.ts";
import { Producer } from "./producer.ts";
import { stopSignal } from "./signals.ts";

const USAGE = `Sends dead letters back to the topics and partitions they came from. Each is sent back once.

Usage: deno task dlt --topic TOPIC [flags]
  deno task dlt --topic test.dlt --dry-run`;

/** The consumer's settings: ours, and its defaults. */
function consumerConfig(config: Config<"dlt">): Config<"consume"> {
  const { topic, group, dryRun, count } = config;
  const defaults = loadConfig("consume", { args: [] });
  const groupId = dryRun ? "none" : group;
  return { ...defaults, ...config, topics: [topic], groupId, count, exit: true, deadLetterTopic: "none" };
}

/** Says what would be sent back; letters before these positions have been. */
function showing(done: ReadonlyMap<number, number>): Handler {
  return (record) => {
    if (record.offset < (done.get(record.partition) ?? 0)) return;
    console.log(escapeControls(describeLetter(record)));
  };
}

function sendingBack(producer: Producer): Handler {
  return async (record, { log }) => {
    const origin = originOf(record);
    if (!origin) {
      const { topic, partition, offset } = record;
      log.warn("not a dead letter; it stays where it is", { topic, partition, offset });
      return;
    }
    const [outcome] = await producer.send([origin.record], { topic: origin.topic });
    if (outcome.status !== "acknowledged") throw outcome.error;
    console.log(escapeControls(describeLetter(record)));
  };
}

async function sendBack(config: Config<"dlt">): Promise<boolean> {
  const log = loggerFor("consumer");
  const signal = stopSignal();
  if (config.dryRun) {
    const [{ partitions }] = await viewGroups(createKafka(config, { retries: 3 }), [config.group]);
    const done = partitions.filter(({ topic }) => topic === config.topic)
      .map(({ partition, committed }) => [partition, committed ?? 0] as const);
    return await new Consumer(consumerConfig(config), { default: showing(new Map(done)) }, log).consume(signal);
  }
  const producer = new Producer(config);
  await producer.start();
  try {
    return await new Consumer(consumerConfig(config), { default: sendingBack(producer) }, log).consume(signal);
  } finally {
    await producer.close({ deadline: Date.now() + config.shutdownTimeoutMs });
  }
}

async function main(): Promise<number> {
  const config = configOrExit("dlt", USAGE);
  setupLogging({ ...config, logLevel: config.logLevel === "INFO" ? "WARN" : config.logLevel });
  try {
    return await sendBack({ ...config, createTopic: false }) ? 0 : 1;
  } catch (error) {
    console.error(`Cannot send dead letters of ${config.topic} back: ${(error as Error).message ?? rootCause(error)}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

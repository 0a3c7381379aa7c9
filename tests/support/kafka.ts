/**
 * A real Kafka for tests: one for the whole `deno test` process, and topics that a test has for itself.
 *
 * @module
 */
import { type Admin, Kafka, logLevel } from "kafkajs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CACHE_DIR, makeFolder } from "../../dev/jars.ts";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { provideKafka } from "../../dev/provide_kafka.ts";
import { run } from "../../dev/run.ts";
import { applyPatches } from "../../kafka/patches.ts";
import { waitFor } from "./wait.ts";

const DAEMON = join(import.meta.dirname!, "kafka_daemon.ts");
/** Fetching Kafka's jars is in it. */
const TIMEOUT = 300_000;

/**
 * Runs the daemon ($1...) as nobody's child, so that no test owns it, until the process $0 has gone: its standard
 * input ends then.
 */
const LAUNCH = '(while kill -0 "$0"; do sleep 0.5; done | exec "$@") >/dev/null 2>&1 </dev/null &';

/**
 * The Kafka that all test files share: that of KAFKA_BROKERS, else the first to ask starts one on a free port, and it
 * ends with this `deno test` process. Every test file is an isolate of its own in that process, so what they have in
 * common is a folder that is named after the process.
 *
 * @throws {Error} that says what to install when nothing can provide one
 */
export async function sharedKafka(): Promise<{ bootstrap: string }> {
  const brokers = Deno.env.get("KAFKA_BROKERS");
  if (brokers) return await provideKafka({ brokers, sources: ["configured"] });
  const folder = join(CACHE_DIR, `test-kafka-${Deno.pid}`);
  if (await isFirst(folder)) {
    const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write", "--allow-run=sh"];
    const daemon = [Deno.execPath(), "run", "--no-config", "--no-lock", ...permissions, DAEMON, folder];
    await run("sh", ["-c", LAUNCH, String(Deno.pid), ...daemon]);
  }
  return await announced(folder);
}

async function isFirst(folder: string): Promise<boolean> {
  await makeFolder(CACHE_DIR);
  try {
    await Deno.mkdir(folder);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/** Waits for what the daemon has to say. */
async function announced(folder: string): Promise<{ bootstrap: string }> {
  const until = performance.now() + TIMEOUT;
  while (performance.now() < until) {
    const text = await Deno.readTextFile(join(folder, "kafka.json")).catch(() => undefined);
    if (text !== undefined) {
      const { bootstrap, error } = JSON.parse(text);
      if (error) throw new Error(`These tests need a Kafka. ${error}`);
      const found = await probeKafka(bootstrap.split(",")[0], { timeout: 20_000 });
      if (found.kind === "kafka") return { bootstrap };
      throw new Error(`The Kafka of this test run has gone (${found.reason}); if it never was there, remove ${folder}`);
    }
    await sleep(50);
  }
  throw new Error(`No Kafka was announced in ${folder} within ${TIMEOUT / 1000} s; expected kafka.json there`);
}

/** How {@linkcode createTopic} makes a topic. */
export interface TopicOptions {
  /** 1 by default. */
  partitions?: number;
  /** As many as the brokers' default. */
  replicas?: number;
  /** The brokers of each partition, the leader first; instead of both. */
  assignment?: readonly number[][];
  /** https://kafka.apache.org/documentation/#topicconfigs */
  config?: Record<string, string>;
}

/** A topic that is deleted when it is disposed of. */
export interface TestTopic extends AsyncDisposable {
  /** No other topic has it. */
  readonly name: string;
}

/** Makes a topic for one test: `await using topic = await createTopic(bootstrap, { partitions: 3 })`. */
export async function createTopic(bootstrap: string, options: TopicOptions = {}): Promise<TestTopic> {
  const name = `test-${crypto.randomUUID()}`;
  const { partitions = 1, replicas = -1, assignment, config = {} } = options;
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await withAdmin(bootstrap, async (admin) => {
    const placed = assignment?.map((replicas, partition) => ({ partition, replicas: [...replicas] }));
    const where = placed
      ? { numPartitions: -1, replicationFactor: -1, replicaAssignment: placed }
      : { numPartitions: partitions, replicationFactor: replicas };
    await admin.createTopics({ topics: [{ topic: name, configEntries, ...where }], waitForLeaders: false });
    await untilLed(admin, name);
  });
  return { name, [Symbol.asyncDispose]: () => deleteTopic(bootstrap, name) };
}

/** Waits for a new topic. kafkajs's own waiting gives up when the broker that it asks has not heard of the topic yet. */
export async function untilLed(admin: Admin, name: string, timeout = 10_000): Promise<void> {
  await waitFor(() => hasLeaders(admin, name), { what: `the leaders of topic ${name}`, timeout });
}

async function hasLeaders(admin: Admin, name: string, count = 1): Promise<boolean> {
  const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [name] });
  if (partitions.length < count || partitions.some(({ leader }) => leader < 0)) return false;
  // A broker tells of a leader before the leader takes over. A first record would be refused then, and kafkajs would
  // send those of the other partitions once more.
  await admin.fetchTopicOffsets(name);
  return true;
}

/** Gives a topic more partitions, and waits until the broker tells of them: its answer may come before. */
export async function growTopic(bootstrap: string, topic: string, count: number): Promise<void> {
  await withAdmin(bootstrap, async (admin) => {
    await admin.createPartitions({ topicPartitions: [{ topic, count }] });
    await waitFor(() => hasLeaders(admin, topic, count), { what: `topic ${topic} to have ${count} partitions` });
  });
}

/** Deletes a topic, unless the test already has. */
async function deleteTopic(bootstrap: string, name: string): Promise<void> {
  await withAdmin(bootstrap, async (admin) => {
    if ((await admin.listTopics()).includes(name)) await admin.deleteTopics({ topics: [name] });
  });
}

/** Runs an action with kafkajs's admin client. */
export async function withAdmin<T>(bootstrap: string, action: (admin: Admin) => Promise<T>): Promise<T> {
  applyPatches(); // else each connection has a timer that fires every millisecond
  const admin = new Kafka({
    brokers: bootstrap.split(","),
    clientId: "test-admin",
    logLevel: logLevel.NOTHING,
    retry: { retries: 10, initialRetryTime: 100, maxRetryTime: 1000 },
  }).admin();
  await admin.connect();
  try {
    return await action(admin);
  } finally {
    await admin.disconnect();
  }
}

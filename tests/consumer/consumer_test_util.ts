// Consumers in this process, with handlers that remember what they got; and as scripts, for what only a process can show.

import { Admin } from "@platformatic/kafka";
import { BaseHandler, Logger, type LogRecord } from "@std/log";
import { type Config, loadConfig } from "../../config.ts";
import { Consumer } from "../../consumer/consumer.ts";
import type { ConsumedRecord, HandlerModule } from "../../handlers/types.ts";
import { Producer, type ProducerRecord } from "../../producer.ts";
import { committedOffsets } from "../support/reader.ts";
import { type Script, startScript, waitFor } from "../support/wait.ts";

/** What a handler got, kept after the record's bytes are gone. */
export interface Handled {
  partition: number;
  offset: number;
  value: string | null;
}

/** A consumer at work; disposing stops it. */
export interface RunningConsumer extends AsyncDisposable {
  /** In the order in which they were handled. */
  readonly handled: Handled[];
  readonly logLines: string[];
  /** Resolves as `Consumer.consume` does; to be read where it is to end by itself, soon. */
  readonly done: Promise<boolean>;
  /** Asks it to stop, and waits. */
  stop(): Promise<boolean>;
}

/** A group's name that no other test has. */
export function newGroup(): string {
  return `test-${crypto.randomUUID()}`;
}

/** Settings from flags alone: neither the environment nor a file has a say. */
export function configFor(bootstrap: string, args: readonly string[]): Config<"consume"> {
  return loadConfig("consume", { args: ["--brokers", bootstrap, ...args], env: () => undefined, envFile: "" });
}

/** Starts a consumer. Its handler remembers each record when `module` has handled it. */
export function startConsumer(
  bootstrap: string,
  args: readonly string[],
  module: HandlerModule = { default: () => {} },
): RunningConsumer {
  const handled: Handled[] = [];
  const remember = ({ partition, offset, value }: ConsumedRecord) =>
    handled.push({ partition, offset, value: value === null ? null : new TextDecoder().decode(value) });
  const one = module.default;
  const many = module.batch;
  const logLines: string[] = [];
  const log = new Logger("consumer", "DEBUG", { handlers: [new Lines(logLines)] });
  const consumer = new Consumer(
    configFor(bootstrap, args),
    {
      ...(one && {
        default: async (record, context) => {
          await one(record, context);
          remember(record);
        },
      }),
      ...(many && {
        batch: async (records, context) => {
          await many(records, context);
          records.forEach(remember);
        },
      }),
    },
    log,
  );
  const stop = new AbortController();
  const consuming = consumer.consume(stop.signal);
  consuming.catch(() => {}); // whoever cares awaits it
  const end = () => {
    stop.abort();
    return consuming;
  };
  return {
    handled,
    logLines,
    get done() {
      return inTime(consuming);
    },
    stop: end,
    [Symbol.asyncDispose]: async () => {
      await end().catch(() => {});
    },
  };
}

/** Fails instead of waiting for ever. */
async function inTime(consuming: Promise<boolean>): Promise<boolean> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("the consumer has not ended within 60 s")), 60_000);
  return await Promise.race([consuming, late.promise]).finally(() => clearTimeout(timer));
}

class Lines extends BaseHandler {
  readonly #lines: string[];

  constructor(lines: string[]) {
    super("DEBUG", { formatter: ({ levelName, msg, args: [fields] }: LogRecord) => format(levelName, msg, fields) });
    this.#lines = lines;
  }

  override log(line: string): void {
    this.#lines.push(line);
  }
}

function format(level: string, message: string, fields: unknown): string {
  const shown = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${value}`);
  return `${level} ${message}${shown.join("")}`;
}

/** Starts `consumer.ts` as a script of its own. */
export function startConsumerScript(
  bootstrap: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Script {
  const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write"];
  const flags = ["--brokers", bootstrap, "--log-format", "text", ...args];
  return startScript(["run", ...permissions, "consumer.ts", ...flags], { env });
}

/** Writes records; all of them must be acknowledged. */
export async function produce(bootstrap: string, topic: string, records: readonly ProducerRecord[]): Promise<void> {
  await using producer = await startProducer(bootstrap);
  await producer.send(topic, records);
}

/** A producer for a test that writes more than once. */
export async function startProducer(bootstrap: string, args: readonly string[] = []) {
  const sources = { args: ["--brokers", bootstrap, ...args], env: () => undefined, envFile: "" };
  const producer = new Producer(loadConfig("produce", sources));
  await producer.start();
  await producer.whenConnected();
  return {
    async send(topic: string, records: readonly ProducerRecord[]): Promise<void> {
      for (let i = 0; i < records.length; i += 10_000) {
        for (const outcome of await producer.send(records.slice(i, i + 10_000), { topic })) {
          if (outcome.status !== "acknowledged") throw outcome.error;
        }
      }
    },
    [Symbol.asyncDispose]: async () => {
      await producer.close({ deadline: Date.now() + 5_000 });
    },
  };
}

/** So many records with values that tell them apart, dealt out to partitions in turn. */
export function numbered(count: number, { partitions = 1, from = 0 } = {}): ProducerRecord[] {
  return Array.from({ length: count }, (_, i) => ({ value: `value ${from + i}`, partition: (from + i) % partitions }));
}

/** Waits until a group has committed these offsets, as another client sees them. */
export async function untilCommitted(
  bootstrap: string,
  { group, topic }: { group: string; topic: string },
  offsets: readonly number[],
): Promise<void> {
  let last: unknown;
  await waitFor(async () => {
    last = (await committedOffsets(bootstrap, group, topic)).map((offset) => Number(offset ?? -1));
    return JSON.stringify(last) === JSON.stringify(offsets);
  }, { what: `group ${group} to commit ${offsets}`, timeout: 20_000 }).catch((error) => {
    throw new Error(`${error.message}; it has committed ${last}`, { cause: error });
  });
}

/** The id of the broker that coordinates a group. */
export async function coordinatorOf(bootstrap: string, group: string): Promise<number> {
  return await withOtherAdmin(bootstrap, async (admin) => {
    const [{ nodeId }] = await admin.findCoordinator({ keyType: 0, keys: [group] });
    return nodeId;
  });
}

/** Sets a position of a group without members, in a topic's first partition. */
export async function setPosition(
  bootstrap: string,
  { group, topic, offset }: { group: string; topic: string; offset: number },
): Promise<void> {
  const topics = [{ name: topic, partitionOffsets: [{ partition: 0, offset: BigInt(offset) }] }];
  await withOtherAdmin(bootstrap, (admin) => admin.alterConsumerGroupOffsets({ groupId: group, topics }));
}

/** Deletes what is before an offset in a topic's first partition, as retention would. */
export async function deleteRecordsBefore(
  bootstrap: string,
  { topic, offset }: { topic: string; offset: number },
): Promise<void> {
  const topics = [{ name: topic, partitions: [{ partition: 0, offset: BigInt(offset) }] }];
  await withOtherAdmin(bootstrap, (admin) => admin.deleteRecords({ topics }));
}

/** Runs an action with another client's admin. */
async function withOtherAdmin<T>(bootstrap: string, action: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: "test", bootstrapBrokers: bootstrap.split(","), retries: 20, retryDelay: 250 });
  try {
    return await action(admin);
  } finally {
    await admin.close();
  }
}

/** What starts a case beside others, for those that wait more than they work. None may disturb another. */
export function beside(t: Deno.TestContext): (name: string, fn: () => Promise<void>) => Promise<boolean> {
  return (name, fn) => t.step({ name, fn, sanitizeOps: false, sanitizeResources: false, sanitizeExit: false });
}

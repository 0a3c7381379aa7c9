/**
 * What every lab works with: scripts of ours as processes, a topic and a group of its own, a server to write through.
 * Nothing of it is left when it is disposed of.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { KafkaConfig } from "../../config.ts";
import { createKafka, type KafkaClient } from "../../kafka/client.ts";
import { createTopic, withAdmin } from "../../kafka/topics.ts";
import { unlessAborted } from "../../kafka/wait.ts";
import { type Child, Children } from "../children.ts";
import type { LocalKafka } from "../local_kafka.ts";
import { argsOf } from "../scripts.ts";
import { LabServer } from "./lab_server.ts";

/** Where the labs take place. */
export interface Place {
  /** Where Kafka is, and how to talk to it. */
  config: KafkaConfig;
  /** The processes of Kafka, where `start` has started them itself. */
  local?: LocalKafka;
  /** Aborts when all of it is about to stop. */
  stopping: AbortSignal;
}

/** A record as `consume --json` prints it. */
export interface SeenRecord {
  partition: number;
  offset: number;
  key: string | null;
  value: string | null;
}

/** What handler.ts says it does with a record. */
export interface Told {
  what: "begins" | "handled" | "fails";
  offset: number;
  value: string;
}

/** Reads a line of handler.ts; undefined if it is another's. */
export function toldIn(line: string): Told | undefined {
  const found = /^lab (begins|handled|fails) (\d+) (.*)$/.exec(line);
  return found ? { what: found[1] as Told["what"], offset: Number(found[2]), value: found[3] } : undefined;
}

/** The module that handles what the consumers of labs read. */
export const HANDLER = join(import.meta.dirname!, "handler.ts");

/** What the labs' claims rest on, whatever the user has set. */
const SETTINGS = {
  LOG_FORMAT: "text",
  LOG_LEVEL: "INFO",
  KAFKA_ACKS: "all",
  KAFKA_IDEMPOTENCE: "true",
  KAFKA_CREATE_TOPIC: "true",
  KAFKA_GROUP_INSTANCE_ID: "",
};

/** How long a process of a lab may take to stop, in ms. */
const STOP_MS = 5_000;
const DELETE_TRIES = 5;

/** One lab's processes and topics. */
export class Workshop implements AsyncDisposable {
  /** The lab's topic, and its group: one name for both. */
  readonly topic: string;
  readonly local: LocalKafka | undefined;
  readonly client: KafkaClient;
  readonly #config: KafkaConfig;
  readonly #stopping: AbortSignal;
  readonly #children = new Children(() => {});
  readonly #topics = new Set<string>();
  #server: Promise<LabServer> | undefined;

  /** @param lab Its name; what it leaves in Kafka if this process is killed is called after it. */
  constructor({ config, local, stopping }: Place, lab: string) {
    this.topic = `lab-${lab}-${crypto.randomUUID().slice(0, 4)}`;
    this.local = local;
    this.#config = config;
    this.#stopping = stopping;
    this.client = createKafka(config, { retries: 2 });
  }

  /** Whether connections are neither encrypted nor authenticated, so that a proxy can read them. */
  get isPlain(): boolean {
    return !this.#config.ssl && !this.#config.saslMechanism;
  }

  /** The bootstrap brokers. */
  get brokers(): readonly string[] {
    return this.#config.brokers;
  }

  /** Makes the lab's topic. */
  async makeTopic(numPartitions: number): Promise<void> {
    this.ownTopic(this.topic);
    await withAdmin(this.client, (admin) =>
      createTopic(admin, {
        topic: this.topic,
        numPartitions,
        replicationFactor: -1,
      }));
  }

  /** A topic that goes with the lab, whoever makes it. */
  ownTopic(topic: string): void {
    this.#topics.add(topic);
  }

  /** Starts one of our scripts. Flags and variables win over what the shell has set. */
  start(
    task: "serve" | "consume" | "produce" | "dlt",
    { name, flags = [], env = {}, onLine = () => {} }: {
      name: string;
      flags?: string[];
      env?: Record<string, string>;
      onLine?: (line: string) => void;
    },
  ): Child {
    const { KAFKA_BROKERS = this.brokers.join() } = env;
    return this.#children.start({
      label: name,
      args: [...argsOf(task), ...flags],
      env: { ...SETTINGS, KAFKA_BROKERS, KAFKA_BOOTSTRAP_SERVERS: KAFKA_BROKERS, KAFKA_CLIENT_ID: name, ...env },
      stopTimeoutMs: STOP_MS,
      onLine,
    });
  }

  /** Starts a consumer of the lab's topic, as a member of its group. */
  consume(
    name: string,
    { flags = [], ...rest }: { flags?: string[]; env?: Record<string, string>; onLine: (line: string) => void },
  ): Child {
    const whose = ["--topic", this.topic, "--group", this.topic];
    return this.start("consume", { name, flags: [...whose, ...flags], ...rest });
  }

  /** Waits for anything, unless all is about to stop. @throws the signal's reason then */
  async until<T>(promise: Promise<T>): Promise<T> {
    const result = await unlessAborted(promise, this.#stopping);
    this.#stopping.throwIfAborted();
    return result as T;
  }

  /** Waits for a line of a process. @throws {Error} with its last lines when it ends instead */
  async says(child: Child, pattern: RegExp): Promise<string> {
    const line = await this.until(Promise.race([child.says(pattern), child.ended.then(() => undefined)]));
    if (line === undefined) throw new Error(`${child.label} ended; its last lines:\n${child.tail.join("\n")}`);
    return line;
  }

  /** A server that writes to the lab's Kafka; the first one to ask starts it. */
  server(env: Record<string, string> = {}): Promise<LabServer> {
    this.#server ??= LabServer.start((token, onLine) =>
      this.start("serve", {
        name: "lab-server",
        flags: ["--port", "0", "--host", "127.0.0.1", "--topic", this.topic],
        env: { HTTP_TOKENS: token, HTTP_TOKENS_FILE: "", HTTP_TLS_CERT: "", HTTP_TLS_KEY: "", HTTP_TOPICS: "", ...env },
        onLine,
      })
    );
    return this.until(this.#server);
  }

  /** Everything in a topic of the lab, read by a consumer without a group. */
  async read(topic: string): Promise<SeenRecord[]> {
    const lines: string[] = [];
    const flags = ["--topic", topic, "--group", "none", "--from", "beginning", "--exit", "--json", "--quiet"];
    const reader = this.start("consume", { name: "lab-reader", flags, onLine: (line) => void lines.push(line) });
    await this.until(reader.ended);
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line))
      .sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  }

  /** Ends all processes, then removes topics and groups. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#children[Symbol.asyncDispose]();
    for (let tries = 1; tries <= DELETE_TRIES; tries++) {
      try {
        return await this.#remove();
      } catch {
        await sleep(200 * tries); // a Kafka that was paused a moment ago, or a member that was killed
      }
    }
  }

  async #remove(): Promise<void> {
    await withAdmin(this.client, async (admin) => {
      const topics = (await admin.listTopics()).filter((topic) => this.#topics.has(topic));
      if (topics.length > 0) await admin.deleteTopics({ topics });
      const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId)
        .filter((group) => group === this.topic || group === `${this.topic}-dlt`);
      if (groups.length > 0) await admin.deleteGroups(groups);
    });
  }
}

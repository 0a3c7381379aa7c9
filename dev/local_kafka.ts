/**
 * A real Apache Kafka on this machine, as child processes: one node or a cluster, each node broker and controller.
 *
 * It ends with the program that started it, whatever that dies of: dev/kafka/guard.sh sees to that.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { ClassArchive } from "./class_archive.ts";
import { CACHE_DIR, kafkaJars, makeFolder } from "./jars.ts";
import { findJava } from "./java.ts";
import { LocalNode } from "./local_node.ts";
import { checkFree, freePorts } from "./ports.ts";

const GUARD = join(import.meta.dirname!, "kafka", "guard.sh");
const LOG_SETTINGS = import.meta.resolve("./kafka/log4j2.properties");

/** Settings of {@linkcode startLocalKafka}. */
export interface LocalKafkaOptions {
  /** How many nodes; 1 by default. With 3, topics have 3 replicas by default, of which 2 must be in sync. */
  brokers?: number;
  /** Client port of each node, on 127.0.0.1; free ones by default. */
  ports?: number[];
  /** Ports that clients are told instead, such as those of a proxy; brokers never use them among themselves. */
  advertisedPorts?: number[];
  /** Kept, and used again with what is in it. Default: a temporary folder. */
  dataDir?: string;
  /** Settings of the brokers, added to ours or in their place. */
  properties?: Record<string, string>;
  /** Java's `-Xmx` for each node; `512m` by default. */
  heap?: string;
  /** Where jars, temporary folders and the archive of classes are; {@linkcode CACHE_DIR} by default. */
  cacheDir?: string;
  /** Gives the start up, and leaves nothing behind. It has no meaning afterwards. */
  signal?: AbortSignal;
  /** Told what takes long, one line each. */
  onProgress?: (line: string) => void;
}

/** A running Kafka. Disposing of it is an orderly stop where data are kept, and a quick one where they are temporary. */
export interface LocalKafka extends AsyncDisposable {
  /** The addresses for clients: `localhost:port`, several separated by commas. */
  readonly bootstrap: string;
  readonly nodes: readonly LocalNode[];
  /** Stops all nodes in an orderly way, and removes what is temporary. */
  stop(): Promise<void>;
}

export type { LocalNode } from "./local_node.ts";

/**
 * Starts a Kafka and waits until topics can be created on every node.
 *
 * @throws {UnavailableError} when there is no Java 17, no Maven to fetch the jars, or no folder to write to
 * @throws {import("./ports.ts").PortTakenError} when a port that was asked for is in use
 * @throws {Error} with the last lines of its log when a node ends early
 */
export async function startLocalKafka(options: LocalKafkaOptions = {}): Promise<LocalKafka> {
  const { cacheDir = CACHE_DIR, signal, onProgress } = options;
  for (const port of options.ports ?? []) checkFree(port);
  const java = await findJava({ signal });
  const jars = await kafkaJars({ cacheDir, signal, onProgress });
  await makeFolder(cacheDir);
  const archive = await ClassArchive.find(cacheDir, { java, jars });
  const command = [
    java.command,
    `-Xmx${options.heap ?? "512m"}`,
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable", // the virtual machine's own warnings, about archives above all
    ...archive.useOptions,
    `-Dlog4j2.configurationFile=${LOG_SETTINGS}`,
    "-cp",
    jars.classpath,
  ];
  onProgress?.(`starting Kafka ${jars.version} on Java ${java.version}…`);
  for (let tries = 1;; tries++) {
    const cluster = new Cluster({ ...options, cacheDir, command, archive });
    try {
      await cluster.start(signal);
      return cluster;
    } catch (error) {
      const lostRace = await cluster.lostAPort();
      await cluster.stop();
      if (!lostRace || tries === 3) throw error;
      for (const port of options.ports ?? []) checkFree(port); // if it is one of these, that is the better message
      onProgress?.("another program was faster to take a port, starting Kafka again…");
    }
  }
}

interface ClusterSettings extends LocalKafkaOptions {
  readonly cacheDir: string;
  readonly command: readonly string[];
  readonly archive: ClassArchive;
}

class Cluster implements LocalKafka {
  readonly nodes: LocalNode[] = [];
  #settings: ClusterSettings;
  #ports: number[];
  #runDir: string;
  #dataDir: string;
  #guard: Deno.ChildProcess;
  #stopped: Promise<void> | undefined;

  constructor(settings: ClusterSettings) {
    const { brokers = 1, cacheDir, dataDir, ports } = settings;
    this.#settings = settings;
    this.#ports = ports ?? freePorts(brokers);
    this.#runDir = join(cacheDir, `run-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`);
    this.#dataDir = dataDir === undefined ? this.#runDir : resolve(dataDir);
    // The guard comes first: it removes the folder, even if we are killed the moment we have made it.
    this.#guard = new Deno.Command("sh", {
      args: [GUARD, this.#runDir],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
  }

  get bootstrap(): string {
    return (this.#settings.advertisedPorts ?? this.#ports).map((port) => `localhost:${port}`).join();
  }

  async start(signal?: AbortSignal): Promise<void> {
    await Deno.mkdir(this.#runDir, { recursive: true });
    await makeFolder(this.#dataDir);
    const clusterId = await this.#clusterId();
    const { command, archive } = this.#settings;
    for (const [i, properties] of this.#properties().entries()) {
      this.nodes.push(
        new LocalNode({
          id: i + 1,
          port: this.#ports[i],
          folder: this.#folder(i + 1),
          guardDir: this.#runDir,
          clusterId,
          properties,
          java: command,
          javaOptions: i === 0 ? archive.writeOptions : [],
        }),
      );
    }
    const failed = new AbortController();
    const ends = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
    const starts = this.nodes.map((node) => node.start({ brokers: this.nodes.length, signal: ends }));
    await Promise.all(starts).catch(async (error) => {
      failed.abort();
      await Promise.allSettled(starts);
      throw error;
    });
  }

  /** Whether a node ended because somebody took a port between our choice and its start. */
  async lostAPort(): Promise<boolean> {
    const tails = await Promise.all(this.nodes.map((node) => node.logTail()));
    return tails.some((tail) => tail.includes("java.net.BindException"));
  }

  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const [first] = await Promise.all(this.nodes.map((node) => node.stop()));
    // After SIGTERM Java ends by itself, with 128 + 15; one that had to be killed may have written half an archive.
    if (first?.code === 143 && !first.signal) await this.#settings.archive.keep(this.#folder(1));
    await this.#guard.stdin.close(); // it removes the temporary folder
    await this.#guard.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nobody reads temporary data again, and the last nodes of a cluster take 5 s to stop without a majority.
    const temporary = this.#settings.dataDir === undefined;
    if (temporary && this.#settings.archive.exists) await Promise.all(this.nodes.map((node) => node.kill()));
    await this.stop();
  }

  #folder(id: number): string {
    return `${this.#dataDir}/node-${id}`;
  }

  /** The id of the cluster to which the data in the folder belong; a new one for an empty folder. */
  async #clusterId(): Promise<string> {
    const { brokers = 1 } = this.#settings;
    const path = `${this.#dataDir}/cluster.json`;
    const text = await Deno.readTextFile(path).catch(() => undefined);
    if (text === undefined) {
      const id = randomId();
      await Deno.writeTextFile(path, JSON.stringify({ id, brokers }));
      return id;
    }
    const kept = JSON.parse(text);
    if (kept.brokers !== brokers) {
      throw new Error(
        `The data folder ${this.#dataDir} belongs to a cluster of ${kept.brokers} nodes, not of ${brokers}; ` +
          `expected the same number. Name another folder (--data), or remove this one.`,
      );
    }
    return kept.id;
  }

  /** The server.properties of each node. Paths in them are relative to the node's folder. */
  #properties(): Record<string, string>[] {
    const { brokers = 1, advertisedPorts = this.#ports, properties } = this.#settings;
    const internal = freePorts(2 * brokers);
    const replicas = Math.min(brokers, 3);
    const inSync = String(replicas > 2 ? 2 : 1);
    return this.#ports.map((port, i) => {
      const [brokerPort, controllerPort] = [internal[2 * i], internal[2 * i + 1]];
      return {
        "process.roles": "broker,controller",
        "node.id": String(i + 1),
        "log.dirs": "data",
        // Brokers talk to each other on a listener of their own: a proxy in front of the clients' does not touch them.
        "listeners":
          `CLIENT://127.0.0.1:${port},BROKER://127.0.0.1:${brokerPort},CONTROLLER://127.0.0.1:${controllerPort}`,
        "advertised.listeners": `CLIENT://localhost:${advertisedPorts[i]},BROKER://127.0.0.1:${brokerPort}`,
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": this.#ports.map((_, j) => `${j + 1}@127.0.0.1:${internal[2 * j + 1]}`).join(),
        "default.replication.factor": String(replicas),
        "min.insync.replicas": inSync,
        "offsets.topic.replication.factor": String(replicas),
        "transaction.state.log.replication.factor": String(replicas),
        "transaction.state.log.min.isr": inSync,
        "share.coordinator.state.topic.replication.factor": String(replicas),
        "share.coordinator.state.topic.min.isr": inSync,
        // A broker that was killed is missed, and may come back, after this time; Kafka's own 9 s are long to wait.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "1000",
        "offsets.topic.num.partitions": "5", // the first consumer waits until they are made; by default 50
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        ...properties,
      };
    });
  }
}

/** 16 random bytes as Kafka writes them, in URL-safe Base64; a leading dash would look like an option. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] &= 0x7f;
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

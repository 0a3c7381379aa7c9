/**
 * Everything that is under test, as real processes: a cluster behind proxies, the server, two consumers; and the load
 * on it.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { freePort } from "../support/wait.ts";
import type { LocalNode } from "../../dev/local_kafka.ts";
import type { ProxiedKafka } from "../support/proxied_kafka.ts";
import { untilLed, withAdmin } from "../support/kafka.ts";
import { type FaultEvent, Journal, type ProcessEvent, type RunSettings, type TopicUse } from "./history.ts";
import type { LoadSettings } from "./load.ts";
import { Supervised } from "./processes.ts";

const GUARD = join(import.meta.dirname!, "..", "..", "dev", "kafka", "guard.sh");
const ROOT = join(import.meta.dirname!, "..", "..");
const PERMISSIONS = ["--no-lock", "--allow-net", "--allow-env", "--allow-read", "--allow-write"];
/** Partitions of each kind of topic, at first. */
export const PARTITIONS = { keyed: 6, growing: 3, names: 2, doomed: 2 };
/** Small, so that a few seconds without Kafka fill it. */
const BUFFER_BYTES = 3_000_000;

/** The parts of a run. */
export class System implements AsyncDisposable {
  readonly cluster: ProxiedKafka;
  readonly settings: RunSettings;
  readonly folder: string;
  /** Of the server. */
  readonly port: number;
  readonly url: string;
  readonly server: Supervised;
  readonly consumers: Supervised[];
  readonly faults: Journal<FaultEvent>;
  readonly processes: Journal<ProcessEvent>;
  #load: Deno.ChildProcess | undefined;
  #loadInput: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #brokerLives: number[];
  readonly #guardDir: string;
  readonly #guard: Deno.ChildProcess;

  constructor(cluster: ProxiedKafka, settings: RunSettings, folder: string) {
    this.cluster = cluster;
    this.settings = settings;
    this.folder = folder;
    this.faults = new Journal(join(folder, "faults.jsonl"));
    this.processes = new Journal(join(folder, "processes.jsonl"));
    this.#brokerLives = cluster.kafka.nodes.map(() => 1);
    this.#guardDir = join(folder, "guard");
    Deno.mkdirSync(this.#guardDir);
    // However we end, our processes do not outlive us.
    const args = [GUARD, this.#guardDir];
    this.#guard = new Deno.Command("sh", { args, stdin: "piped", stdout: "null", stderr: "null", detached: true })
      .spawn();
    this.port = freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    this.server = new Supervised(this.#serverProgram(), this.processes);
    this.consumers = ["A", "B"].map((name) => new Supervised(this.#consumerProgram(name), this.processes));
  }

  get nodes(): readonly LocalNode[] {
    return this.cluster.kafka.nodes;
  }

  /** Where brokers reach each other: no proxy is on that way, so whoever watches sees what the clients cannot. */
  get direct(): string {
    return this.nodes.map(({ log }) => {
      const properties = Deno.readTextFileSync(join(dirname(log), "server.properties"));
      return /^advertised\.listeners=.*BROKER:\/\/([\d.:]+)/m.exec(properties)![1];
    }).join();
  }

  topic(kind: TopicUse["kind"]): string {
    return this.settings.topics.find((topic) => topic.kind === kind)!.name;
  }

  /** Starts all but the load. */
  async start(): Promise<void> {
    await withAdmin(this.direct, async (admin) => {
      const topics = this.settings.topics.map(({ name, kind }) => ({ topic: name, numPartitions: PARTITIONS[kind] }));
      await admin.createTopics({ topics, waitForLeaders: false });
      for (const { topic } of topics) await untilLed(admin, topic, 60_000);
    });
    const ready = await Promise.all([this.server, ...this.consumers].map((process) => process.start()));
    if (ready.includes(false)) throw new Error(`a process did not get ready; what they said is in ${this.folder}`);
  }

  startLoad(options: { clients: number; pauseMs: number }): void {
    const settings: LoadSettings = {
      ...options,
      port: this.port,
      seed: this.settings.seed,
      topics: this.settings.topics,
      file: join(this.folder, "sends.jsonl"),
      patienceMs: this.settings.deliveryTimeoutMs + 20_000,
    };
    const path = join(this.folder, "load.json");
    Deno.writeTextFileSync(path, JSON.stringify(settings));
    this.#load = new Deno.Command(Deno.execPath(), {
      args: ["run", ...PERMISSIONS, join(import.meta.dirname!, "load.ts"), path],
      stdin: "piped",
    }).spawn();
    this.#loadInput = this.#load.stdin.getWriter();
  }

  /** For so many ms, more is sent than the buffer holds while Kafka does not take it. */
  async flood(ms: number): Promise<void> {
    await this.#loadInput?.write(new TextEncoder().encode(`flood ${ms}\n`));
  }

  /** Waits for the last answers. @throws {Error} when the load itself failed */
  async stopLoad(): Promise<void> {
    if (!this.#load) return;
    await this.#loadInput!.close();
    const { code } = await this.#load.status;
    this.#load = undefined;
    if (code !== 0) throw new Error(`the load ended with exit code ${code}`);
  }

  noteBroker(index: number, event: ProcessEvent["event"], more: Partial<ProcessEvent> = {}): void {
    const life = event === "start" ? ++this.#brokerLives[index] : this.#brokerLives[index];
    this.processes.add({ t: Date.now(), process: `broker-${index + 1}`, life, event, ...more });
  }

  #serverProgram() {
    const { deliveryTimeoutMs, shutdownTimeoutMs } = this.settings;
    return {
      name: "server",
      args: ["run", ...PERMISSIONS, join(ROOT, "server.ts")],
      env: () => ({
        KAFKA_BROKERS: this.cluster.bootstrap,
        KAFKA_TOPIC: this.topic("names"),
        KAFKA_CREATE_TOPIC: "false",
        KAFKA_DELIVERY_TIMEOUT_MS: String(deliveryTimeoutMs),
        KAFKA_BUFFER_BYTES: String(BUFFER_BYTES),
        SHUTDOWN_TIMEOUT_MS: String(shutdownTimeoutMs),
        HTTP_PORT: String(this.port),
        HTTP_ACCESS_LOG: "false",
        LOG_FORMAT: "json",
      }),
      log: (life: number) => join(this.folder, `server-${life}.log`),
      ready: /"message":"listening on /,
      guardDir: this.#guardDir,
    };
  }

  #consumerProgram(name: string) {
    const topics = this.settings.topics.flatMap((topic) => ["--topic", topic.name]);
    const handler = join(import.meta.dirname!, "recording_handler.ts");
    const flags = ["--group", this.settings.group, "--handler", handler, "--max-attempts", "1000"];
    const times = ["--session-timeout-ms", "6000", "--rebalance-timeout-ms", "10000", "--retry-backoff-ms", "50"];
    return {
      name: `consumer-${name}`,
      args: [
        "run",
        ...PERMISSIONS,
        join(ROOT, "consumer.ts"),
        ...topics,
        ...flags,
        ...times,
        "--fetch-bytes",
        "200000",
      ],
      env: (life: number) => ({
        KAFKA_BROKERS: this.cluster.bootstrap,
        KAFKA_CLIENT_ID: `consumer-${name}`,
        SHUTDOWN_TIMEOUT_MS: String(this.settings.shutdownTimeoutMs),
        LOG_FORMAT: "json",
        FAULTS_HANDLED: join(this.folder, `handled-${name}-${life}.jsonl`),
        ...(name === "B" && { FAULTS_BATCH: "1" }),
      }),
      log: (life: number) => join(this.folder, `consumer-${name}-${life}.log`),
      ready: /"message":"assigned /,
      guardDir: this.#guardDir,
    };
  }

  /** Ends whatever still runs, at once; not the cluster. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#load?.kill("SIGKILL");
    } catch {
      // It has ended in the meantime.
    }
    await this.#load?.status;
    await Promise.all([this.server, ...this.consumers].map((process) => process[Symbol.asyncDispose]()));
    await this.#guard.stdin.close(); // it removes its folder
    await this.#guard.status;
    this.faults[Symbol.dispose]();
    this.processes[Symbol.dispose]();
  }
}

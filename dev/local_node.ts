/**
 * One Kafka process: a broker that is also a KRaft controller.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { probeKafka } from "./kafka_probe.ts";
import { run } from "./run.ts";

/** How long a node may take to answer: far longer than it does (seconds), for slow and busy machines. */
const START_TIMEOUT = 120_000;
/** How long an orderly stop may take. The first may write an archive of classes, too, see class_archive.ts. */
const STOP_TIMEOUT = 20_000;

/** Says who it is to guard.sh, unless that is not waiting any more. $0: the guard's folder, $1: a name for the process. */
const UNDER_GUARD = 'echo $$ >"$0/$1.pid" && [ ! -e "$0/closed" ] && ';
/** Then runs the command that follows. */
const GUARDED = UNDER_GUARD + 'shift && exec "$@"';
/** Then becomes Kafka, and leaves a note with its data for {@linkcode LocalNode.start}. */
const GUARDED_KAFKA = UNDER_GUARD + 'echo "$$ $0" >kafka.pid && shift && exec "$@" >>kafka.log 2>&1';

/** Under the C locale Java on Linux cannot open a jar in a folder with a Chinese name. */
const LOCALE = { LC_ALL: "C.UTF-8" };

/** Has no meaning for Java; it shows in a list of processes whose Kafka this is. */
const FOLDER_OPTION = "-Dkafka.logs.dir=";

/** What a node is made of. */
export interface NodeSettings {
  readonly id: number;
  /** Of clients, on 127.0.0.1. */
  readonly port: number;
  /** Its settings, its log and, in `data`, its data. */
  readonly folder: string;
  /** Where guard.sh looks for process ids. */
  readonly guardDir: string;
  readonly clusterId: string;
  readonly properties: Record<string, string>;
  /** Runs a class of Kafka's: `java`, its options and its class path. */
  readonly java: readonly string[];
  /** Options of this node's Java on top. */
  readonly javaOptions: readonly string[];
}

/** One Kafka process of a local cluster. It can be stopped, killed and started again, on the same ports and data. */
export class LocalNode {
  readonly #settings: NodeSettings;
  #child: Deno.ChildProcess | undefined;
  #exited: Promise<Deno.CommandStatus> | undefined;
  #running = false;
  /** Whether we have asked the process to end. */
  #asked = false;
  readonly #crashed = Promise.withResolvers<Deno.CommandStatus>();
  /** How long the log was when the process started: what came before is of no interest when it fails. */
  #logStart = 0;

  constructor(settings: NodeSettings) {
    this.#settings = settings;
  }

  /** Its `node.id`, from 1. */
  get id(): number {
    return this.#settings.id;
  }
  /** Where it listens for clients, on 127.0.0.1. Clients may have been told another, see `advertisedPorts`. */
  get port(): number {
    return this.#settings.port;
  }
  /** Path of its log file. */
  get log(): string {
    return `${this.#settings.folder}/kafka.log`;
  }
  /** Of the process that runs, or ran last. */
  get pid(): number {
    return this.#started().pid;
  }
  /** Resolves when the process that runs, or ran last, has ended. */
  get exited(): Promise<Deno.CommandStatus> {
    this.#started();
    return this.#exited!;
  }

  /** Resolves when a process has ended that neither {@linkcode stop} nor {@linkcode kill} had asked to. */
  get crashed(): Promise<Deno.CommandStatus> {
    return this.#crashed.promise;
  }
  /** Whether there is a process. */
  get running(): boolean {
    return this.#running;
  }

  /** Sends any signal, SIGSTOP and SIGCONT among them; a process that has ended gets none. */
  signal(name: Deno.Signal): void {
    if (this.#running) this.#started().kill(name);
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#asked = true;
    this.signal("SIGKILL");
    await this.#exited;
  }

  /** An orderly stop: SIGTERM, and SIGKILL when that takes longer than 20 s. Returns how the process ended. */
  async stop(): Promise<Deno.CommandStatus | undefined> {
    this.#asked = true;
    this.signal("SIGTERM");
    this.signal("SIGCONT"); // a process that was stopped with SIGSTOP only notices when it goes on
    const timer = setTimeout(() => this.signal("SIGKILL"), STOP_TIMEOUT);
    const status = await this.#exited;
    clearTimeout(timer);
    return status;
  }

  /**
   * Starts it, again or for the first time, and waits until it answers and topics can be created. In a cluster without
   * a majority that is when enough others are started, too.
   *
   * @param options.brokers How many brokers must be there; 1 by default
   * @throws {Error} with the last lines of the log when it ends, or does not answer within two minutes
   */
  async start(options: { brokers?: number; signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running) return;
    await this.#dataAreFree(options);
    await this.#format(options);
    await this.#write("server.properties", this.#settings.properties);
    this.#logStart = await Deno.stat(this.log).then(({ size }) => size, () => 0);
    this.#spawn();
    await this.#answers(options);
  }

  /** What its log says since it was started: the fatal error, if there is one, and the last lines; some 20 in all. */
  async logTail(): Promise<string> {
    const bytes = await Deno.readFile(this.log).catch(() => new Uint8Array());
    const log = new TextDecoder().decode(bytes.subarray(bytes.length < this.#logStart ? 0 : this.#logStart));
    return tellingLines(log.trimEnd().split("\n")).join("\n");
  }

  #started(): Deno.ChildProcess {
    if (!this.#child) throw new Error(`Kafka node ${this.id} was never started`);
    return this.#child;
  }

  /**
   * Two Kafkas on the same data damage them: each writes the metadata log before it looks at the other's lock.
   * One whose program was killed is being stopped by the guard, and waited for.
   */
  async #dataAreFree({ signal }: { signal?: AbortSignal }): Promise<void> {
    const { folder } = this.#settings;
    for (;;) {
      const note = await Deno.readTextFile(`${folder}/kafka.pid`).catch(() => "");
      const [pid, guardDir] = note.trimEnd().split(/ (.*)/s);
      if (!pid || !await runsIn(folder, { pid, signal })) return;
      if (await exists(guardDir) && !await exists(`${guardDir}/closed`)) {
        throw new Error(
          `The data in ${folder} are in use by another Kafka (process ${pid}); expected nobody to use them. ` +
            `Use that Kafka, stop it, or name another data folder.`,
        );
      }
      await sleep(100, undefined, { signal });
    }
  }

  /** Gives an empty folder the identity of this node. StorageTool writes meta.properties last. */
  async #format({ signal }: { signal?: AbortSignal }): Promise<void> {
    const { id, folder, guardDir, clusterId, properties, java } = this.#settings;
    await Deno.mkdir(folder, { recursive: true });
    if (await exists(`${folder}/data/meta.properties`)) return;
    await Deno.remove(`${folder}/data`, { recursive: true }).catch(() => {}); // a format that was cut short
    await this.#write("server.properties", properties);
    const [command, ...options] = java;
    const format = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", "server.properties"];
    const { code, output } = await run(
      "sh",
      ["-c", GUARDED, guardDir, `format-${id}`, command, "-XX:TieredStopAtLevel=1", ...options, ...format],
      { cwd: folder, env: LOCALE, signal },
    ).finally(() => Deno.remove(`${guardDir}/format-${id}.pid`).catch(() => {}));
    if (code !== 0) throw new Error(`Kafka could not format its folder ${folder} (exit code ${code}):\n${output}`);
  }

  async #write(name: string, properties: Record<string, string>): Promise<void> {
    const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
    await Deno.writeTextFile(`${this.#settings.folder}/${name}`, lines.join(""));
  }

  #spawn(): void {
    const { id, folder, guardDir, java, javaOptions } = this.#settings;
    const command = [...java, ...javaOptions, FOLDER_OPTION + folder, "kafka.Kafka", "server.properties"];
    this.#child = new Deno.Command("sh", {
      args: ["-c", GUARDED_KAFKA, guardDir, `node-${id}`, ...command],
      cwd: folder,
      env: LOCALE,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true, // a session of its own: a Ctrl-C in the terminal is for the program that started us
    }).spawn();
    this.#running = true;
    this.#asked = false;
    this.#exited = this.#child.status.then(async (status) => {
      this.#running = false;
      if (!this.#asked) this.#crashed.resolve(status);
      await Deno.remove(`${guardDir}/node-${id}.pid`).catch(() => {});
      return status;
    });
  }

  async #answers({ brokers, signal }: { brokers?: number; signal?: AbortSignal }): Promise<void> {
    const over = new AbortController();
    const late = AbortSignal.timeout(START_TIMEOUT);
    const ends = AbortSignal.any([over.signal, late, ...(signal ? [signal] : [])]);
    const ended = this.exited.then((status) => ({ kind: "ended", status }) as const);
    let last = "it does not listen";
    try {
      for (;;) {
        const found = await Promise.race([probeKafka(`127.0.0.1:${this.port}`, { brokers, signal: ends }), ended]);
        if (found.kind === "kafka") return;
        if (found.kind === "ended") throw await this.#failure(`ended with ${outcome(found.status)}`);
        last = found.reason;
        await sleep(50, undefined, { signal: ends });
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (late.aborted) throw await this.#failure(`was not ready within ${START_TIMEOUT / 1000} s (${last})`);
      throw error;
    } finally {
      over.abort();
    }
  }

  async #failure(what: string): Promise<Error> {
    return new Error(
      `Kafka node ${this.id} ${what}; expected it to answer on localhost:${this.port}.\n` +
        `Its log (${this.log}) ends with:\n${await this.logTail()}`,
    );
  }
}

/** After a fatal error Kafka writes hundreds of lines about how it shuts down, and stack traces are as long. */
function tellingLines(log: string[]): string[] {
  const lines = log.filter((line) => !/^\s+at |^\s*\.\.\. \d+ more/.test(line));
  const fatal = lines.findIndex((line) => / (ERROR|FATAL) .*fatal/i.test(line));
  const error = fatal >= 0 ? fatal : lines.findIndex((line) => line.includes(" ERROR "));
  if (error === -1 || error >= lines.length - 20) return lines.slice(-20);
  return [...lines.slice(error, error + 10), "…", ...lines.slice(-10)];
}

function outcome({ code, signal }: Deno.CommandStatus): string {
  return signal ? `signal ${signal}` : `exit code ${code}`;
}

/** Whether a process is a Kafka of this folder: process ids are given again. */
async function runsIn(folder: string, { pid, signal }: { pid: string; signal?: AbortSignal }): Promise<boolean> {
  const { output } = await run("ps", ["-ww", "-o", "args=", "-p", pid], { signal });
  return output.includes(`${FOLDER_OPTION}${folder} `);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

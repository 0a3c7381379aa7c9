/**
 * Our processes under test: the server and the consumers, started again after each of their deaths, with a note of
 * whatever happens to them.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Journal, ProcessEvent } from "./history.ts";

/** How a process is started. */
export interface Program {
  /** `server`, `consumer-A`. */
  name: string;
  /** The arguments of `deno`. */
  args: string[];
  /** Its settings, for its nth life. */
  env: (life: number) => Record<string, string>;
  /** Where what it says goes, for its nth life. */
  log: (life: number) => string;
  /** Whether a line of it says that it is at work. */
  ready: RegExp;
  /** Where the guard looks for process ids: it ends those that outlive us. */
  guardDir: string;
}

/** Writes its process id where the guard looks ($0), then becomes the command. */
const BECOME = 'echo $$ >"$0" && exec "$@"';

/** Before a process that ended unasked is started again, in ms. */
const PAUSE_MS = 1_000;
const READY_MS = 60_000;

/** A process and its successors. */
export class Supervised implements AsyncDisposable {
  readonly name: string;
  life = 0;
  readonly #program: Program;
  readonly #journal: Journal<ProcessEvent>;
  #child: Deno.ChildProcess | undefined;
  #exited: Promise<Deno.CommandStatus> | undefined;
  #ready: Promise<boolean> = Promise.resolve(false);
  #asked = false;
  #over = false;

  constructor(program: Program, journal: Journal<ProcessEvent>) {
    this.name = program.name;
    this.#program = program;
    this.#journal = journal;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the next life. Resolves when it is ready, or has ended, to whether it is. */
  start(): Promise<boolean> {
    const life = ++this.life;
    this.#asked = false;
    this.note("start");
    const { guardDir, args } = this.#program;
    const child = new Deno.Command("sh", {
      args: ["-c", BECOME, join(guardDir, `${this.name}.pid`), Deno.execPath(), ...args],
      env: { ...neutralEnvironment(), NO_COLOR: "1", ...this.#program.env(life) },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    const said = this.#keepLog(child, life);
    this.#exited = child.status.then(async (status) => {
      await said.done;
      if (this.#child === child) this.#child = undefined;
      this.note("exit", { code: status.code, signal: status.signal ?? undefined, asked: this.#asked });
      if (!this.#asked && !this.#over) void sleep(PAUSE_MS).then(() => this.#over || this.start());
      return status;
    });
    return this.#ready = Promise.race([said.ready, sleep(READY_MS, false, { ref: false })]);
  }

  /** Whether it is at work, once that is decided. */
  whenReady(): Promise<boolean> {
    return this.#ready;
  }

  /** Sends a signal, and notes it first. Those that end it are then no surprise. */
  signal(name: Deno.Signal): void {
    if (!this.#child) return;
    if (name === "SIGKILL" || name === "SIGTERM") this.#asked = true;
    this.note("signal", { signal: name });
    try {
      this.#child.kill(name);
    } catch {
      // It has ended in the meantime.
    }
  }

  /** Resolves when the life at hand has ended. */
  async ended(): Promise<Deno.CommandStatus | undefined> {
    return await this.#exited;
  }

  note(event: ProcessEvent["event"], more: Partial<ProcessEvent> = {}): void {
    this.#journal.add({ t: Date.now(), process: this.name, life: this.life, event, ...more });
  }

  /** Asks it to stop, for good; kills it when that takes longer than `ms`. */
  async finish(ms: number): Promise<void> {
    this.#over = true;
    const child = this.#child;
    if (!child) return;
    this.signal("SIGTERM");
    const ended = await Promise.race([this.#exited!.then(() => true), sleep(ms, false, { ref: false })]);
    if (ended) return;
    this.signal("SIGKILL");
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // It has ended in the meantime.
    }
    await this.#exited;
  }

  /** Writes what it says to its log, byte for byte. */
  #keepLog(child: Deno.ChildProcess, life: number): { ready: Promise<boolean>; done: Promise<void> } {
    const { promise: ready, resolve } = Promise.withResolvers<boolean>();
    const copy = async () => {
      using log = Deno.openSync(this.#program.log(life), { create: true, append: true, write: true });
      const decoder = new TextDecoder();
      let head: string | undefined = "";
      for await (const chunk of child.stderr) {
        for (let at = 0; at < chunk.length;) at += log.writeSync(chunk.subarray(at));
        if (head === undefined) continue;
        head += decoder.decode(chunk, { stream: true });
        if (!this.#program.ready.test(head)) continue;
        head = undefined;
        if (this.life === life) this.note("ready");
        resolve(true);
      }
      resolve(false);
    };
    return { ready, done: copy() };
  }
}

/** What a developer has set in their shell does not reach the processes under test. */
function neutralEnvironment(): Record<string, string> {
  const ours = /^(KAFKA|HTTP|LOG|SHUTDOWN)_/;
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !ours.test(name)));
}

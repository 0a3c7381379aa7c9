/**
 * What tests wait for: a condition, a free port, a line of a script's output. Every wait has an end, and says what it
 * waited for when it comes to it. The seeded random generator that makes a run repeatable lives here too.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../dev/ports.ts";

/** How long {@linkcode waitFor} goes on, and what it says when that was not enough. */
export interface WaitOptions {
  /** Completes the sentence "waited ... ms for": "the record to arrive". */
  what: string;
  /** Milliseconds; 10,000 by default. */
  timeout?: number;
  /** Ends the wait early, with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Asks every 20 ms until the condition's result is truthy, and returns that result. A condition that throws counts as
 * "not yet"; its last error becomes the `cause`.
 *
 * @throws {Error} when the time is up, also while the condition itself is still waiting.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, timeout = 10_000, signal }: WaitOptions,
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  using timer = deadline(timeout, signal);
  let cause: unknown;
  while (!timer.signal.aborted) {
    try {
      const result = await Promise.race([condition(), timer.passed]);
      if (result) {
        return result as Exclude<T, false | null | undefined | 0 | "">;
      }
    } catch (error) {
      cause = error;
    }
    await sleep(20, undefined, { signal: timer.signal }).catch(() => {});
  }
  signal?.throwIfAborted();
  throw new Error(`waited ${timeout} ms for ${what}, in vain`, { cause });
}

/** A time limit that leaves no timer behind: `passed` resolves (it never rejects) when the time is up or the signal aborts. */
function deadline(ms: number, outer?: AbortSignal) {
  const { promise: passed, resolve } = Promise.withResolvers<undefined>();
  const controller = new AbortController();
  const end = () => (controller.abort(), resolve(undefined));
  const timer = setTimeout(end, ms);
  if (outer?.aborted) end();
  outer?.addEventListener("abort", end);
  return {
    passed,
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      outer?.removeEventListener("abort", end);
    },
  };
}

/** A port of 127.0.0.1 on which nothing listens; {@linkcode freePorts} for several that differ. */
export function freePort(): number {
  return freePorts(1)[0];
}

/** Random numbers that come out the same for the same seed. */
export interface Random {
  /** At least 0, below 1. */
  next(): number;
  /** At least `min`, below `max`, with fractions. */
  between(min: number, max: number): number;
  /** A whole number, both ends included. */
  integer(min: number, max: number): number;
  pick<T>(items: readonly T[]): T;
}

/** The generator for one run; print the seed, so that the run can be repeated. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  // A Weyl sequence (the odd step visits all 2^32 states) whose every value is scrambled by MurmurHash3's finalizer.
  function next(): number {
    state = (state + 0x9e3779b9) >>> 0;
    let hash = state;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
  }
  return {
    next,
    between: (min, max) => min + next() * (max - min),
    integer: (min, max) => min + Math.floor(next() * (max - min + 1)),
    pick: (items) => items[Math.floor(next() * items.length)],
  };
}

/** How {@linkcode startScript} runs its process. */
export interface ScriptOptions {
  /** Settings, added to the inherited environment from which ours (`KAFKA_`, `HTTP_`, `LOG_`, ...) are taken out. */
  env?: Record<string, string>;
  /** The working folder; the test's own by default. */
  cwd?: string;
}

/** A running process; disposing kills it. */
export interface Script extends AsyncDisposable {
  readonly pid: number;
  readonly stdoutLines: string[];
  readonly stderrLines: string[];
  /** Resolves when the process has ended and its output is read. */
  readonly exit: Promise<Deno.CommandStatus>;
  /**
   * The first line of either output, past or to come, that matches; rejects with the output when the process ends
   * first, or after `timeout` ms (20,000 by default).
   */
  line(
    pattern: RegExp,
    options?: { timeout?: number },
  ): Promise<RegExpMatchArray>;
  signal(name: Deno.Signal): void;
  /** Writes to its standard input. */
  write(text: string): Promise<void>;
  /** Ends its standard input. */
  closeInput(): Promise<void>;
  /** The last lines of both outputs in the order they came, for failure messages. */
  tail(count?: number): string;
}

/**
 * Starts `deno` with the given arguments, as in `startScript(["run", "-P", "server.ts"], { env: { HTTP_PORT: "0" } })`.
 * What a developer has set in their shell does not reach the script: only `env` does.
 */
export function startScript(
  args: string[],
  { env = {}, cwd }: ScriptOptions = {},
): Script {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    clearEnv: true,
    env: { ...neutralEnvironment(), NO_COLOR: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return new ScriptProcess(child, `deno ${args.join(" ")}`);
}

function neutralEnvironment(): Record<string, string> {
  const ours = /^(KAFKA|HTTP|LOG|SHUTDOWN)_/;
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !ours.test(name)),
  );
}

class ScriptProcess implements Script {
  readonly stdoutLines: string[] = [];
  readonly stderrLines: string[] = [];
  readonly exit: Promise<Deno.CommandStatus>;
  #child: Deno.ChildProcess;
  #name: string;
  #all: string[] = [];
  #ended = false;
  #readers: ReadableStreamDefaultReader<Uint8Array>[];
  #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor(child: Deno.ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    this.#input = child.stdin.getWriter();
    this.#input.closed.catch(() => {}); // a process may end without reading what was written to it
    this.#readers = [child.stdout.getReader(), child.stderr.getReader()];
    const outputs = [this.stdoutLines, this.stderrLines].map((lines, i) => this.#collect(this.#readers[i], lines));
    this.exit = child.status.then(async (status) => {
      // A grandchild may hold the pipe open: what is not there a second after the end is not waited for.
      const stop = setTimeout(
        () => this.#readers.forEach((reader) => reader.cancel()),
        1_000,
      );
      await Promise.all(outputs);
      clearTimeout(stop);
      this.#ended = true;
      return status;
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  async #collect(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    lines: string[],
  ): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const parts = rest.split("\n");
      rest = done ? "" : parts.pop()!;
      if (done && parts.at(-1) === "") parts.pop();
      lines.push(...parts);
      this.#all.push(...parts);
      if (done) return;
    }
  }

  async line(
    pattern: RegExp,
    { timeout = 20_000 } = {},
  ): Promise<RegExpMatchArray> {
    let seen = 0;
    const match = await waitFor(() => {
      const ended = this.#ended; // read before the lines, so that none is missed
      for (; seen < this.#all.length; seen++) {
        const match = this.#all[seen].match(pattern);
        if (match) return { match };
      }
      return ended ? { match: null } : undefined;
    }, { what: `a line like ${pattern} from ${this.#name}`, timeout }).catch(
      (error) => {
        throw new Error(
          `${error.message}; its output ends with:\n${this.tail()}`,
          { cause: error },
        );
      },
    );
    if (match.match) return match.match;
    const { code, signal } = await this.exit;
    throw new Error(
      `${this.#name} ended (code ${code}, signal ${signal}) without a line like ${pattern}; its output ends with:\n${this.tail()}`,
    );
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  async closeInput(): Promise<void> {
    await this.#input.close();
  }

  tail(count = 40): string {
    return this.#all.slice(-count).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) {
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // It ended by itself in the meantime.
      }
    }
    await this.exit;
    await this.#input.abort().catch(() => {});
  }
}

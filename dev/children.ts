/**
 * Scripts of ours as child processes, with labelled output.
 *
 * @module
 */
import { join } from "node:path";
import { CACHE_DIR } from "./jars.ts";

/** Cleans up when we are gone, however that came about. */
const GUARD = join(import.meta.dirname!, "kafka", "guard.sh");
/** Writes down its process id where the guard looks ($0), then becomes the command. */
const BECOME = 'echo $$ >"$0" && exec "$@"';
/** How much of a child's last output is kept for the moment when it crashes. */
const TAIL_LINES = 10;

/** A script to run. */
export interface Script {
  label: string;
  /** Arguments of `deno`. */
  args: readonly string[];
  env: Record<string, string>;
  /** How long it may take from SIGTERM to its end, in ms; then it is killed. */
  stopTimeoutMs: number;
  /** Told each line of its output. Default: it is printed with the label. */
  onLine?: (line: string) => void;
}

/** A child that runs, or has run. */
export interface Child {
  readonly label: string;
  readonly tail: readonly string[];
  readonly ended: Promise<Deno.CommandStatus>;
  /** Resolves with the first line from now on that matches. */
  says(pattern: RegExp): Promise<string>;
  /** Sends any signal; a process that has ended gets none. */
  signal(name: Deno.Signal): void;
  /** Asks it to end, and sees to it that it does. */
  stop(): Promise<void>;
}

/**
 * Runs scripts so that they end with us: a Ctrl-C in the terminal reaches us alone (they have sessions of their own),
 * and when we are killed, the guard ends them.
 */
export class Children implements AsyncDisposable {
  readonly #runDir = join(CACHE_DIR, `run-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`);
  readonly #guard: Deno.ChildProcess;
  readonly #children: Child[] = [];
  readonly #print: (label: string, line: string) => void;

  /** @param print told each line of output, and whose it is */
  constructor(print: (label: string, line: string) => void) {
    this.#print = print;
    this.#guard = new Deno.Command("sh", {
      args: [GUARD, this.#runDir],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    Deno.mkdirSync(this.#runDir, { recursive: true });
  }

  /** Starts a script. */
  start({ label, args, env, stopTimeoutMs, onLine }: Script): Child {
    const child = new Deno.Command("sh", {
      args: ["-c", BECOME, join(this.#runDir, `${label}.pid`), Deno.execPath(), ...args],
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    const tail: string[] = [];
    const waiting = new Set<(line: string) => void>();
    const tellAll = (line: string) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      for (const tell of waiting) tell(line);
      if (onLine) onLine(line);
      else this.#print(label, line);
    };
    const output = [child.stdout, child.stderr].map((stream) => forEachLine(stream, tellAll));
    const ended = Promise.all([child.status, ...output]).then(([status]) => status);
    const says = (pattern: RegExp) =>
      new Promise<string>((resolve) => {
        const tell = (line: string) => pattern.test(line) && waiting.delete(tell) && resolve(line);
        waiting.add(tell);
      });
    const signal = (name: Deno.Signal) => kill(child, name);
    const stop = async () => {
      const timer = setTimeout(() => kill(child, "SIGKILL"), stopTimeoutMs);
      kill(child, "SIGTERM");
      kill(child, "SIGCONT"); // one that was stopped with SIGSTOP only notices when it goes on
      await ended;
      clearTimeout(timer);
    };
    this.#children.push({ label, tail, ended, says, signal, stop });
    return this.#children.at(-1)!;
  }

  /** Resolves with the first child that ends. */
  firstToEnd(): Promise<{ child: Child; status: Deno.CommandStatus }> {
    return Promise.race(this.#children.map((child) => child.ended.then((status) => ({ child, status }))));
  }

  /** Stops all, the one that was started last first. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) await child.stop();
    await this.#guard.stdin.close();
    await this.#guard.status;
  }
}

async function forEachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    lines.forEach(onLine);
  }
  if (rest) onLine(rest);
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}

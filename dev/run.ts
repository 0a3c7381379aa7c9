/**
 * Running the programs that a local Kafka needs.
 *
 * @module
 */

/** Something that must be installed or repaired by hand is not there; the message says what, and how. */
export class UnavailableError extends Error {
  override name = "UnavailableError";
}

/** How a program ended, and all it wrote. */
export interface RunResult {
  readonly code: number;
  /** Standard output, then standard error. */
  readonly output: string;
}

/** Settings of {@linkcode run}. */
export interface RunOptions {
  cwd?: string;
  /** Added to the inherited environment. */
  env?: Record<string, string>;
  /** Ends the program with SIGTERM. */
  signal?: AbortSignal;
}

/**
 * Runs a program to its end. One that does not exist has code 127.
 *
 * The shell starts it, so that `--allow-run=sh` is all the permission needed: JAVA_HOME may point anywhere.
 *
 * @throws the signal's reason when it aborts
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'exec "$0" "$@"', command, ...args],
    stdin: "null",
    ...options,
  }).output();
  options.signal?.throwIfAborted();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/**
 * The servers of `bench/http.ts`: each runs as a process of its own, for one run.
 *
 * @module
 */
import { freePorts } from "../dev/ports.ts";
import denoJson from "../deno.json" with { type: "json" };
import { ROOT } from "./tools.ts";
import { type Usage, usageOf } from "./usage.ts";

/** How long a server may take until it answers, in ms. */
const START_MS = 30_000;
/** How often it is asked, in ms; more often would take from its start. */
const POLL_MS = 5;

/** A server that answers. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  /** From its process's start until it was ready. */
  readonly startMs: number;
  /** What it has used up to now. */
  usage(): Usage;
}

/** How a server is started. */
export interface ServerSetup {
  /** `deno` is the one that runs us. The port to listen on is in HTTP_PORT, and in place of `PORT`. */
  command: readonly string[];
  env?: Record<string, string>;
  /** Is answered with 200 when the server is ready. */
  readyPath: string;
}

/** The bare echo. */
export const ECHO: ServerSetup = {
  command: ["deno", "run", "--allow-net", "bench/http_echo.ts", "PORT"],
  readyPath: "/",
};

/** Our server as `deno task serve` runs it, with its defaults; what it logs goes nowhere. */
export function ours(bootstrap: string, topic: string): ServerSetup {
  const command = denoJson.tasks.serve.split(" ");
  return { command, env: { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic }, readyPath: "/readyz" };
}

/** Our producer behind a bare `Deno.serve`. */
export function producerAlone(bootstrap: string, topic: string): ServerSetup {
  const command = ["deno", "run", "--allow-net", "--allow-env", "--allow-read", "bench/http_producer.ts"];
  return { command, env: { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic }, readyPath: "/" };
}

/** Starts a server. @throws {Error} when it ends, or does not get ready */
export async function startServer({ command, env, readyPath }: ServerSetup): Promise<Server> {
  const [port] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const [program, ...args] = command.map((word) => word === "PORT" ? String(port) : word);
  const start = performance.now();
  const child = new Deno.Command(program === "deno" ? Deno.execPath() : program, {
    args,
    cwd: ROOT,
    env: { ...env, HTTP_PORT: String(port) },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let code: number | undefined;
  const ended = child.status.then((status) => code = status.code);
  const stop = async () => {
    if (code === undefined) child.kill("SIGTERM");
    await ended;
  };
  while (!await fetch(url + readyPath).then((response) => response.text().then(() => response.ok), () => false)) {
    if (code === undefined && performance.now() < start + START_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      continue;
    }
    const how = code === undefined ? `${START_MS} ms passed` : `it ended with exit code ${code}`;
    await stop();
    throw new Error(`${command.join(" ")} did not get ready (${how}); expected ${readyPath} to be answered with 200`);
  }
  return {
    url,
    startMs: performance.now() - start,
    usage: () => usageOf(child.pid),
    [Symbol.asyncDispose]: stop,
  };
}

/** Several processes of our server that share a port. */
export async function startShared(
  { bootstrap, topic, count }: { bootstrap: string; topic: string; count: number },
): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const [port] = freePorts(1);
  const { command, env, readyPath } = ours(bootstrap, topic);
  const [deno, run, ...rest] = command;
  const setup = {
    // Deno 2.9 offers shared ports behind this flag.
    command: [deno, run, "--unstable-net", "--preload=./bench/shared_port.ts", ...rest],
    env: { ...env, HTTP_SHARED_PORT: String(port) },
    readyPath,
  };
  const servers: Server[] = [];
  for (let i = 0; i < count; i++) servers.push(stack.use(await startServer(setup)));
  const owned = stack.move();
  return {
    url: `http://127.0.0.1:${port}`,
    startMs: Math.max(...servers.map(({ startMs }) => startMs)),
    usage: () => servers.map((server) => server.usage()).reduce(addUsage),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function addUsage(a: Usage, b: Usage): Usage {
  return { rssBytes: a.rssBytes + b.rssBytes, cpuSeconds: a.cpuSeconds + b.cpuSeconds };
}

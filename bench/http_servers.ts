/**
 * The servers of `bench/http.ts`: each runs as a process of its own, for one run.
 *
 * @module
 */
import { freePorts } from "../dev/ports.ts";
import denoJson from "../deno.json" with { type: "json" };

/** How long a server may take until it answers, in ms. */
const START_MS = 30_000;
const ROOT = new URL("..", import.meta.url).pathname;

/** A server that answers. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  /** What it has used up to now. */
  usage(): Promise<Usage>;
}

/** What a process takes. */
export interface Usage {
  rssBytes: number;
  cpuSeconds: number;
}

/** How a server is started. */
export interface ServerSetup {
  /** After `deno run`; the port to listen on is found in HTTP_PORT and in place of `PORT`. */
  args: readonly string[];
  env: Record<string, string>;
  /** Is answered with 200 when the server is ready. */
  readyPath: string;
}

/** The bare echo. */
export const ECHO: ServerSetup = {
  args: ["--allow-net", "--allow-env", "bench/http_echo.ts", "PORT"],
  env: {},
  readyPath: "/",
};

/** Our server as `deno task serve` runs it, with its defaults; what it logs goes nowhere. */
export function ours(bootstrap: string, topic: string): ServerSetup {
  const args = denoJson.tasks.serve.split(" ").slice(2);
  return { args, env: { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic }, readyPath: "/readyz" };
}

/** Starts a server. @throws {Error} when it ends, or does not get ready */
export async function startServer({ args, env, readyPath }: ServerSetup): Promise<Server> {
  const [port] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...args.map((arg) => arg === "PORT" ? String(port) : arg)],
    cwd: ROOT,
    env: { ...env, HTTP_PORT: String(port) },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
  };
  let code: number | undefined;
  void child.status.then((status) => code = status.code);
  const end = performance.now() + START_MS;
  while (!await fetch(url + readyPath).then((response) => response.text().then(() => response.ok), () => false)) {
    if (code === undefined && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    if (code === undefined) await stop();
    throw new Error(`deno run ${args.join(" ")} did not get ready; expected ${readyPath} to be answered with 200`);
  }
  return {
    url,
    async usage() {
      const text = await (await fetch(`${url}/metrics`)).text();
      const of = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)![1]);
      return { rssBytes: of("process_resident_memory_bytes"), cpuSeconds: of("process_cpu_seconds_total") };
    },
    [Symbol.asyncDispose]: stop,
  };
}

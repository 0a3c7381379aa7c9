/**
 * The tests' proxy in a process of its own, so that what it takes is not taken from those who are measured.
 *
 *     deno run --allow-net bench/proxy.ts LISTEN TARGET LATENCY_MS
 *
 * @module
 */
import { startProxy } from "../tests/support/proxy.ts";
import { Times } from "./percentiles.ts";
import { ROOT } from "./tools.ts";

/** Where, and how much is added to each round trip. */
export interface ProxyJob {
  port: number;
  target: number;
  latencyMs: number;
}

/** Starts one. @throws {Error} when it ends before it listens */
export async function startProxyProcess({ port, target, latencyMs }: ProxyJob): Promise<AsyncDisposable> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", "bench/proxy.ts", `${port}`, `${target}`, `${latencyMs}`],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const { value } = await child.stdout.values().next(); // it says one line
  if (value === undefined) throw new Error(`the proxy ended with exit code ${(await child.status).code}`);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** An ApiVersions request, version 0, of no client in particular (https://kafka.apache.org/protocol). */
const PING = new Uint8Array([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255]);

/** How long the broker at a port of this machine takes to answer the simplest request, in ms: the median of several. */
export async function roundTrip(port: number): Promise<number> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.setNoDelay();
  const times = new Times();
  const buffer = new Uint8Array(64 << 10);
  for (let i = 0; i < 21; i++) {
    const start = performance.now();
    await connection.write(PING);
    if (await connection.read(buffer) === null) throw new Error(`the broker at port ${port} closed the connection`);
    times.add(performance.now() - start);
  }
  return times.at(0.5);
}

if (import.meta.main) {
  const [port, target, latencyMs] = Deno.args.map(Number);
  const proxy = await startProxy({ port, target: { hostname: "127.0.0.1", port: target } });
  proxy.latency(latencyMs);
  console.log(`listening on ${port}`);
}

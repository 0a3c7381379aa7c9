/**
 * Is the HTTP side's port free, and if not, who is there?
 *
 * @module
 */
import type { Config } from "../config.ts";
import { rootCause } from "../errors.ts";
import { type Finding, note, ok, wrong } from "./finding.ts";

type Place = Pick<Config<"doctor">, "host" | "port" | "tlsCert">;

const TIMEOUT_MS = 3_000;

/** Tries to listen where the server would; if that fails, asks who answers. */
export async function examineHttp({ host, port, tlsCert }: Place): Promise<Finding> {
  const address = `${host}:${port}`;
  try {
    Deno.listen({ hostname: host, port }).close();
    return ok("http", `${address} is free for the server`);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return await whoAnswers({ host, port, tlsCert });
    return wrong(
      "http",
      `nobody can listen on ${address} here: ${rootCause(error)}`,
      "correct HTTP_HOST and HTTP_PORT",
    );
  }
}

async function whoAnswers({ host, port, tlsCert }: Place): Promise<Finding> {
  const name = ["0.0.0.0", "::", "::1"].includes(host) ? "localhost" : host;
  const url = `http${tlsCert ? "s" : ""}://${name}:${port}`;
  const taken = `${host}:${port} is taken by another program`;
  const remedy = "stop that one, or set HTTP_PORT";
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  // Our own certificate is what we look for, whoever signed it.
  using client = Deno.createHttpClient({ caCerts: tlsCert ? [tlsCert] : [] });
  try {
    const health = await fetch(`${url}/healthz`, { client, signal });
    if (await health.text() !== '{"status":"alive"}') return wrong("http", taken, remedy);
    const ready = await fetch(`${url}/readyz`, { client, signal });
    if (ready.ok) return ok("http", `a server of ours answers on ${url}, and is ready`);
    const { message } = await ready.json();
    return note("http", `a server of ours answers on ${url}: ${message}`, "see its log");
  } catch (error) {
    // The name in the certificate need not be the address that we listen on.
    if (/certificate/.test(rootCause(error))) return note("http", `${url} is taken, with another certificate`, remedy);
    return wrong("http", `${taken}, which does not answer as ours would (${rootCause(error)})`, remedy);
  }
}

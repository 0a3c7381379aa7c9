/**
 * Load from wrk (https://github.com/wg/wrk): the same request again and again, on so many connections.
 *
 * @module
 */
import { join } from "node:path";
import { versionOf } from "./results.ts";
import { jsonLines, mustRun, type Tool } from "./tools.ts";

/** One request, sent over and over. */
export interface Load {
  contentType: string;
  body: string;
  /** A connection of its own for every request, as PHP clients do. */
  reconnect?: boolean;
}

/** What wrk saw. Times are in ms. */
export interface Seen {
  requests: number;
  seconds: number;
  p50: number;
  p99: number;
  /** Answers other than 2xx and 3xx, connections that broke, and requests that were not answered. */
  failed: number;
}

/** How hard to press. */
export interface Pressure {
  connections: number;
  seconds: number;
}

/** wrk, where somebody has installed it. */
export async function findWrk(): Promise<Tool> {
  const version = await versionOf("wrk", ["--version"]);
  return version ? { version } : { missing: "wrk is not on PATH (Debian, Ubuntu: apt install wrk)" };
}

/** The command that puts a load on a URL; its body is written into the folder. */
export function wrkCommand(url: string, load: Load, { pressure, folder }: { pressure: Pressure; folder: string }) {
  const { contentType, body, reconnect } = load;
  const name = `${contentType.replaceAll(/\W/g, "-")}-${body.length}${reconnect ? "-reconnect" : ""}`;
  const script = join(folder, `load-${name}.lua`);
  const { connections, seconds } = pressure;
  return { script, command: ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, url] };
}

/** Runs it. @throws {Error} when wrk fails */
export async function putLoad(
  url: string,
  load: Load,
  where: { pressure: Pressure; folder: string },
): Promise<Seen> {
  const { script, command } = wrkCommand(url, load, where);
  await Deno.writeTextFile(script, scriptOf(load));
  return jsonLines<Seen>(await mustRun(command))[0];
}

function scriptOf({ contentType, body, reconnect }: Load): string {
  return `wrk.method = "POST"
wrk.headers["Content-Type"] = "${contentType}"
${reconnect ? 'wrk.headers["Connection"] = "close"' : ""}
wrk.body = [==[${body}]==]
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"failed":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.timeout + e.status))
end
`;
}

/**
 * The same request again and again, on so many connections: by wrk (https://github.com/wg/wrk) where it is installed,
 * which takes the least of the machine, else by ourselves.
 *
 * @module
 */
import { join } from "node:path";
import { Client, type Load, requestBytes } from "./http_client.ts";
import { Times } from "./percentiles.ts";
import { jsonLines, mustRun, shown, versionOf } from "./tools.ts";

/** What came of a load. Times are in ms. */
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

/** Who puts loads on servers. */
export interface Generator {
  /** With its version, for results. */
  name: string;
  /** What a person would do to have the same load. */
  command(url: string, load: Load, pressure: Pressure): string;
  /** Runs it. @throws {Error} when it could not send at all */
  put(url: string, load: Load, pressure: Pressure): Promise<Seen>;
}

/** wrk, or ourselves. What wrk sends it reads from the folder. */
export async function findGenerator(folder: string): Promise<Generator> {
  const version = await versionOf("wrk", ["--version"]);
  return version === undefined ? OWN : wrk(version, folder);
}

function wrk(version: string, folder: string): Generator {
  const script = ({ contentType, body, reconnect }: Load) =>
    join(folder, `load-${contentType.replaceAll(/\W/g, "-")}-${body.length}${reconnect ? "-reconnect" : ""}.lua`);
  const command = (url: string, load: Load, { connections, seconds }: Pressure) => [
    // By default it takes an answer after two seconds for none.
    ...["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "30s", "-s", script(load), url],
  ];
  return {
    name: `wrk ${version}`,
    command: (url, load, pressure) => shown(command(url, load, pressure), { FOLDER: folder }),
    async put(url, load, pressure) {
      await Deno.writeTextFile(script(load), scriptOf(load));
      return jsonLines<Seen>(await mustRun(command(url, load, pressure)))[0];
    },
  };
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

/** Needs nothing installed, but takes a good part of a core itself. */
const OWN: Generator = {
  name: "our own, since wrk is not on PATH (Debian, Ubuntu: apt install wrk)",
  command: (url, { body, reconnect }, { connections, seconds }) =>
    `POST ${url}, ${body.length} bytes, ${connections} connections${reconnect ? " for each round" : ""}, ${seconds} s`,
  async put(address, load, { connections, seconds }) {
    const url = new URL(address);
    const request = requestBytes(url, load);
    const times = new Times();
    let failed = 0;
    const start = performance.now();
    const end = start + seconds * 1_000;
    await Promise.all(Array.from({ length: connections }, async () => {
      using client = new Client(url);
      for (let sentAt = start; sentAt < end; sentAt = performance.now()) {
        const status = await client.send(request).catch(() => 0);
        if (status < 200 || status >= 400) failed++;
        times.add(performance.now() - sentAt);
      }
    }));
    const took = (performance.now() - start) / 1_000;
    return { requests: times.count, seconds: took, p50: times.at(0.5), p99: times.at(0.99), failed };
  },
};

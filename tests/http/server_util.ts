// The server as a process of its own, where a test looks at what the process takes.

import assert from "node:assert/strict";
import { openFiles, peakResidentBytes, residentBytes } from "../support/process_stats.ts";
import { createTopic, sharedKafka } from "../support/kafka.ts";
import { type Script, startScript, waitFor } from "../support/wait.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** A body with one record. */
export const BODY = '{"records":[{"value":1}]}';

/** A server that is ready, and the topic that `/names` writes to. */
export interface Server extends AsyncDisposable {
  script: Script;
  url: string;
  address: Deno.NetAddr;
  topic: string;
  bootstrap: string;
}

/** Starts a server on a topic with three partitions. */
export async function startServer(env: Record<string, string> = {}): Promise<Server> {
  const { bootstrap } = await sharedKafka();
  const topic = await createTopic(bootstrap, { partitions: 3 });
  const script = startScript(["run", "--allow-net", "--allow-env", "--allow-read", "server.ts"], {
    cwd: ROOT,
    env: { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic.name, HTTP_PORT: "0", HTTP_ACCESS_LOG: "false", ...env },
  });
  const [, url] = await script.line(/listening on (http:\/\/[\w.]+:\d+)/);
  await waitFor(async () => (await fetch(`${url}/readyz`).then((r) => (r.body?.cancel(), r))).ok, {
    what: "readiness",
  });
  return {
    script,
    url,
    address: { transport: "tcp", hostname: "127.0.0.1", port: Number(new URL(url).port) },
    topic: topic.name,
    bootstrap,
    async [Symbol.asyncDispose]() {
      await script[Symbol.asyncDispose]();
      await topic[Symbol.asyncDispose]();
    },
  };
}

/** What a server takes of memory now. */
export function megabytes({ script }: Server): number {
  return residentBytes(script.pid) / 2 ** 20;
}

/** The most that a server has taken of memory so far. */
export function peakMegabytes({ script }: Server): number {
  return peakResidentBytes(script.pid) / 2 ** 20;
}

/** Files and sockets that a server has open now. */
export function descriptors({ script }: Server): number {
  return openFiles(script.pid);
}

/** Sends a good request. @throws {assert.AssertionError} with the answer when it is not served */
export async function post({ url, topic }: Server): Promise<void> {
  const response = await fetch(`${url}/topics/${topic}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: BODY,
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
}

/** What a server tells Prometheus. */
export async function metrics({ url }: Server): Promise<string> {
  return await (await fetch(`${url}/metrics`)).text();
}

/** The first lines of a produce request; an empty line ends them. */
export function head({ topic }: Server, more = ""): string {
  return `POST /topics/${topic} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}`;
}

/** A connection on which a test has sent something. */
export async function connect({ address }: Server, text: string): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: address.hostname, port: address.port });
  if (text) await writeAll(connection, new TextEncoder().encode(text));
  return connection;
}

/** Writes all of it, however slowly it is taken. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

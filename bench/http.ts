/**
 * HTTP: requests as clients send them, to our server, to a bare `Deno.serve` that echoes the same JSON, and to
 * endpoints of others.
 *
 * @module
 */
import { integer } from "../settings.ts";
import { benchmark } from "./benchmark.ts";
import type { Contest } from "./contest.ts";
import type { Load } from "./http_client.ts";
import { envelope, httpContestant, type HttpField, type HttpTask } from "./http_contestant.ts";
import { findGenerator } from "./http_load.ts";
import { ECHO, producerAlone, type Server, startServer } from "./http_servers.ts";
import type { Payloads } from "./payloads.ts";
import { findPeers, type Peer, peerVersions } from "./peers.ts";

const RECORD_BYTES = 100;

/** Who takes part, with what. */
interface Field extends HttpField {
  payloads: Payloads;
  peers: readonly Peer[];
}

function singleContest(field: Field): Contest {
  const one = { load: envelope(field.payloads, { records: 1, bytes: RECORD_BYTES }), records: 1 };
  const reconnecting = { ...one, load: { ...one.load, reconnect: true } };
  return contest(field, "one record a request", [
    echo("echo", one),
    { name: "ours, the producer alone", start: startProducer, path: "/", ...one },
    { name: "ours, POST /topics/{topic}", ...one },
    { name: "ours, POST /names", path: "/names", ...one, load: { ...one.load, body: "" } },
    ...peers(field, one),
    echo("echo, a connection each", reconnecting),
    { name: "ours, POST /topics/{topic}, a connection each", ...reconnecting },
  ]);
}

function manyContest(field: Field, records: number): Contest {
  const many = { load: envelope(field.payloads, { records, bytes: RECORD_BYTES }), records };
  return contest(field, `${records} records a request`, [
    echo("echo", many),
    { name: "ours, POST /topics/{topic}", ...many },
    { name: "ours, POST /topics/{topic}, NDJSON", load: ndjson(field.payloads, records), records },
    ...peers(field, many),
  ]);
}

type Sent = Pick<HttpTask, "load" | "records">;

function startProducer(bootstrap: string, topic: string): Promise<Server> {
  return startServer(producerAlone(bootstrap, topic));
}

function echo(name: string, sent: Sent): HttpTask {
  return { name, start: () => startServer(ECHO), path: "/", ...sent };
}

function peers({ peers }: Field, sent: Sent): HttpTask[] {
  return peers.map(({ name, server, tool }) => {
    const start = (bootstrap: string) => startServer(server(bootstrap));
    return { name, start, missing: tool.missing, ...sent };
  });
}

function contest(field: Field, title: string, tasks: readonly HttpTask[]): Contest {
  return { title, contestants: tasks.map((task) => httpContestant(field, task)) };
}

function ndjson(payloads: Payloads, records: number): Load {
  const body = payloads.sample(RECORD_BYTES, records).map((value) => `{"value":${value}}\n`).join("");
  return { contentType: "application/x-ndjson", body };
}

/** The benchmark of this file. */
export const http = benchmark({
  about: "requests and records a second over HTTP",
  usage: `Requests and records a second over HTTP, beside a bare echo and the endpoints of others.

Usage: deno task bench http [flags]`,
  settings: {
    seconds: integer("--seconds", 4, "of one run, after a warm-up of half as long", [1, 600]),
    connections: integer("--connections", 64, "at a time", [1, 10_000]),
  },
  async measure({ quick, connections, ...settings }, { kafka, payloads, contests, onProgress }) {
    const peers = await findPeers({ wanted: settings.peers, onProgress });
    const generator = await findGenerator(payloads.folder);
    const pressure = { connections, seconds: quick ? 1 : settings.seconds };
    const field = { kafka, payloads, peers, generator, pressure };
    const many = (quick ? [100] : [100, 500]).map((records) => manyContest(field, records));
    const results = await contests([singleContest(field), ...many]);
    return { results, versions: { "load generator": generator.name, ...peerVersions(peers) } };
  },
});

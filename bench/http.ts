/**
 * HTTP: requests as clients send them, to our server, to a bare `Deno.serve` that echoes the same JSON, and to
 * endpoints of others.
 *
 * @module
 */
import { helpText, integer, optional, readSettings, toggle } from "../settings.ts";
import { type Contest, type Result, run } from "./contest.ts";
import type { Load } from "./http_client.ts";
import { envelope, httpContestant, type HttpField, type HttpTask } from "./http_contestant.ts";
import { findGenerator } from "./http_load.ts";
import { ECHO } from "./http_servers.ts";
import { benchKafka } from "./kafka.ts";
import { type Payloads, writePayloads } from "./payloads.ts";
import { findPeers, type Peer, peerVersions } from "./peers.ts";
import type { Benchmark, Report } from "./results.ts";
import { contestTable } from "./table.ts";

const USAGE = `Requests and records a second over HTTP, beside a bare echo and the endpoints of others.

Usage: deno task bench http [flags]`;

const SETTINGS = {
  rounds: integer("--rounds", 3, "runs of each contestant; the median counts", [1, 100]),
  only: optional("--only", "the contests whose title contains this"),
  seconds: integer("--seconds", 4, "of one run, after a warm-up of half as long", [1, 600]),
  connections: integer("--connections", 64, "at a time", [1, 10_000]),
  peers: toggle("--peers", false, "beside endpoints in Go and Python, which are installed into .cache/peers/"),
  quick: toggle("--quick", false, "one short round, to see that all of it runs"),
};

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

function echo(name: string, sent: Sent): HttpTask {
  return { name, server: () => ECHO, path: "/", ...sent };
}

function peers({ peers }: Field, sent: Sent): HttpTask[] {
  return peers.map(({ name, server, tool }) => ({ name, server, missing: tool.missing, ...sent }));
}

function contest(field: Field, title: string, tasks: readonly HttpTask[]): Contest {
  return { title, contestants: tasks.map((task) => httpContestant(field, task)) };
}

function ndjson(payloads: Payloads, records: number): Load {
  const body = payloads.sample(RECORD_BYTES, records).map((value) => `{"value":${value}}\n`).join("");
  return { contentType: "application/x-ndjson", body };
}

async function measure(args: readonly string[]): Promise<Report | undefined> {
  if (args.some((arg) => arg === "--help" || arg === "-h")) return void console.log(helpText(SETTINGS, USAGE));
  const { only = "", quick, connections, ...settings } = readSettings(SETTINGS, { args }, () => []);
  const [rounds, seconds] = quick ? [1, 1] : [settings.rounds, settings.seconds];
  const onProgress = (line: string) => console.error(line);
  const peers = await findPeers({ wanted: settings.peers, onProgress });
  await using kafka = await benchKafka(onProgress);
  await using payloads = await writePayloads();
  const generator = await findGenerator(payloads.folder);
  const field = { kafka, payloads, peers, generator, pressure: { connections, seconds } };
  const contests = [singleContest(field), manyContest(field, 100), manyContest(field, 500)];
  const results: Result[] = [];
  for (const contest of contests.filter(({ title }) => title.includes(only))) {
    results.push(await run(contest, { rounds, onProgress }));
    console.log(contestTable(results.at(-1)!) + "\n");
  }
  return { results, versions: { "load generator": generator.name, ...peerVersions(peers) } };
}

/** See {@linkcode USAGE}. */
export const http: Benchmark = { about: "requests a second over HTTP", run: measure };

/**
 * HTTP: requests as clients send them, to our server and to a bare `Deno.serve` that echoes the same JSON.
 *
 * @module
 */
import { ConfigError } from "../errors.ts";
import { helpText, integer, optional, readSettings, toggle } from "../settings.ts";
import { type Contest, type Contestant, type Figures, type Result, run } from "./contest.ts";
import { findWrk, type Load, type Pressure, putLoad, wrkCommand } from "./http_load.ts";
import { ECHO, ours, startServer } from "./http_servers.ts";
import { type BenchKafka, benchKafka } from "./kafka.ts";
import { type Payloads, writePayloads } from "./payloads.ts";
import type { Benchmark, Report } from "./results.ts";
import { contestTable } from "./table.ts";
import { shown } from "./tools.ts";

const USAGE = `Requests and records a second over HTTP, beside a bare echo. Needs wrk.

Usage: deno task bench http [flags]`;

const SETTINGS = {
  rounds: integer("--rounds", 3, "runs of each contestant; the median counts", [1, 100]),
  only: optional("--only", "the contests whose title contains this"),
  seconds: integer("--seconds", 5, "of one run, after a warm-up of half as long", [1, 600]),
  connections: integer("--connections", 64, "at a time", [1, 10_000]),
  quick: toggle("--quick", false, "one short round, to see that all of it runs"),
};

const PARTITIONS = 3;
const RECORD_BYTES = 100;
/** What runs at full speed leave behind would fill a disk. */
const RETENTION_BYTES = 256 << 20;
const JSON_TYPE = "application/vnd.kafka.json.v2+json";

/** Where, with what, and how hard. */
interface Field {
  kafka: BenchKafka;
  payloads: Payloads;
  pressure: Pressure;
}

/** What one contestant is sent. */
interface Task {
  name: string;
  /** `echo`, or a path on our server, where `$TOPIC` is the topic. */
  path: string;
  load: Load;
  /** Of one request. */
  records: number;
}

function singleContest(field: Field): Contest {
  const load = { contentType: JSON_TYPE, body: envelope(field.payloads, 1) };
  const one = { load, records: 1 };
  const reconnecting = { load: { ...load, reconnect: true }, records: 1 };
  return {
    title: "one record a request",
    contestants: [
      contestant(field, { name: "echo", path: "echo", ...one }),
      contestant(field, { name: "POST /topics/{topic}", path: "/topics/$TOPIC", ...one }),
      contestant(field, { name: "POST /names", path: "/names", load: { ...load, body: "" }, records: 1 }),
      contestant(field, { name: "echo, a connection each", path: "echo", ...reconnecting }),
      contestant(field, { name: "POST /topics/{topic}, a connection each", path: "/topics/$TOPIC", ...reconnecting }),
    ],
  };
}

function manyContest(field: Field, records: number): Contest {
  const many = { load: { contentType: JSON_TYPE, body: envelope(field.payloads, records) }, records };
  const lines = { load: { contentType: "application/x-ndjson", body: ndjson(field.payloads, records) }, records };
  return {
    title: `${records} records a request`,
    contestants: [
      contestant(field, { name: "echo", path: "echo", ...many }),
      contestant(field, { name: "POST /topics/{topic}", path: "/topics/$TOPIC", ...many }),
      contestant(field, { name: "POST /topics/{topic}, NDJSON", path: "/topics/$TOPIC", ...lines }),
    ],
  };
}

function contestant({ kafka, payloads, pressure }: Field, { name, path, load, records }: Task): Contestant {
  const where = { pressure, folder: payloads.folder };
  const url = path === "echo" ? "http://ECHO/" : `http://SERVER${path}`;
  return {
    name,
    command: shown(wrkCommand(url, load, where).command, { FOLDER: payloads.folder }),
    async run() {
      return await kafka.withTopic({ partitions: PARTITIONS, retentionBytes: RETENTION_BYTES }, async (topic) => {
        const echo = path === "echo";
        await using server = await startServer(echo ? ECHO : ours(kafka.bootstrap, topic));
        const target = server.url + (echo ? "/" : path.replace("$TOPIC", topic));
        await putLoad(target, load, { ...where, pressure: { ...pressure, seconds: Math.ceil(pressure.seconds / 2) } });
        const before = await server.usage();
        const { requests, seconds, p50, p99, failed } = await putLoad(target, load, where);
        const after = await server.usage();
        if (failed > 0) throw new Error(`${name}: ${failed} of ${requests} requests failed; expected none`);
        return {
          "requests/s": requests / seconds,
          ...(records > 1 ? { "records/s": requests * records / seconds } : {}),
          "p50 ms": p50,
          "p99 ms": p99,
          "requests/CPU s": requests / (after.cpuSeconds - before.cpuSeconds),
          "RSS MiB": after.rssBytes / 2 ** 20,
        } satisfies Figures;
      });
    },
  };
}

function envelope(payloads: Payloads, records: number): string {
  return `{"records":[${values(payloads, records).map((value) => `{"value":${value}}`).join(",")}]}`;
}

function ndjson(payloads: Payloads, records: number): string {
  return values(payloads, records).map((value) => `{"value":${value}}\n`).join("");
}

function values(payloads: Payloads, count: number): string[] {
  return Deno.readTextFileSync(payloads.values(RECORD_BYTES)).split("\n").slice(0, count);
}

async function measure(args: readonly string[]): Promise<Report | undefined> {
  if (args.some((arg) => arg === "--help" || arg === "-h")) return void console.log(helpText(SETTINGS, USAGE));
  const settings = readSettings(SETTINGS, { args }, () => []);
  const { only = "", quick } = settings;
  const [rounds, seconds] = quick ? [1, 1] : [settings.rounds, settings.seconds];
  const wrk = await findWrk();
  if (wrk.missing !== undefined) throw new ConfigError([`Nothing to put a load on servers with: ${wrk.missing}`]);
  const onProgress = (line: string) => console.error(line);
  await using kafka = await benchKafka(onProgress);
  await using payloads = await writePayloads();
  const field = { kafka, payloads, pressure: { connections: settings.connections, seconds } };
  const contests = [singleContest(field), manyContest(field, 100), manyContest(field, 500)];
  const results: Result[] = [];
  for (const contest of contests.filter(({ title }) => title.includes(only))) {
    results.push(await run(contest, { rounds, onProgress }));
    console.log(contestTable(results.at(-1)!) + "\n");
  }
  return { results, versions: { wrk: wrk.version } };
}

/** See {@linkcode USAGE}. */
export const http: Benchmark = { about: "requests a second over HTTP", run: measure };

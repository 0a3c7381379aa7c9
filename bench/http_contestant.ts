/**
 * Servers under the same load: one run starts a server on a topic of its own, warms it up, and loads it.
 *
 * @module
 */
import type { Contestant, Figures } from "./contest.ts";
import type { Load } from "./http_client.ts";
import type { Generator, Pressure } from "./http_load.ts";
import { ours, type Server, startServer } from "./http_servers.ts";
import type { BenchKafka } from "./kafka.ts";
import { type Payloads, RECORD_TYPE } from "./payloads.ts";

/** What runs at full speed leave behind would fill a disk. */
const RETENTION_BYTES = 256 << 20;
/** Where records of a topic are sent. */
export const TOPIC_PATH = "/topics/$TOPIC";

/** Where, by whom, and how hard. */
export interface HttpField {
  kafka: BenchKafka;
  generator: Generator;
  pressure: Pressure;
}

/** What one contestant is sent. */
export interface HttpTask {
  name: string;
  /** Starts the server; ours by default. */
  start?: (bootstrap: string, topic: string) => Promise<Server>;
  /** {@linkcode TOPIC_PATH} by default, in which `$TOPIC` is the topic. */
  path?: string;
  load: Load;
  /** Of one request. */
  records: number;
  /** Of the topic; 3 by default. */
  partitions?: number;
  missing?: string;
}

const startOurs = (bootstrap: string, topic: string) => startServer(ours(bootstrap, topic));

/** A server under load. */
export function httpContestant({ kafka, generator, pressure }: HttpField, task: HttpTask): Contestant {
  const { name, start = startOurs, path = TOPIC_PATH, load, records, partitions = 3, missing } = task;
  const warmUp = { ...pressure, seconds: Math.ceil(pressure.seconds / 2) };
  return {
    name,
    command: generator.command(`http://SERVER${path}`, load, pressure),
    missing,
    run: () =>
      kafka.withTopic({ partitions, retentionBytes: RETENTION_BYTES }, async (topic) => {
        await using server = await start(kafka.bootstrap, topic);
        const url = server.url + path.replace("$TOPIC", topic);
        await generator.put(url, load, warmUp);
        const before = server.usage();
        const { requests, seconds, p50, p99, failed } = await generator.put(url, load, pressure);
        const after = server.usage();
        if (failed > 0) throw new Error(`${name}: ${failed} of ${requests} requests failed; expected none`);
        return {
          "requests/s": requests / seconds,
          ...(records > 1 ? { "records/s": requests * records / seconds } : {}),
          "p50 ms": p50,
          "p99 ms": p99,
          "requests/CPU s": requests / (after.cpuSeconds - before.cpuSeconds),
          "RSS MiB": after.rssBytes / 2 ** 20,
        } satisfies Figures;
      }),
  };
}

/** Records of so many bytes in one request, as JSON. */
export function envelope(payloads: Payloads, { records, bytes }: { records: number; bytes: number }): Load {
  const values = payloads.sample(bytes, records);
  return { contentType: RECORD_TYPE, body: `{"records":[${values.map((value) => `{"value":${value}}`).join(",")}]}` };
}

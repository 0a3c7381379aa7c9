/**
 * Producing: ours, kafkajs, kcat and Kafka's own tool write the same records, idempotent and with acks=all.
 *
 * @module
 */
import { integer } from "../settings.ts";
import { benchmark } from "./benchmark.ts";
import type { Contest, Contestant, Figures } from "./contest.ts";
import type { BenchKafka } from "./kafka.ts";
import type { Payloads } from "./payloads.ts";
import { clientCommand, type ClientJob } from "./produce_client.ts";
import { watchMemory } from "./produce_memory.ts";
import {
  findJavaTools,
  findKcat,
  type JavaTools,
  jsonLines,
  mustRun,
  shown,
  timed,
  type Tool,
  toolVersion,
} from "./tools.ts";

/** What one contest is about. */
interface Variant {
  title: string;
  partitions: number;
  bytes: number;
  keys: boolean;
  compression: ClientJob["compression"];
  records: number;
}

const PLAIN: Variant = {
  title: "3 partitions, 100 B",
  partitions: 3,
  bytes: 100,
  keys: false,
  compression: "none",
  records: 3_000_000,
};

const VARIANTS: readonly Variant[] = [
  PLAIN,
  { ...PLAIN, title: "3 partitions, 100 B, keys", keys: true },
  { ...PLAIN, title: "1 partition, 100 B", partitions: 1 },
  { ...PLAIN, title: "12 partitions, 100 B", partitions: 12 },
  { ...PLAIN, title: "12 partitions, 100 B, keys", partitions: 12, keys: true },
  { ...PLAIN, title: "3 partitions, 10 kB", bytes: 10_000, records: 60_000 },
  { ...PLAIN, title: "3 partitions, 100 B, gzip", compression: "gzip", records: 1_000_000 },
  { ...PLAIN, title: "3 partitions, 100 B, zstd", compression: "zstd", records: 1_000_000 },
];

/** Those that --quick looks at. */
const QUICK = ["3 partitions, 100 B", "3 partitions, 100 B, gzip"];

/** Records without an answer at any time, for clients that are told: as many as librdkafka holds by default. */
const WINDOW = 100_000;
/** Calls without an answer. Twice as many were 7% faster with one record each, and took 70 MiB more for promises. */
const CALLS = 5_000;
/** Of records without an answer, in bytes: below the buffer of ours, 32 MiB. */
const WINDOW_BYTES = 16 << 20;

/** Who takes part, and where. */
interface Field {
  kafka: BenchKafka;
  payloads: Payloads;
  kcat: Tool;
  java: JavaTools;
}

/** What callers wait for one by one: the case of one record per HTTP request. */
function callersContest(field: Field, records: number): Contest {
  const variant = { ...PLAIN, title: "64 callers, a record at a time", records };
  const one = { perCall: 1, calls: 64, latency: true };
  return {
    title: variant.title,
    contestants: [
      client(field, variant, { name: "ours", client: "ours", ...one }),
      client(field, { ...variant, records: records / 10 }, { name: "kafkajs", client: "kafkajs", ...one }),
    ],
  };
}

/** As fast as each can. */
function speedContest(field: Field, variant: Variant): Contest {
  const inFlight = Math.min(WINDOW, Math.floor(WINDOW_BYTES / variant.bytes));
  const calls = (perCall: number) => ({ perCall, calls: Math.min(CALLS, Math.max(1, Math.floor(inFlight / perCall))) });
  const fewer = { ...variant, records: Math.ceil(variant.records / 10) };
  // A send is one batch for each partition, and brokers refuse more than a megabyte.
  const large = Math.min(5_000, Math.floor(900_000 / variant.bytes));
  return {
    title: variant.title,
    contestants: [
      kcat(field, variant),
      client(field, variant, { name: "ours, a promise per 100 records", client: "ours", ...calls(100) }),
      client(field, variant, { name: "ours, a promise per record", client: "ours", ...calls(1) }),
      performanceTool(field, variant),
      client(field, fewer, { name: `kafkajs, ${large} records a send`, client: "kafkajs", ...calls(large) }),
    ],
  };
}

type ClientSetup = Pick<ClientJob, "client" | "perCall" | "calls" | "latency"> & { name: string };

function client({ kafka, payloads }: Field, variant: Variant, { name, ...setup }: ClientSetup): Contestant {
  const { keys, compression, records, bytes } = variant;
  const { bootstrap } = kafka;
  const job = { ...setup, bootstrap, payloads: payloads.values(bytes), keys, compression, records };
  const command = (topic: string) => clientCommand({ ...job, topic });
  return {
    name,
    command: shown(command("$TOPIC"), { FOLDER: payloads.folder, BROKERS: bootstrap }),
    missing: job.client === "kafkajs" && compression === "zstd" ? "kafkajs has no zstd" : undefined,
    run: () => kafka.withTopic(variant, async (topic) => jsonLines<Figures>(await mustRun(command(topic)))[0]),
  };
}

/** kcat, less what it takes to write a single record: its start. */
function kcat({ kafka, payloads, kcat }: Field, variant: Variant): Contestant {
  const { bytes, keys, compression, records } = variant;
  const base = ["kcat", "-P", "-b", kafka.bootstrap, "-X", "enable.idempotence=true", "-X", "acks=all"];
  const settings = [
    ...(keys ? ["-K", payloads.delimiter] : []),
    ...(compression === "none" ? [] : ["-z", compression]),
  ];
  const command = (topic: string, file: string) => [...base, ...settings, "-t", topic, "-l", file];
  const lines = (count: number) => payloads.lines({ bytes, keys, count });
  let start = Infinity;
  return {
    name: "kcat",
    command: shown(command("$TOPIC", lines(records).path), { FOLDER: payloads.folder, BROKERS: kafka.bootstrap }),
    missing: kcat.missing,
    run: () =>
      kafka.withTopic(variant, async (topic) => {
        const [one, all] = [await lines(1).write(), await lines(records).write()];
        start = Math.min(start, await timed(command(topic, one)));
        return { "records/s": records / (await timed(command(topic, all)) - start) };
      }),
  };
}

/** Kafka's own tool, without its first tenth, in which Java compiles. */
function performanceTool({ kafka, payloads, java }: Field, variant: Variant): Contestant {
  const warmUp = variant.records / 10;
  const command = (topic: string) =>
    java.command("org.apache.kafka.tools.ProducerPerformance", [
      ...["--bootstrap-server", kafka.bootstrap, "--topic", topic, "--throughput", "-1"],
      ...["--num-records", String(variant.records + warmUp), "--warmup-records", String(warmUp)],
      ...["--payload-file", payloads.values(variant.bytes)],
      ...["--command-property", "enable.idempotence=true", "acks=all", `compression.type=${variant.compression}`],
    ]);
  return {
    name: "Kafka's own tool",
    command: shown(command("$TOPIC"), { FOLDER: payloads.folder, BROKERS: kafka.bootstrap }),
    missing: java.missing ?? (variant.keys ? "it writes no keys" : undefined),
    run: () =>
      kafka.withTopic(variant, async (topic) => {
        const output = await mustRun(command(topic));
        // The last line is of what came after the warm-up.
        const rates = [...output.matchAll(/([\d.]+) records\/sec/g)].map(([, rate]) => Number(rate));
        return { "records/s": rates.at(-1)! };
      }),
  };
}

/** The benchmark of this file. */
export const produce = benchmark({
  about: "records a second into Kafka",
  usage: `Records a second, acknowledged, of who writes the same records to one Kafka.

Usage: deno task bench produce [flags]`,
  settings: {
    records: integer("--records", undefined, "of one run; default: by contest", [1_000, 1_000_000_000]),
    minutes: integer("--minutes", undefined, "ours alone at full speed for so long, to see its memory", [1, 1_000]),
  },
  async measure({ records, minutes, quick }, { kafka, payloads, contests, onProgress }) {
    if (minutes !== undefined) return await watchMemory({ kafka, payloads }, minutes);
    const [kcat, java] = [await findKcat(), await findJavaTools(onProgress)];
    const field = { kafka, payloads, kcat, java };
    const size = (default_: number) => records ?? (quick ? default_ / 20 : default_);
    const variants = quick ? VARIANTS.filter(({ title }) => QUICK.includes(title)) : VARIANTS;
    const results = await contests([
      ...variants.map((variant) => speedContest(field, { ...variant, records: size(variant.records) })),
      callersContest(field, size(500_000)),
    ]);
    return { results, versions: { kcat: toolVersion(kcat), "Kafka's tools": toolVersion(java) } };
  },
});

/**
 * Consuming: ours, kcat, kafkajs and Kafka's own tool read the same topic from the beginning.
 *
 * A program's time is that of its whole process, less that of one which reads a single record: its start, joining a
 * group, finding the end. Ours checks every batch's CRC and commits; kcat does neither.
 *
 * @module
 */
import { loadConfig } from "../config.ts";
import { Producer } from "../producer.ts";
import { integer } from "../settings.ts";
import { benchmark } from "./benchmark.ts";
import type { Contest, Contestant, Result } from "./contest.ts";
import type { BenchKafka } from "./kafka.ts";
import { findJavaTools, findKcat, type JavaTools, mustRun, shown, timed, type Tool, toolVersion } from "./tools.ts";

/** What is in a topic. */
interface Content {
  partitions: number;
  bytes: number;
  records: number;
}

/** A topic to read, one with a single record, and who takes part. */
interface Field extends Content {
  bootstrap: string;
  topic: string;
  single: string;
  kcat: Tool;
  java: JavaTools;
}

const PERMISSIONS = ["--allow-net", "--allow-env", "--allow-read"];

function handlerContest(field: Field): Contest {
  const { bootstrap, records, bytes, partitions } = field;
  const handled = (name: string, handler: string) =>
    program(field, name, (topic) => ours(field, topic, ["--handler", `./bench/${handler}`]));
  return {
    title: `to a handler, ${partitionsText(partitions)}, ${size(bytes)}`,
    contestants: [
      program(field, "kcat, no output", (topic) => kcat(field, topic, ""), field.kcat.missing),
      handled("ours, batches", "count_batches.ts"),
      handled("ours, record by record", "count_records.ts"),
      program(field, "kafkajs eachBatch", (topic) => {
        const count = topic === field.single ? 1 : records;
        return ["deno", "run", ...PERMISSIONS, "bench/consume_kafkajs.ts", bootstrap, topic, newGroup(), `${count}`];
      }),
      performanceTool(field),
    ],
  };
}

function outputContest(field: Field): Contest {
  const toNull = (command: readonly string[]) => ["sh", "-c", 'exec "$0" "$@" > /dev/null', ...command];
  return {
    title: `to stdout, ${partitionsText(field.partitions)}, ${size(field.bytes)}`,
    contestants: [
      program(field, "kcat", (topic) => toNull(kcat(field, topic, "%s\\n")), field.kcat.missing),
      program(
        field,
        "ours",
        (topic) => toNull([Deno.execPath(), ...ours(field, topic, ["--format", "%s\\n"]).slice(1)]),
      ),
    ],
  };
}

function ours({ bootstrap }: Field, topic: string, flags: readonly string[]): string[] {
  const where = ["--brokers", bootstrap, "--topic", topic, "--group", newGroup(), "--exit", "--quiet"];
  return ["deno", "run", ...PERMISSIONS, "consumer.ts", ...where, ...flags];
}

function kcat({ bootstrap }: Field, topic: string, format: string): string[] {
  return ["kcat", "-C", "-b", bootstrap, "-t", topic, "-o", "beginning", "-e", "-q", "-f", format];
}

/** A program that reads a topic to its end. */
function program(field: Field, name: string, command: (topic: string) => string[], missing?: string): Contestant {
  let start = Infinity;
  return {
    name,
    command: shown(command("$TOPIC"), { BROKERS: field.bootstrap }),
    missing,
    async run() {
      if (start === Infinity) await mustRun(command(field.single)); // Deno compiles what it runs for the first time
      start = Math.min(start, await timed(command(field.single)));
      return { "records/s": field.records / (await timed(command(field.topic)) - start) };
    },
  };
}

/** Kafka's own tool measures itself, from the first fetch on. */
function performanceTool({ bootstrap, topic, records, java }: Field): Contestant {
  const command = (topic: string) =>
    java.command("org.apache.kafka.tools.ConsumerPerformance", [
      ...["--bootstrap-server", bootstrap, "--topic", topic, "--group", newGroup()],
      ...["--num-records", String(records), "--hide-header"],
    ]);
  return {
    name: "Kafka's own tool",
    command: shown(command("$TOPIC"), { BROKERS: bootstrap }),
    missing: java.missing,
    async run() {
      const line = (await mustRun(command(topic))).split("\n").findLast((line) => line.split(",").length === 10)!;
      return { "records/s": Number(line.split(",").at(-1)) };
    },
  };
}

function newGroup(): string {
  return `bench-${crypto.randomUUID()}`;
}

function partitionsText(count: number): string {
  return count === 1 ? "1 partition" : `${count} partitions`;
}

function size(bytes: number): string {
  return bytes < 1_000 ? `${bytes} B` : `${bytes / 1_000} kB`;
}

/** Fills a topic, with batches as a busy producer makes them. */
async function fill(bootstrap: string, topic: string, { records, bytes, partitions }: Content): Promise<void> {
  const producer = new Producer(
    loadConfig("produce", { args: ["--brokers", bootstrap], env: () => undefined, envFile: "" }),
  );
  await producer.start();
  const value = new Uint8Array(bytes).fill("x".charCodeAt(0));
  async function* chunks() {
    for (let sent = 0; sent < records; sent += 1_000) {
      const partition = sent / 1_000 % partitions;
      yield Array.from({ length: Math.min(1_000, records - sent) }, () => ({ value, partition }));
    }
  }
  for await (const outcomes of producer.deliver(chunks(), { topic })) {
    const failed = outcomes.find(({ status }) => status !== "acknowledged");
    if (failed) throw new Error(`The topic could not be filled: ${failed.status}`);
  }
  await producer.close({ deadline: Date.now() + 10_000 });
}

/** Makes both topics, and has them read. */
async function withField<T>(
  kafka: BenchKafka,
  content: Content & Pick<Field, "kcat" | "java">,
  use: (field: Field) => Promise<T>,
): Promise<T> {
  const { bootstrap } = kafka;
  const { partitions } = content;
  return await kafka.withTopic({ partitions }, (topic) =>
    kafka.withTopic({ partitions }, async (single) => {
      await fill(bootstrap, topic, content);
      await fill(bootstrap, single, { ...content, records: 1 });
      return await use({ ...content, bootstrap, topic, single });
    }));
}

/** The benchmark of this file. */
export const consume = benchmark({
  about: "records a second out of Kafka",
  usage: `Records a second of who reads the same topic from the beginning.

Usage: deno task bench consume [flags]`,
  settings: {
    records: integer("--records", 5_000_000, "of 100 bytes; as many bytes where records are larger", [
      1_000,
      1_000_000_000,
    ]),
  },
  async measure({ records, quick }, { kafka, contests, onProgress }) {
    const [kcat, java] = [await findKcat(), await findJavaTools(onProgress)];
    const total = quick ? records / 20 : records;
    const contents = [
      { partitions: 3, bytes: 100, records: total },
      { partitions: 1, bytes: 100, records: total },
      { partitions: 3, bytes: 10_000, records: total / 100 },
    ];
    const results: Result[] = [];
    for (const content of quick ? contents.slice(0, 1) : contents) {
      await withField(kafka, { ...content, kcat, java }, async (field) => {
        results.push(...await contests([handlerContest(field), outputContest(field)]));
      });
    }
    return { results, versions: { kcat: toolVersion(kcat), "Kafka's tools": toolVersion(java) } };
  },
});

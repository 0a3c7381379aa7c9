/**
 * Memory of our producer at full speed, over minutes: it must neither be much nor grow.
 *
 * @module
 */
import { summarize, type Summary } from "./contest.ts";
import type { BenchKafka } from "./kafka.ts";
import type { Payloads } from "./payloads.ts";
import { clientCommand, type ClientJob, type Second } from "./produce_client.ts";
import type { Report } from "./results.ts";
import { contestTable } from "./table.ts";
import { jsonLines, mustRun, shown } from "./tools.ts";

const PARTITIONS = 3;
/** Old data go while new ones come: minutes at full speed would fill a disk. */
const RETENTION_BYTES = 256 << 20;
const MIB = 2 ** 20;

/** Where, and what. */
interface Field {
  kafka: BenchKafka;
  payloads: Payloads;
}

/** Runs our client for so many minutes and prints what memory it took in each. */
export async function watchMemory({ kafka, payloads }: Field, minutes: number): Promise<Report> {
  const job: Omit<ClientJob, "topic"> = {
    client: "ours",
    bootstrap: kafka.bootstrap,
    payloads: payloads.values(100),
    keys: false,
    compression: "none",
    perCall: 100,
    calls: 1_000,
    records: 100_000,
    seconds: minutes * 60,
  };
  const output = await kafka.withTopic(
    { partitions: PARTITIONS, retentionBytes: RETENTION_BYTES },
    (topic) => mustRun(clientCommand({ ...job, topic })),
  );
  const seconds = jsonLines<Second>(output);
  const command = shown(clientCommand({ ...job, topic: "$TOPIC" }), { FOLDER: payloads.folder });
  const rows = Array.from({ length: minutes }, (_, i) => {
    const figures = figuresOf(seconds.slice(i * 60, (i + 1) * 60));
    return { name: `minute ${i + 1}`, command, figures, ratio: 0 };
  });
  for (const row of rows) row.ratio = row.figures["RSS MiB"].median / rows[0].figures["RSS MiB"].median;
  const result = { title: "memory at full speed", rows, missing: [] };
  console.log(contestTable(result));
  return { name: "produce memory", results: [result] };
}

/** Of one minute, with memory first: that is what minutes are compared by. */
function figuresOf(seconds: readonly Second[]): Record<string, Summary> {
  const of = (pick: (second: Second) => number) => ({ ...summarize(seconds.map(pick)), samples: [] });
  return {
    "RSS MiB": of(({ rss }) => rss / MIB),
    "heap MiB": of(({ heapUsed }) => heapUsed / MIB),
    "external MiB": of(({ external }) => external / MIB),
    "records/s": of(({ rate }) => rate),
  };
}

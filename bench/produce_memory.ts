/**
 * Memory of our producer at full speed, over minutes: it must neither be much nor grow.
 *
 * @module
 */
import { summarize } from "./contest.ts";
import type { BenchKafka } from "./kafka.ts";
import type { Payloads } from "./payloads.ts";
import { clientCommand, type ClientJob, type Second } from "./produce_client.ts";
import type { Report } from "./results.ts";
import { alignedTable, figure } from "./table.ts";
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
  const rows = Array.from({ length: minutes }, (_, i) => minuteOf(i + 1, seconds.slice(i * 60, (i + 1) * 60)));
  const head = ["minute", "records/s", "RSS MiB", "min", "max", "heap MiB", "external MiB"];
  const cells = rows.map(({ minute, rate, rss, heap, external }) =>
    [minute, ...[rate, rss.median, rss.min, rss.max, heap, external].map(figure)].map(String)
  );
  console.log(alignedTable([head, ...cells]));
  const command = shown(clientCommand({ ...job, topic: "$TOPIC" }), { FOLDER: payloads.folder });
  return { name: "produce memory", results: { command, minutes: rows } };
}

function minuteOf(minute: number, seconds: readonly Second[]) {
  const of = (pick: (second: Second) => number) => summarize(seconds.map(pick));
  const { samples: _, ...rss } = of(({ rss }) => rss / MIB);
  const [rate, heap, external] = [
    of(({ rate }) => rate),
    of(({ heapUsed }) => heapUsed / MIB),
    of(({ external }) => external / MIB),
  ].map(({ median }) => median);
  return { minute, rate, rss, heap, external };
}

/**
 * The consumer's own settings: rows of the table in `config.ts`.
 *
 * @module
 */
import { parseFormat } from "../handlers/print.ts";
import { integer, list, optional, setting, text, toggle, type Values } from "../settings.ts";

const MAX_INT = 2 ** 31 - 1;
const PLACE = "beginning, end, offset:N, -N for the last N, or time: and a date like 2026-05-01T12:00:00Z";

/** Command line of the consumer. */
export const CONSUMER = {
  topics: list("KAFKA_TOPIC", "test", "topic to read; may be repeated", {
    kind: "repeated",
    expected: "one or more topic names",
    least: 1,
  }),
  groupId: text("KAFKA_GROUP_ID", "myConsumerGroup", "consumer group; none looks without joining or committing", {
    flag: "group",
  }),
  from: setting(parseFrom, ["--from", "committed", "where to begin; without a committed position: the beginning"], {
    expected: `committed, ${PLACE}`,
  }),
  partitions: setting(parsePartitions, ["--partition", "", "only this partition, with --group none; may be repeated"], {
    kind: "repeated",
    expected: "partition numbers",
  }),
  count: integer("--count", undefined, "stop after so many messages", [1, MAX_INT]),
  exit: toggle("--exit", false, "stop where every partition ended at the start"),
  idleTimeout: integer("--idle-timeout", 120, "say so after this many seconds without a message", [1, 86_400]),
  format: setting(parsedFormat, [
    "--format",
    undefined,
    "as kcat's: %t %p %o %k %s %K %S %T %h %% and \\n \\t; default: %s\\n",
  ], {
    expected: "what kcat's -f takes",
  }),
  json: toggle("--json", false, "one JSON object a line"),
  grep: setting((t) => t ? new RegExp(t, "u") : undefined, ["--grep", undefined, "only messages that match"], {
    expected: "a regular expression",
  }),
  quiet: toggle("--quiet", false, "nothing on stderr but warnings and errors"),
  stats: toggle("--stats", false, "rate, lag and positions on stderr every few seconds"),
  handler: optional("--handler", "module that handles messages, instead of printing them"),
  maxAttempts: integer("--max-attempts", 5, "how often a handler gets a message before it is a dead letter", [
    1,
    1_000,
  ]),
  retryBackoffMs: integer("--retry-backoff-ms", 200, "pause before the second attempt; doubles with each", [
    1,
    600_000,
  ]),
  deadLetterTopic: text("--dead-letter-topic", "{topic}.dlt", "where messages go that fail; none: stop instead"),
  concurrency: integer("--concurrency", 8, "partitions to work on at once", [1, 10_000]),
  fetchBytes: integer("KAFKA_FETCH_BYTES", 2 << 20, "how much to read ahead of a partition", [1 << 10, 64 << 20]),
  groupInstanceId: optional(
    "KAFKA_GROUP_INSTANCE_ID",
    "makes a static member, which keeps its partitions over restarts",
  ),
  sessionTimeoutMs: integer("KAFKA_SESSION_TIMEOUT_MS", 30_000, "a member silent for so long is out, in ms", [
    6_000,
    1_800_000,
  ]),
  rebalanceTimeoutMs: integer(
    "KAFKA_REBALANCE_TIMEOUT_MS",
    300_000,
    "how long a rebalance waits for handlers under way, in ms",
    [10_000, MAX_INT],
  ),
};

/** Command line of `lag`. */
export const LAG = {
  groupId: CONSUMER.groupId,
  all: toggle("--all", false, "all groups"),
  watch: toggle("--watch", false, "look again every two seconds"),
  json: toggle("--json", false, "one JSON object a line for each group"),
};

/** Command line of `offsets`. */
export const OFFSETS = {
  topics: CONSUMER.topics,
  groupId: CONSUMER.groupId,
  to: setting<From | undefined>(parseTo, ["--to", undefined, "where to; must be given"], { expected: PLACE }),
  dryRun: toggle("--dry-run", false, "say what would change, change nothing"),
};

/** Command line of `dlt`. */
export const DLT = {
  topic: text("--topic", "test.dlt", "dead-letter topic"),
  group: text("--group", "kafka-deno-dlt", "remembers what was sent back"),
  count: CONSUMER.count,
  dryRun: toggle("--dry-run", false, "say what would be sent back, send nothing"),
};

/** A place in every partition, as the command line names it. */
export type From =
  | { at: "beginning" | "end" | "committed" }
  | { at: "offset"; offset: number }
  | { at: "last"; records: number }
  | { at: "time"; time: number };

/** Combinations that would do something else than was meant. */
export function consumerMistakes(
  values: Partial<Values<typeof CONSUMER> & Values<typeof OFFSETS>>,
  isSet: (name: string) => boolean,
): string[] {
  const { groupId, from, partitions } = values;
  const mistakes: string[] = [];
  if ("to" in values && !isSet("--to")) mistakes.push(`--to is not set; expected ${PLACE}`);
  if (!from) return mistakes;
  if (groupId === "none" && isSet("--from") && from?.at === "committed") {
    mistakes.push(`--from is "committed" while --group is "none", which has committed nothing; expected another place`);
  }
  if (groupId !== "none" && partitions && partitions.length > 0) {
    mistakes.push(
      `--partition is set while --group is "${groupId}", which shares partitions itself; expected --group none`,
    );
  }
  for (const name of ["--format", "--json"]) {
    if (isSet(name) && isSet("--handler")) mistakes.push(`${name} is for printing; expected it without --handler`);
  }
  if (isSet("--format") && isSet("--json")) mistakes.push("--format and --json are both set; expected one of them");
  return mistakes;
}

function parsedFormat(text: string): string {
  parseFormat(text);
  return text;
}

function parseFrom(text: string): From {
  if (text === "beginning" || text === "end" || text === "committed") return { at: text };
  const offset = /^offset:(\d{1,15})$/.exec(text)?.[1];
  if (offset) return { at: "offset", offset: Number(offset) };
  const last = /^-(\d{1,15})$/.exec(text)?.[1];
  if (last) return { at: "last", records: Number(last) };
  const time = text.startsWith("time:") ? Date.parse(text.slice("time:".length)) : NaN;
  if (time >= 0) return { at: "time", time };
  throw new RangeError(text);
}

function parseTo(text: string): From {
  const to = parseFrom(text);
  if (to.at === "committed") throw new RangeError(text);
  return to;
}

function parsePartitions(text: string): readonly number[] {
  const items = text.split(",").map((item) => item.trim()).filter((item) => item);
  if (!items.every((item) => /^\d{1,9}$/.test(item))) throw new RangeError(text);
  return Object.freeze(items.map(Number));
}

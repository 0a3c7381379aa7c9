// `deno task produce` as a process: what it writes, what it tells, how it ends.

import assert from "node:assert/strict";
import { createTopic, sharedKafka } from "../../support/kafka.ts";
import { type ReadRecord, readTopic } from "../../support/reader.ts";
import { freePort, startScript } from "../../support/wait.ts";

/** Runs it on a topic of its own with these bytes as its input. */
async function produce(args: readonly string[], input = "") {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  const permissions = ["--allow-net", "--allow-env", "--allow-read"];
  const where = ["--brokers", bootstrap, "--topic", topic.name];
  await using script = startScript(["run", ...permissions, "producer.ts", ...where, ...args]);
  await script.write(input);
  await script.closeInput();
  const { code } = await script.exit;
  const stderr = script.stderrLines.filter((line) => !line.startsWith("{")); // those are log lines
  const records = await readTopic(bootstrap, topic.name);
  return { code, topic: topic.name, stdout: script.stdoutLines, stderr, records };
}

function textOf({ key, value }: ReadRecord): string {
  return key === null ? `${value}` : `${key}=${value}`;
}

Deno.test("produce --verbose reports each record's partition, offset and latency, and a summary", async () => {
  const { code, topic, stdout, stderr, records } = await produce(["--names", "250", "--verbose"]);
  assert.equal(code, 0);
  assert.deepEqual(stdout, []);
  assert.equal(stderr.at(-1), "250 delivered, 0 rejected, 0 unknown");
  const reports = stderr.flatMap((line) => /^delivered to (\S+)-(\d+)@(\d+) in \d+ ms$/.exec(line)?.slice(1) ?? []);
  const told = Array.from({ length: 250 }, (_, i) => reports.slice(3 * i, 3 * i + 3).join());
  assert.deepEqual(told.sort(), records.map(({ partition, offset }) => `${topic},${partition},${offset}`).sort());
  for (const { value } of records) assert.match(`${value}`, /^\p{Script=Han}+$/u);
});

Deno.test("produce writes lines: keys before the delimiter, none without it, the last line without its end", async () => {
  const { code, stderr, records } = await produce(["--key-delimiter", "\t"], "a\t1\nb\t2\t3\nno key\n\na\t4");
  assert.equal(code, 0);
  assert.deepEqual(stderr, ["5 delivered, 0 rejected, 0 unknown"]);
  assert.deepEqual(records.map(textOf).sort(), ["", "a=1", "a=4", "b=2\t3", "no key"]);
  assert.ok(records.findIndex((it) => textOf(it) === "a=1") < records.findIndex((it) => textOf(it) === "a=4"));
});

Deno.test("produce tells which record was not delivered, delivers the others, and ends with 1", async () => {
  const { code, stderr, records } = await produce(["--batch-bytes", "2000"], `a\n${"x".repeat(3_000)}\nb\n`);
  assert.equal(code, 1);
  assert.match(stderr[0], /^rejected: The record takes 30\d\d bytes; expected at most 1939 \(KAFKA_BATCH_BYTES\)$/);
  assert.deepEqual(stderr.slice(1), ["2 delivered, 1 rejected, 0 unknown"]);
  assert.deepEqual(records.map(textOf), ["a", "b"]);
});

Deno.test("produce without a Kafka says so in one line, with the remedy, and ends with 1", async () => {
  const brokers = `localhost:${freePort()}`;
  const permissions = ["--allow-net", "--allow-env", "--allow-read"];
  await using script = startScript(["run", ...permissions, "producer.ts", "--brokers", brokers, "--names", "1"]);
  assert.equal((await script.exit).code, 1);
  const told = script.stderrLines.filter((line) => line.startsWith("Cannot write to"));
  assert.equal(told.length, 1, script.tail());
  assert.match(
    told[0],
    /start a Kafka there \(deno task broker\), name another \(KAFKA_BROKERS\), or ask deno task doctor$/,
  );
});

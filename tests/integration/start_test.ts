/** `deno task start` as a newcomer meets it: real processes, a real Kafka, the terminal's lines. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createTopic, sharedKafka } from "../support/kafka.ts";
import { commandOf, descendants, isAlive } from "../support/process_stats.ts";
import { freePort, type Script, startScript, waitFor } from "../support/wait.ts";

interface Place {
  port: number;
  kafkaPort: number;
  data: string;
}

function place(): Place & Disposable {
  const data = Deno.makeTempDirSync({ prefix: "kafka-deno-start-" });
  return {
    port: freePort(),
    kafkaPort: freePort(),
    data,
    [Symbol.dispose]: () => Deno.removeSync(data, { recursive: true }),
  };
}

/** With nothing of its own but the HTTP port, on the Kafka of all tests. */
async function startOnShared(args: string[], env: Record<string, string> = {}): Promise<Script> {
  const { bootstrap } = await sharedKafka();
  return startScript(["task", "start", ...args], { env: { KAFKA_BROKERS: bootstrap, ...env } });
}

function startAll({ port, kafkaPort, data }: Place): Script {
  return startScript(["task", "start", "--port", `${port}`, "--kafka-port", `${kafkaPort}`, "--data", data]);
}

async function postNames({ port }: Place, count: number): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${port}/names?count=${count}`, { method: "POST" });
  assert.equal(response.status, 200);
  return (await response.json()).records.map((record: { value: string }) => record.value);
}

/** What the consumer printed on its stdout: its labelled lines that are no log lines. */
function printed(start: Script): string[] {
  return start.stdoutLines.flatMap((line) => /^consumer \| (?!\d\d:\d\d:\d\d)(.*)/.exec(line)?.[1] ?? []);
}

async function untilPrinted(start: Script, names: string[]): Promise<void> {
  await waitFor(() => printed(start).length >= names.length, { what: `${names.length} names on the terminal` });
  assert.deepEqual(printed(start).toSorted(), names.toSorted());
}

function answers(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return false;
  } catch {
    return true;
  }
}

async function untilNothingIsLeft({ port, kafkaPort }: Place, pids: number[]): Promise<void> {
  await waitFor(() => !pids.some(isAlive), { what: `processes ${pids} to end`, timeout: 20_000 });
  assert.ok(!answers(port), `port ${port} still answers`);
  assert.ok(!answers(kafkaPort), `port ${kafkaPort} still answers`);
  const left = [...Deno.readDirSync(join(import.meta.dirname!, "../../.cache"))].map((entry) => entry.name);
  const ours = left.filter((name) => pids.some((pid) => name.startsWith(`run-${pid}-`)));
  assert.deepEqual(ours, [], "temporary folders are left");
}

Deno.test("start: a posted name reaches the terminal, a stop leaves nothing, a restart neither repeats nor skips", async () => {
  using here = place();
  await using first = startAll(here);
  await first.line(/Ready in [\d.]+ s/, { timeout: 120_000 });
  const names = await postNames(here, 5);
  await untilPrinted(first, names);
  const troubles = [...first.stdoutLines, ...first.stderrLines].filter((line) => /\b(ERROR|WARN)\b/.test(line));
  assert.deepEqual(troubles, [], "nothing that would worry a newcomer");
  const pids = descendants(first.pid);
  assert.ok(pids.filter(isAlive).length >= 4, "server, consumer and Kafka are processes of their own");
  first.signal("SIGTERM");
  assert.equal((await first.exit).code, 0, first.tail());
  await untilNothingIsLeft(here, pids);
  const stops = first.stdoutLines.findIndex((line) => line.startsWith("start    | stopping"));
  assert.ok(stops > 0, "says what it is doing");

  await using second = startAll(here);
  await second.line(/Ready in [\d.]+ s/, { timeout: 120_000 });
  const more = await postNames(here, 3);
  await untilPrinted(second, more);
  await second.line(/^consumer \| .*no more messages/);
  assert.deepEqual(printed(second).toSorted(), more.toSorted(), "old names are not printed again");
});

Deno.test("start: a second one uses the Kafka of the first and says that the port is taken", async () => {
  using here = place();
  await using first = startAll(here);
  await first.line(/Ready in/, { timeout: 120_000 });
  await using second = startAll(here);
  assert.equal((await second.exit).code, 1);
  assert.match(second.stderrLines.join("\n"), new RegExp(`Port ${here.port} is taken`));
  assert.match(second.stderrLines.join("\n"), /deno task start --port \d+/);
  const names = await postNames(here, 1);
  await untilPrinted(first, names);
});

Deno.test("start: a child that crashes ends everything, with its exit and its last lines", async () => {
  using here = place();
  await using start = startAll(here);
  await start.line(/Ready in/, { timeout: 120_000 });
  const pids = descendants(start.pid);
  const [consumer] = pids.filter((pid) => commandOf(pid).includes("consumer.ts"));
  Deno.kill(consumer, "SIGKILL");
  assert.equal((await start.exit).code, 1);
  assert.match(start.stderrLines.join("\n"), /consumer was ended by SIGKILL; its last lines:\n.*assigned/s);
  await untilNothingIsLeft(here, pids);
});

for (const victim of ["dev/start.ts", "task start"]) {
  Deno.test(`start: when ${victim} is killed, nothing it started survives`, async () => {
    using here = place();
    await using start = startAll(here);
    await start.line(/Ready in/, { timeout: 120_000 });
    const pids = descendants(start.pid);
    const [killed] = pids.filter((pid) => commandOf(pid).includes(victim));
    Deno.kill(killed, "SIGKILL");
    await untilNothingIsLeft(here, pids);
  });
}

for (const level of ["DEBUG", "WARN"]) {
  Deno.test(`start: at level ${level} it says when it is ready, and on which free port`, async () => {
    const { bootstrap } = await sharedKafka();
    await using topic = await createTopic(bootstrap);
    await using start = await startOnShared(["--port", "0", "--topic", topic.name], {
      KAFKA_GROUP_ID: topic.name,
      LOG_LEVEL: level,
    });
    const url = (await start.line(/curl -X POST (http:.*)/))[1];
    const response = await fetch(url, { method: "POST" });
    assert.equal(response.status, 200, await response.text());
    await waitFor(() => printed(start).length > 0, { what: "a name on the terminal" });
    start.signal("SIGTERM");
    assert.equal((await start.exit).code, 0, start.tail());
  });
}

Deno.test("start: nothing is started when the port is taken", async () => {
  using here = place();
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: here.port });
  await using start = startAll(here);
  assert.equal((await start.exit).code, 1);
  assert.deepEqual(start.stdoutLines, []);
});

Deno.test("start: wrong flags are refused before anything is started", async () => {
  await using start = startScript(["task", "start", "--port", "abc", "--brokerz", "3"]);
  assert.equal((await start.exit).code, 2);
  const said = start.stderrLines.join("\n");
  assert.match(said, /HTTP_PORT is "abc", from --port; expected a whole number from 0 to 65535/);
  assert.match(said, /--brokerz is not known here, did you mean --brokers\?/);
});

/** How a consumer's process ends, and what its group's next member gets. */
import assert from "node:assert/strict";
import { committedOffsets } from "../support/reader.ts";
import { createTopic, sharedKafka, withAdmin } from "../support/kafka.ts";
import { type Script, startScript, waitFor } from "../support/wait.ts";
import {
  newGroup,
  numbered,
  produce,
  startConsumer,
  startConsumerScript,
  untilCommitted,
} from "./consumer_test_util.ts";

const { bootstrap } = await sharedKafka();

/** A consumer script whose handler writes down what it handled, in a file. */
function startSlowly(topic: string, { group, ms, file, flags = [] }: {
  group: string;
  ms: number;
  file: string;
  flags?: string[];
}): Script {
  const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write"];
  const handler = ["--handler", "./tests/consumer/handlers/slow_log.ts"];
  const where = ["--brokers", bootstrap, "--topic", topic, "--group", group];
  const env = { KAFKA_TEST_LOG: file, KAFKA_TEST_MS: String(ms), LOG_FORMAT: "text" };
  return startScript(["run", ...permissions, "consumer.ts", ...where, ...handler, ...flags], { env });
}

/** The offsets in such a file, of a topic with one partition. */
function offsetsIn(file: string): number[] {
  return Deno.readTextFileSync(file).split("\n").filter((line) => line).map((line) => Number(line.split(" ")[1]));
}

function tempFile(): { path: string } & Disposable {
  const path = Deno.makeTempFileSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} in mid-batch: what was handled is committed, nothing is handled twice`, async () => {
    await using topic = await createTopic(bootstrap);
    await produce(bootstrap, topic.name, numbered(200));
    using file = tempFile();
    const group = newGroup();
    await using first = startSlowly(topic.name, { group, ms: 20, file: file.path });
    await waitFor(() => offsetsIn(file.path).length > 30, { what: "30 records", timeout: 20_000 });
    first.signal(signal);
    const { code } = await first.exit;
    assert.equal(code, 0, first.tail());
    const handled = offsetsIn(file.path);
    assert.ok(handled.length < 200, "it was stopped in the middle");
    assert.deepEqual(handled, range(0, handled.length));
    assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [BigInt(handled.length)]);
    const { members, state } = await withAdmin(
      bootstrap,
      async (admin) => (await admin.describeGroups([group])).groups[0],
    );
    assert.deepEqual([members, state], [[], "Empty"], "it has left the group");

    await using rest = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
    await untilCommitted(bootstrap, { group, topic: topic.name }, [200]);
    assert.deepEqual(rest.handled.map(({ offset }) => offset), range(handled.length, 200));
  });
}

Deno.test("SIGKILL in mid-batch: nothing is skipped, and little is handled twice", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(600));
  using file = tempFile();
  const group = newGroup();
  const flags = ["--session-timeout-ms", "6000"];
  await using first = startSlowly(topic.name, { group, ms: 5, file: file.path, flags });
  await waitFor(() => offsetsIn(file.path).length > 300, { what: "300 records", timeout: 20_000 });
  first.signal("SIGKILL");
  await first.exit;
  const handled = offsetsIn(file.path);
  const [committed = 0n] = await committedOffsets(bootstrap, group, topic.name);
  assert.ok(Number(committed) <= handled.length, `committed ${committed}, handled ${handled.length}`);
  assert.ok(committed > 0n, "commits do not wait for the end of a batch");

  await using rest = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
  await waitFor(() => rest.handled.at(-1)?.offset === 599, {
    what: "the rest, after the session's end",
    timeout: 60_000,
  });
  const again = rest.handled.map(({ offset }) => offset);
  assert.deepEqual(again, range(Number(committed), 600), "goes on where it was committed");
  // 200 ms between commits, 5 ms for each record, and some leeway for a busy machine.
  assert.ok(handled.length - Number(committed) <= 150, `${handled.length - Number(committed)} were handled twice`);
});

Deno.test("a second signal ends it at once", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(3));
  using file = tempFile();
  await using script = startSlowly(topic.name, { group: newGroup(), ms: 60_000, file: file.path });
  await script.line(/begun with 0/);
  script.signal("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 500));
  script.signal("SIGTERM");
  const started = performance.now();
  assert.equal((await script.exit).code, 130);
  assert.ok(performance.now() - started < 2_000);
});

Deno.test("a handler that does not end is given up in time: exit 1, its record uncommitted and named", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(3));
  using file = tempFile();
  const group = newGroup();
  const flags = ["--shutdown-timeout-ms", "2000"];
  await using script = startSlowly(topic.name, { group, ms: 3_000, file: file.path, flags });
  await waitFor(() => offsetsIn(file.path).length === 1, { what: "one record", timeout: 20_000 });
  script.signal("SIGTERM");
  const started = performance.now();
  assert.equal((await script.exit).code, 1, script.tail());
  assert.ok(performance.now() - started < 4_000, "in time");
  assert.match(script.tail(), /handling offset 1 of .*\[0\] did not end in time; it will be handled again/);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [1n]);
});

Deno.test("a stop while the group is still being joined leaves it: the next member need not wait", async () => {
  await using topic = await createTopic(bootstrap);
  const group = newGroup();
  // A member that takes its time when the group rebalances keeps the next one waiting.
  await produce(bootstrap, topic.name, numbered(1));
  const busy = Promise.withResolvers<void>();
  await using first = startConsumer(bootstrap, ["--topic", topic.name, "--group", group], {
    default: () => busy.promise,
  });
  await waitFor(() => first.logLines.some((line) => line.includes("assigned")), { what: "the first to be a member" });
  await using second = startConsumerScript(bootstrap, ["--topic", topic.name, "--group", group]);
  await second.line(/waiting for partition assignment/);
  await waitFor(async () => await membersOf(group) === 2, { what: "the second to be joining" });
  second.signal("SIGTERM");
  const started = performance.now();
  assert.equal((await second.exit).code, 0, second.tail());
  assert.ok(performance.now() - started < 5_000, "it does not wait for the others");
  assert.equal(await membersOf(group), 1);
  assert.deepEqual(second.stdoutLines, [], "nothing is delivered to it");
  busy.resolve();
  await untilCommitted(bootstrap, { group, topic: topic.name }, [1]);
});

async function membersOf(group: string): Promise<number> {
  return await withAdmin(bootstrap, async (admin) => (await admin.describeGroups([group])).groups[0].members.length);
}

/** `lag`, `offsets` and `dlt`, judged by what another client sees. */
import assert from "node:assert/strict";
import { committedOffsets, readTopic } from "../support/reader.ts";
import { createTopic, sharedKafka, withAdmin } from "../support/kafka.ts";
import { startScript, waitFor } from "../support/wait.ts";
import { newGroup, numbered, produce, setPosition, startConsumer, untilCommitted } from "./consumer_test_util.ts";

const { bootstrap } = await sharedKafka();

async function run(script: string, ...args: string[]) {
  const permissions = ["--allow-net", "--allow-env", "--allow-read"];
  await using process = startScript(["run", ...permissions, script, "--brokers", bootstrap, ...args]);
  const { code } = await process.exit;
  return { code, out: process.stdoutLines, err: process.stderrLines.join("\n") };
}

Deno.test("lag shows members, assignment and how far behind a group is", async () => {
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  await produce(bootstrap, topic.name, numbered(10, { partitions: 2 }));
  const group = newGroup();
  {
    await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
    await untilCommitted(bootstrap, { group, topic: topic.name }, [5, 5]);
    await produce(bootstrap, topic.name, [{ value: "more", partition: 1 }]);
    await untilCommitted(bootstrap, { group, topic: topic.name }, [5, 6]);
    const { out, code } = await run("lag.ts", "--group", group);
    assert.equal(code, 0);
    assert.equal(out[0], `${group}: Stable, 1 member, 0 behind`);
    assert.match(out[3], new RegExp(`${topic.name} +1 +6 +6 +0 +kafka-deno-.* \\(127\\.0\\.0\\.1\\)$`));
    await consumer.stop();
  }
  await produce(bootstrap, topic.name, numbered(3, { partitions: 2 }));
  const { out } = await run("lag.ts", "--group", group, "--json");
  const { state, members, partitions } = JSON.parse(out[0]);
  assert.deepEqual([state, members], ["Empty", []]);
  const shown = partitions.map((p: Record<string, unknown>) => [p.topic, p.partition, p.committed, p.end, p.lag]);
  assert.deepEqual(shown, [[topic.name, 0, 5, 7, 2], [topic.name, 1, 6, 7, 1]]);
  const all = await run("lag.ts", "--all");
  assert.ok(all.out.includes(`${group}: Empty, 0 members, 3 behind`));
  const unknown = await run("lag.ts", "--group", newGroup());
  assert.equal(unknown.code, 1);
});

Deno.test("lag --watch looks again until it is stopped", async () => {
  await using topic = await createTopic(bootstrap);
  const group = newGroup();
  await produce(bootstrap, topic.name, numbered(2));
  await setPosition(bootstrap, { group, topic: topic.name, offset: 0 });
  const permissions = ["--allow-net", "--allow-env", "--allow-read"];
  const flags = ["--brokers", bootstrap, "--group", group, "--watch"];
  await using process = startScript(["run", ...permissions, "lag.ts", ...flags]);
  await process.line(/2 behind/);
  await produce(bootstrap, topic.name, numbered(1));
  await process.line(/3 behind/);
  process.signal("SIGINT");
  assert.equal((await process.exit).code, 0);
});

Deno.test("offsets shows before and after, changes nothing in a dry run, and moves", async () => {
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  const group = newGroup();
  const time = 1_700_000_000_000;
  await produce(
    bootstrap,
    topic.name,
    numbered(20, { partitions: 2 }).map((it, i) => ({ ...it, timestamp: time + i })),
  );
  await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group, "--exit"]);
  await consumer.done;
  const flags = ["--topic", topic.name, "--group", group];
  const dry = await run("offsets.ts", ...flags, "--to", "offset:3", "--dry-run");
  assert.deepEqual(dry.out, [`${topic.name}[0]  10 -> 3`, `${topic.name}[1]  10 -> 3`]);
  assert.match(dry.err, /Nothing was changed/);
  const at = async () => (await committedOffsets(bootstrap, group, topic.name)).map(Number);
  assert.deepEqual(await at(), [10, 10]);
  for (
    const [to, expected] of [
      ["offset:3", [3, 3]],
      ["-1", [9, 9]],
      ["beginning", [0, 0]],
      ["end", [10, 10]],
      [`time:${new Date(time + 7).toISOString()}`, [4, 3]],
    ] as const
  ) {
    assert.equal((await run("offsets.ts", ...flags, "--to", to)).code, 0);
    assert.deepEqual(await at(), expected, to);
  }
});

Deno.test("offsets refuses while the group has members, and a topic that is not there", async () => {
  await using topic = await createTopic(bootstrap);
  const group = newGroup();
  await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
  await waitFor(() => consumer.logLines.some((line) => line.includes("assigned")), { what: "a member" });
  const refused = await run("offsets.ts", "--topic", topic.name, "--group", group, "--to", "end");
  assert.equal(refused.code, 1);
  assert.match(refused.err, /group ".*" is Stable with 1 members: kafka-deno .*; stop them first/);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [undefined]);
  assert.equal((await run("offsets.ts", "--topic", newGroup(), "--to", "end")).code, 1);
  assert.equal((await run("offsets.ts", "--topic", topic.name)).code, 2);
});

Deno.test("dlt sends dead letters back to their partitions, in order, as they were, and each once", async () => {
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  const letters = `${topic.name}.dlt`;
  const [group, back] = [newGroup(), newGroup()];
  const records = Array.from({ length: 8 }, (_, i) => ({
    key: `k${i}`,
    value: i < 4 ? `bad ${i}` : `good ${i}`,
    partition: i % 2,
    headers: [["h", `${i}`]] as [string, string][],
    timestamp: 1_700_000_000_000 + i,
  }));
  await produce(bootstrap, topic.name, records);
  try {
    const flags = ["--topic", topic.name, "--group", group, "--max-attempts", "1", "--exit"];
    await using consumer = startConsumer(bootstrap, flags, {
      default: (record) => {
        if (record.text()!.startsWith("bad")) throw new Error("bad\n");
      },
    });
    assert.equal(await consumer.done, true);
    await produce(bootstrap, letters, [{ value: "not a letter" }]);

    const where = ["--topic", letters, "--group", back];
    const dry = await run("dlt.ts", ...where, "--dry-run");
    assert.equal(
      dry.out.filter((line) => /-> .*\[[01]\]: Error: bad\\u000a \(1 attempts, group test-/.test(line)).length,
      4,
    );
    assert.deepEqual((await readTopic(bootstrap, topic.name)).length, 8, "a dry run sends nothing");
    const sent = await run("dlt.ts", ...where);
    assert.equal(sent.code, 0, sent.err);
    assert.match(sent.err, /not a dead letter; it stays where it is/);
    const again = await run("dlt.ts", ...where);
    assert.deepEqual([again.code, again.out], [0, []]);

    const log = (await readTopic(bootstrap, topic.name)).map((
      { partition, key, value, headers, timestamp },
    ) => [
      partition,
      `${key}`,
      `${value}`,
      headers.map(([name, value]) => `${name}=${value}`).join(),
      Number(timestamp),
    ]);
    const expected = [0, 1].flatMap((partition) => {
      const its = records.filter((it) => it.partition === partition);
      return [...its, ...its.filter(({ value }) => value.startsWith("bad"))]
        .map(({ key, value, headers: [[, h]], timestamp }) => [partition, key, value, `h=${h}`, timestamp]);
    });
    assert.deepEqual(log, expected);
  } finally {
    await withAdmin(bootstrap, (admin) => admin.deleteTopics({ topics: [letters] }));
  }
});

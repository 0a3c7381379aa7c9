/** What `consumer.ts` prints and where, how its flags choose, and when it ends. */
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { committedOffsets } from "../support/reader.ts";
import { createTopic, sharedKafka } from "../support/kafka.ts";
import { freePort, waitFor } from "../support/wait.ts";
import { newGroup, numbered, produce, startConsumerScript, untilCommitted } from "./consumer_test_util.ts";

const { bootstrap } = await sharedKafka();

/** Runs the script to its end. */
async function run(...args: string[]): Promise<{ code: number; out: string[]; err: string }> {
  await using script = startConsumerScript(bootstrap, args);
  const { code } = await script.exit;
  return { code, out: script.stdoutLines, err: script.stderrLines.join("\n") };
}

Deno.test("as in the tutorial: payloads on stdout, and what happens on stderr", async () => {
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  const group = newGroup();
  await produce(bootstrap, topic.name, [{ value: "名字", partition: 0 }, { value: "second", partition: 0 }]);
  const flags = ["--topic", topic.name, "--group", group, "--idle-timeout", "2"];
  await using script = startConsumerScript(bootstrap, flags);
  await script.line(/waiting for partition assignment \(re-joining .* may take a while\)/);
  await script.line(new RegExp(`assigned ${topic.name}\\[0, 1\\]`));
  await script.line(/no more messages in .*\[0\] at offset 2/);
  await script.line(/no more messages in .*\[1\] at offset 0/); // also where there never was one
  await script.line(/timed out: no message for 2 s; still waiting/);
  await produce(bootstrap, topic.name, [{ value: "third", partition: 0 }]);
  await script.line(/no more messages in .*\[0\] at offset 3/);
  const ends = script.stderrLines.filter((line) => line.includes("no more messages"));
  assert.equal(ends.length, 3, "once each time that an end is reached");
  script.signal("SIGTERM");
  assert.equal((await script.exit).code, 0);
  assert.deepEqual(script.stdoutLines, ["名字", "second", "third"]);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [3n, undefined]);
});

Deno.test("--format and --json print what kcat's users expect, bytes that are no text included", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, [
    { key: "k", value: "v", timestamp: 1_700_000_000_000, headers: [["a", "1"], ["b", null]] },
    { value: null, timestamp: 1_700_000_000_001 },
    { value: Buffer.from([0xff, 0x00, 0x1b]), timestamp: 1_700_000_000_002 },
  ]);
  const look = ["--topic", topic.name, "--group", "none", "--exit", "--quiet"];
  const formatted = await run(...look, "--count", "2", "--format", "%t %p %o %k=%s %K %S %T [%h] 100%%\\x21\\n");
  assert.deepEqual(formatted, {
    code: 0,
    err: "",
    out: [
      `${topic.name} 0 0 k=v 1 1 1700000000000 [a=1,b=NULL] 100%!`,
      `${topic.name} 0 1 = -1 -1 1700000000001 [] 100%!`,
    ],
  });
  const { out } = await run(...look, "--json");
  assert.deepEqual(
    out.map((line) => JSON.parse(line)),
    [
      { offset: 0, timestamp: 1_700_000_000_000, key: "k", value: "v", headers: [["a", "1"], ["b", null]] },
      { offset: 1, timestamp: 1_700_000_000_001, key: null, value: null, headers: [] },
      { offset: 2, timestamp: 1_700_000_000_002, key: null, value: { base64: "/wAb" }, headers: [] },
    ].map((rest) => ({ topic: topic.name, partition: 0, ...rest })),
  );
});

Deno.test("--from, --partition, --count, --grep and --exit choose what is read", async () => {
  await using topic = await createTopic(bootstrap, { partitions: 2 });
  const at = (second: number) => 1_700_000_000_000 + second * 1_000;
  const records = Array.from({ length: 20 }, (_, i) => ({ value: `${i}`, partition: i % 2, timestamp: at(i) }));
  await produce(bootstrap, topic.name, records);
  const look = ["--topic", topic.name, "--group", "none", "--exit", "--quiet"];
  const cases: [flags: string[], expected: number[]][] = [
    [[], Array.from({ length: 20 }, (_, i) => i)],
    [["--from", "-2"], [16, 17, 18, 19]],
    [["--from", "offset:8"], [16, 17, 18, 19]],
    [["--from", "offset:999"], []],
    [["--from", "end"], []],
    [["--from", `time:${new Date(at(15)).toISOString()}`], [15, 16, 17, 18, 19]],
    [["--from", `time:${new Date(at(99)).toISOString()}`], []],
    [["--partition", "1", "--from", "-3"], [15, 17, 19]],
    [["--partition", "0", "--count", "2"], [0, 2]],
    [["--partition", "0", "--grep", "^1.$", "--count", "3"], [10, 12, 14]],
  ];
  await Promise.all(cases.map(async ([flags, expected]) => {
    const { code, out } = await run(...look, ...flags);
    assert.deepEqual(out.map(Number).toSorted((a, b) => a - b), expected, flags.join(" "));
    assert.equal(code, 0);
  }));
});

Deno.test("--count commits exactly what was printed, and --from moves a group once", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(10));
  const group = newGroup();
  const flags = ["--topic", topic.name, "--group", group, "--quiet"];
  assert.deepEqual((await run(...flags, "--count", "4")).out, ["value 0", "value 1", "value 2", "value 3"]);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [4n]);
  assert.deepEqual((await run(...flags, "--count", "1")).out, ["value 4"]);
  assert.deepEqual((await run(...flags, "--from", "beginning", "--count", "2")).out, ["value 0", "value 1"]);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [2n]);
  assert.deepEqual((await run(...flags, "--from", "end", "--exit")).out, []);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [10n]);
});

Deno.test("--group none commits nothing and is no member", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(3));
  assert.equal((await run("--topic", topic.name, "--group", "none", "--exit", "--quiet")).out.length, 3);
  assert.deepEqual(await committedOffsets(bootstrap, "none", topic.name), [undefined]);
});

Deno.test("a reader that closes stdout ends it quietly, and what it was given is committed", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, Array.from({ length: 20_000 }, () => ({ value: "x".repeat(1_000) })));
  for (const count of [3, 10_000]) {
    const group = newGroup();
    const deno = `${Deno.execPath()} run --allow-net --allow-env --allow-read consumer.ts`;
    const consume = `${deno} --brokers ${bootstrap} --topic ${topic.name} --group ${group} --quiet`;
    const shell = new Deno.Command("bash", {
      args: ["-c", `${consume} | head -${count}; echo "exit \${PIPESTATUS[0]}"`],
    });
    const { stdout, stderr } = await shell.output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assert.equal(lines.pop(), "exit 0");
    assert.equal(lines.length, count);
    assert.equal(new TextDecoder().decode(stderr), "");
    // The pipe holds 64 records: what is in it when it closes, or was being written, may be on either side. Where all
    // that was read is in there, nothing is committed.
    const committed = Number((await committedOffsets(bootstrap, group, topic.name))[0] ?? 0);
    assert.ok(Math.abs(committed - count) < 150, `${committed} are committed, ${count} were read`);
  }
});

Deno.test("a reader that is slow slows it down; nothing is lost or piled up", async () => {
  await using topic = await createTopic(bootstrap);
  const value = "x".repeat(10_000);
  await produce(bootstrap, topic.name, Array.from({ length: 3_000 }, () => ({ value })));
  const deno = `${Deno.execPath()} run --allow-net --allow-env --allow-read consumer.ts`;
  const consume = `${deno} --brokers ${bootstrap} --topic ${topic.name} --group none --exit --quiet`;
  const slowly = `${consume} | (sleep 2; wc -lc)`;
  const { stdout } = await new Deno.Command("bash", { args: ["-c", slowly] }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).trim().split(/\s+/).map(Number), [3_000, 3_000 * 10_001]);
});

Deno.test("without Kafka it says so once, waits, and goes on when there is one", async () => {
  await using script = startConsumerScript(`127.0.0.1:${freePort()}`, ["--topic", "any"]);
  await script.line(/Kafka does not answer/);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.equal(script.stderrLines.length, 1, script.tail());
  script.signal("SIGINT");
  assert.equal((await script.exit).code, 0);
});

Deno.test("what no patience can mend ends it with exit 1, cause and remedy", async () => {
  const missing = `missing-${crypto.randomUUID()}`;
  const { code, err } = await run("--topic", missing, "--no-create-topic");
  assert.equal(code, 1);
  assert.match(err, new RegExp(`cannot consume ${missing}: Topic .* does not exist .* set KAFKA_CREATE_TOPIC=true`));
  const invalid = await run("--topic", "a/b");
  assert.equal(invalid.code, 1);
  assert.match(invalid.err, /cannot consume a\/b: .*(invalid|illegal|not valid)/i);
  const handler = await run("--handler", "./no_such_handler.ts");
  assert.equal(handler.code, 1);
  assert.match(handler.err, /--handler .\/no_such_handler.ts cannot be loaded/);
});

Deno.test("settings that contradict each other are refused before anything is read", async () => {
  const { code, err } = await run("--partition", "1", "--json", "--format", "%q", "--from", "now");
  assert.equal(code, 2);
  assert.match(err, /--format is "%q".* means nothing in a format/);
  assert.match(err, /--from is "now"/);
  const combined = await run("--partition", "1", "--json", "--format", "%s");
  assert.match(combined.err, /expected --group none/);
  assert.match(combined.err, /--format and --json are both set/);
});

Deno.test("--stats says how fast it goes and how much is left", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(10));
  const group = newGroup();
  await using script = startConsumerScript(bootstrap, ["--topic", topic.name, "--group", group, "--stats"]);
  await script.line(new RegExp(`2 messages/s, 0 behind: ${topic.name}\\[0\\] 10/10`));
  await untilCommitted(bootstrap, { group, topic: topic.name }, [10]);
  await waitFor(() => script.stdoutLines.length === 10, { what: "stdout to hold nothing else" });
});

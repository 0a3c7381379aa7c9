// What a user reads when Kafka goes away and comes back, and when a broker advertises an address that nobody finds.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { startLocalKafka } from "../dev/local_kafka.ts";
import { createTopic, withAdmin } from "./support/kafka.ts";
import { startProxiedKafka } from "./support/proxied_kafka.ts";
import { type Script, startScript, waitFor } from "./support/wait.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const TIMEOUT = 30_000;

function start(script: string, flags: string[]): Script {
  const args = ["run", "--allow-net", "--allow-env", "--allow-read", script, ...flags];
  return startScript(args, { cwd: ROOT, env: { HTTP_PORT: "0", LOG_FORMAT: "text" } });
}

/** What a script tells of Kafka, and all else that it warns of, without the time. */
function told(script: Script): string[] {
  const lines = script.stderrLines.map((line) => line.slice("12:00:00.000 ".length));
  return lines.filter((line) => /^(WARN|ERROR|CRITICAL|INFO +kafka)/.test(line) && !line.includes(DEAD_LETTER));
}

/** What the consumer says of each record of the first test. */
const DEAD_LETTER = "the record is a dead letter";

async function tells(script: Script, expected: RegExp[]): Promise<void> {
  await waitFor(() => told(script).length >= expected.length, { what: `${expected.length} lines`, timeout: TIMEOUT })
    .catch((error) => assert.fail(`${error.message}: ${script.tail()}`));
  const lines = told(script);
  const matches = lines.length === expected.length && lines.every((line, i) => expected[i].test(line));
  assert.ok(matches, `expected ${expected.join("\n")}, got ${lines.join("\n")}`);
}

const ANSWERS = /^INFO +kafka: Kafka answers brokers=1$/;

Deno.test("who stops Kafka reads one line, with the address, and one when it is back", async () => {
  await using kafka = await startLocalKafka();
  const [node] = kafka.nodes;
  const flags = ["--brokers", kafka.bootstrap, "--topic", "names"];
  await using server = start("server.ts", flags);
  const [, url] = await server.line(/listening on (http:\S+)/);
  await server.line(/server: ready/);
  // All that has a connection of its own: somebody follows the topic, and dead letters are produced.
  const following = new AbortController();
  const { signal } = following;
  const stream = await fetch(`${url}/topics/names/events`, { signal });
  const deadLetters = ["--handler", "tests/consumer/handlers/poison.ts", "--dead-letter-topic", "dead"];
  await using consumer = start("consumer.ts", [...flags, ...deadLetters, "--max-attempts", "1"]);
  await consumer.line(/no more messages/);
  const send = async () => {
    const body = JSON.stringify({ records: [{ value: "bad" }] });
    const headers = { "Content-Type": "application/vnd.kafka.text.v2+json" };
    const response = await fetch(`${url}/topics/names`, { method: "POST", headers, body });
    assert.equal(response.status, 200, await response.text());
  };
  const untilConsumed = (count: number) =>
    waitFor(() => consumer.stderrLines.filter((line) => line.includes(DEAD_LETTER)).length === count, {
      what: `dead letter ${count}`,
      timeout: TIMEOUT,
    });
  await send();
  await untilConsumed(1);
  const expected = [ANSWERS];
  for (const [i, end] of [() => node.stop(), () => node.kill()].entries()) {
    await end();
    const cause = `(ECONNREFUSED \\S+:${node.port}|\\(\\S+:${node.port}\\))"$`;
    expected.push(new RegExp(`^WARN +kafka: Kafka does not answer; trying again until it does cause=".*${cause}`));
    for (const script of [server, consumer]) await tells(script, expected);
    await node.start();
    expected.push(ANSWERS);
    for (const script of [server, consumer]) await tells(script, expected);
    await send();
    await untilConsumed(2 + i);
    for (const script of [server, consumer]) await tells(script, expected);
  }
  following.abort();
  await stream.body?.cancel().catch(() => {});
});

/** Gives the broker with this port a host that nobody finds. Its name is as long, so that nothing else changes. */
function mislead(port: number): (metadata: Buffer) => Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(port);
  const after = bytes.toString("latin1");
  return (metadata) =>
    Buffer.from(metadata.toString("latin1").replaceAll(`localhost${after}`, `x.invalid${after}`), "latin1");
}

Deno.test("a broker that advertises an address which nobody finds is told once, and once when it is reached", async () => {
  await using kafka = await startProxiedKafka();
  const [proxy] = kafka.proxies;
  await using topic = await createTopic(kafka.bootstrap);
  const address = `localhost:${proxy.port}`;
  const wrong = `x.invalid:${proxy.port}`;
  using rule = proxy.rule({ api: "Metadata", action: { do: "rewrite", body: mislead(proxy.port) } });
  const flags = ["--brokers", kafka.bootstrap, "--topic", topic.name];
  await using server = start("server.ts", flags);
  await using consumer = start("consumer.ts", flags);
  const expected = [
    ANSWERS,
    /cannot be prepared; trying again .*cause=.*ENOTFOUND x.invalid/,
    new RegExp(
      `^WARN +kafka: a broker cannot be reached at the address that it advertises broker=1 address=${wrong} cause=.*ENOTFOUND`,
    ),
  ];
  for (const script of [server, consumer]) await tells(script, expected);
  await rule.hit(rule.hits + 10); // it tries again, and tells no more
  for (const script of [server, consumer]) await tells(script, expected);
  rule[Symbol.dispose]();
  expected.push(new RegExp(`^INFO +kafka: a broker can be reached again broker=1 address=${address}$`));
  for (const script of [server, consumer]) await tells(script, expected);
  await consumer.line(/assigned/);
});

Deno.test("a consumer whose group is with a broker that it cannot reach says so, though all it reads is with another one", async () => {
  const properties = { "offsets.topic.num.partitions": "1" };
  await using kafka = await startProxiedKafka({ brokers: 2, heap: "400m", properties });
  const [first, second] = kafka.proxies;
  const compacted = [{ name: "cleanup.policy", value: "compact" }];
  const groups = { topic: "__consumer_offsets", numPartitions: -1, replicationFactor: -1, configEntries: compacted };
  await withAdmin(kafka.bootstrap, async (admin) => {
    const replicaAssignment = [{ partition: 0, replicas: [2] }];
    await admin.createTopics({ topics: [{ ...groups, replicaAssignment }], waitForLeaders: false });
  });
  await using topic = await createTopic(kafka.bootstrap, { assignment: [[1]] });
  using _wrong = first.rule({ api: "Metadata", action: { do: "rewrite", body: mislead(second.port) } });
  // By the name that it advertises, else metadata would be asked for at all of them.
  await using consumer = start("consumer.ts", ["--brokers", `localhost:${first.port}`, "--topic", topic.name]);
  await consumer.line(
    new RegExp(`WARN +kafka: a broker cannot be reached .*broker=2 address=x.invalid:${second.port}`),
  );
});

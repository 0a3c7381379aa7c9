import assert from "node:assert/strict";
import { createTopic, sharedKafka, withAdmin } from "./support/kafka.ts";
import { startProxiedKafka } from "./support/proxied_kafka.ts";
import { startProxy } from "./support/proxy.ts";
import { readTopic } from "./support/reader.ts";
import { freePort, type Script, startScript, waitFor } from "./support/wait.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ENV_NAMES = "KAFKA*,HTTP_*,LOG_*,SHUTDOWN_TIMEOUT_MS,NODE_ENV,NO_COLOR";
const POST = { method: "POST" };

/** Starts the server with its own permissions and no more. */
function serve(env: Record<string, string>, flags: string[] = []): Script {
  const permissions = ["--allow-net", `--allow-env=${ENV_NAMES}`, "--allow-read"];
  return startScript(["run", ...permissions, "server.ts", ...flags], { cwd: ROOT, env: { HTTP_PORT: "0", ...env } });
}

async function urlOf(server: Script): Promise<string> {
  const [, url] = await server.line(/listening on (http:\/\/[\w.]+:\d+)/);
  return url;
}

async function statusOf(url: string, init?: RequestInit): Promise<number> {
  const response = await fetch(url, init);
  await response.body?.cancel();
  return response.status;
}

const whenReady = (url: string) =>
  waitFor(async () => await statusOf(`${url}/readyz`) === 200, { what: "the server to be ready" });

Deno.test("the server makes the topic, takes names, and ends with 0 when asked to", async () => {
  const { bootstrap } = await sharedKafka();
  const topic = `test-${crypto.randomUUID()}`;
  await using server = serve({ KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic });
  const url = await urlOf(server);
  await whenReady(url);
  const { partition, offset, value } = await (await fetch(`${url}/names`, POST)).json();
  const [record] = await readTopic(bootstrap, topic);
  assert.deepEqual([record.partition, Number(record.offset), record.value?.toString()], [partition, offset, value]);
  server.signal("SIGTERM");
  assert.equal((await server.exit).code, 0, server.tail());
  assert.deepEqual(server.stdoutLines, []);
  await withAdmin(bootstrap, (admin) => admin.deleteTopics({ topics: [topic] }));
});

Deno.test("a port that is taken is named, with what to do", async () => {
  const { bootstrap } = await sharedKafka();
  const port = freePort();
  using _listener = Deno.listen({ hostname: "127.0.0.1", port });
  await using server = serve({ KAFKA_BROKERS: bootstrap }, ["--port", String(port)]);
  await server.line(new RegExp(`Cannot serve: port ${port} is taken; .*--port or HTTP_PORT`));
  assert.equal((await server.exit).code, 1);
});

Deno.test("wrong settings end with 2 before anything begins", async () => {
  await using server = serve({ KAFKA_BROKERS: "nonsense" }, ["--port", "abc"]);
  await server.line(/HTTP_PORT is "abc", from --port; expected a whole number/);
  assert.equal((await server.exit).code, 2);
});

Deno.test("a missing topic that may not be made ends the server, with what to do", async () => {
  const { bootstrap } = await sharedKafka();
  const topic = `never-${crypto.randomUUID()}`;
  await using server = serve({ KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic, KAFKA_CREATE_TOPIC: "false" });
  await server.line(new RegExp(`Topic "${topic}" does not exist and KAFKA_CREATE_TOPIC is false; create it, or set`));
  assert.equal((await server.exit).code, 1);
});

Deno.test("a topic that cannot be made is told once, and by readiness with the cause, until it can", async () => {
  const { bootstrap } = await sharedKafka();
  const id = `test-${crypto.randomUUID()}`;
  const topicsOf = (name: string) => ({ topics: [name] });
  // Kafka holds names that differ in . and _ only for the same.
  await withAdmin(bootstrap, (admin) => admin.createTopics({ topics: [{ topic: `${id}.a` }] }));
  await using server = serve({ KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: `${id}_a` });
  const url = await urlOf(server);
  await server.line(/the topic cannot be prepared; trying again.*an invalid topic/);
  const { message } = await (await fetch(`${url}/readyz`)).json();
  assert.match(message, new RegExp(`^Not ready: topic "${id}_a" cannot be prepared: .*an invalid topic`));
  await withAdmin(bootstrap, (admin) => admin.deleteTopics(topicsOf(`${id}.a`)));
  await whenReady(url);
  assert.equal(server.stderrLines.filter((line) => line.includes("cannot be prepared")).length, 1, server.tail());
  await withAdmin(bootstrap, (admin) => admin.deleteTopics(topicsOf(`${id}_a`)));
});

Deno.test("without Kafka the server starts, says that it is not ready, and recovers by itself", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  await using proxy = await startProxy({ target: { hostname: "127.0.0.1", port: freePort() } });
  await using server = serve({ KAFKA_BROKERS: `127.0.0.1:${proxy.port}`, KAFKA_TOPIC: topic.name });
  const url = await urlOf(server);
  await server.line(/Kafka does not answer/);
  assert.equal(await statusOf(`${url}/healthz`), 200);
  assert.equal(await statusOf(`${url}/readyz`), 503);
  const refusal = await fetch(`${url}/names`, POST);
  assert.equal(refusal.status, 503);
  assert.equal(refusal.headers.get("retry-after"), "1");
  assert.match((await refusal.json()).message, /Kafka does not answer/);

  const [hostname, port] = bootstrap.split(",")[0].split(":");
  proxy.target = { hostname, port: Number(port) };
  await whenReady(url);
  assert.equal(await statusOf(`${url}/names`, POST), 200);
  server.signal("SIGINT");
  assert.equal((await server.exit).code, 0, server.tail());
});

/** A connection for several requests, one after the other. */
async function openConnection({ hostname, port }: URL) {
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const buffer = new Uint8Array(16_384);
  const send = async (text: string) => void await connection.write(new TextEncoder().encode(text));
  return {
    send,
    /** A request without a body, or the rest of one. @returns the answer, empty when the connection ended instead */
    async ask(line: string, rest = " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"): Promise<string> {
      await send(line + rest);
      const read = await connection.read(buffer).catch(() => 0);
      return new TextDecoder().decode(buffer.subarray(0, read ?? 0));
    },
    close: () => connection.close(),
  };
}

Deno.test("on the way out", async (t) => {
  await using kafka = await startProxiedKafka();
  const [proxy] = kafka.proxies;
  const env = { KAFKA_BROKERS: kafka.bootstrap, KAFKA_TOPIC: "stopping" };

  await t.step("a request in flight is answered, newcomers are sent away, and the exit code is 0", async () => {
    await using server = serve(env);
    const url = await urlOf(server);
    await whenReady(url);
    const held = proxy.rule({ api: "Produce", times: 1, action: { do: "hold", at: "response" } });
    const inFlight = fetch(`${url}/names`, POST);
    await held.hit();
    server.signal("SIGTERM");
    await waitFor(async () => await statusOf(`${url}/readyz`) === 503, { what: "readiness to fail" });
    assert.equal(await statusOf(`${url}/healthz`), 200);
    const refusal = await fetch(`${url}/names`, POST);
    assert.equal(refusal.status, 503);
    assert.match((await refusal.json()).message, /The server is stopping/);
    held[Symbol.dispose]();
    assert.equal((await inFlight).status, 200);
    const { partition, offset, value } = await (await inFlight).json();
    assert.equal((await server.exit).code, 0, server.tail());
    const records = await readTopic(kafka.bootstrap, "stopping");
    const record = records.find((r) => r.partition === partition && Number(r.offset) === offset);
    assert.equal(record?.value?.toString(), value);
  });

  await t.step("a request that was sent, but not read yet, is answered", async () => {
    await using server = serve(env);
    const url = new URL(await urlOf(server));
    await whenReady(url.origin);
    const clients = await Promise.all(Array.from({ length: 20 }, () => openConnection(url)));
    await Promise.all(clients.map((client) => client.ask("GET /healthz")));
    server.signal("SIGSTOP");
    clients.push(...await Promise.all(Array.from({ length: 20 }, () => openConnection(url)))); // not accepted yet
    const answers = clients.map((client) => client.ask("POST /names"));
    server.signal("SIGTERM");
    server.signal("SIGCONT");
    for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 (200|503) /);
    assert.equal((await server.exit).code, 0, server.tail());
    for (const client of clients) client.close();
  });

  await t.step("a request whose body is still on its way is waited for", async () => {
    await using server = serve(env);
    const url = new URL(await urlOf(server));
    await whenReady(url.origin);
    const client = await openConnection(url);
    const body = '{"records":[{"value":"late"}]}';
    const head = `POST /topics/stopping HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
    await client.send(`${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`);
    const atWork = async () => /http_requests_at_work 2\n/.test(await (await fetch(`${url.origin}/metrics`)).text());
    await waitFor(atWork, { what: "the request to be at work, beside the one that asks" });
    server.signal("SIGTERM");
    await waitFor(async () => await statusOf(`${url.origin}/readyz`) === 503, { what: "readiness to fail" });
    assert.match(await client.ask(body.slice(10), ""), /^HTTP\/1\.1 200 /);
    assert.equal((await server.exit).code, 0, server.tail());
    client.close();
  });

  await t.step("what Kafka does not take in time is counted as lost, and the exit code is 1", async () => {
    await using server = serve({ ...env, SHUTDOWN_TIMEOUT_MS: "1500" });
    const url = await urlOf(server);
    await whenReady(url);
    using lost = proxy.rule({ api: "Produce", action: { do: "drop", at: "response" } });
    const inFlight = fetch(`${url}/names?count=3`, POST);
    await lost.hit();
    const began = performance.now();
    server.signal("SIGTERM");
    const answer = await inFlight;
    assert.equal(answer.status, 504);
    assert.equal((await answer.json()).error_code, 50401);
    assert.equal((await server.exit).code, 1, server.tail());
    assert.ok(performance.now() - began < 3_000);
    assert.match(server.tail(), /3 messages might be lost/);
  });

  await t.step("a second signal ends it at once", async () => {
    await using server = serve(env);
    const url = await urlOf(server);
    await whenReady(url);
    using held = proxy.rule({ api: "Produce", action: { do: "hold", at: "response" } });
    const inFlight = fetch(`${url}/names`, POST).catch(() => "cut off");
    await held.hit();
    server.signal("SIGTERM");
    await waitFor(async () => await statusOf(`${url}/readyz`) === 503, { what: "readiness to fail" });
    await new Promise((resolve) => setTimeout(resolve, 300)); // what comes sooner passes for an echo of the first
    server.signal("SIGTERM");
    assert.equal((await server.exit).code, 130);
    assert.equal(await inFlight, "cut off");
  });
});

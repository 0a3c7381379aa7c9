import assert from "node:assert/strict";
import { join } from "node:path";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { freePorts } from "../../dev/ports.ts";
import { sharedKafka } from "../support/kafka.ts";
import { startScript } from "../support/wait.ts";
import { fakePrograms } from "./fake_programs.ts";

const PROJECT = join(import.meta.dirname!, "..", "..");

/** The broker script, as `deno task broker` runs it. */
function startBroker(flags: string[], env: Record<string, string> = {}) {
  const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write", "--allow-run=sh"];
  return startScript(["run", "--no-lock", ...permissions, "dev/broker.ts", ...flags], { env, cwd: PROJECT });
}

/** What it has said and how it ended, once it has. */
async function endOf(broker: ReturnType<typeof startBroker>) {
  const { code } = await broker.exit;
  return { code, stdout: broker.stdoutLines.join("\n"), stderr: broker.stderrLines.join("\n") };
}

async function temporaryFolder() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("a broker runs until SIGTERM; another one on its port has nothing to start", async () => {
  await using data = await temporaryFolder();
  const [port] = freePorts(1);
  await using broker = startBroker(["--port", String(port), "--data", data.path]);
  // Started at the same time, it waits for the first instead of competing for the port and the data.
  await using second = startBroker(["--port", String(port), "--data", data.path]);
  const [first, other] = await Promise.all(
    [broker, second].map((script) => script.line(/^Its log: .*kafka\.log|^It was there already/, { timeout: 120_000 })),
  );
  const [running, idle] = first[0].startsWith("Its log") ? [broker, second] : [second, broker];
  assert.notEqual(first[0], other[0]);
  assert.ok(running.stdoutLines.includes(`Kafka answers on localhost:${port}`));
  assert.deepEqual(idle.stdoutLines, [
    `Kafka answers on localhost:${port}`,
    "It was there already: there is nothing to start.",
  ]);
  assert.equal((await idle.exit).code, 0);
  assert.equal((await probeKafka(`localhost:${port}`)).kind, "kafka");

  running.signal("SIGTERM");
  assert.equal((await endOf(running)).code, 0);
  assert.equal((await probeKafka(`localhost:${port}`)).kind, "nothing");
});

Deno.test("a broker whose Kafka is killed says so, shows the end of its log and exits with 1", async () => {
  await using data = await temporaryFolder();
  const [port] = freePorts(1);
  await using broker = startBroker(["--port", String(port), "--data", data.path]);
  await broker.line(/^Kafka answers/, { timeout: 120_000 });
  const script = `kill -9 $(ps -A -ww -o pid=,args= | grep "[k]afka.logs.dir=$0" | sed 's/^ *//; s/ .*//')`;
  await new Deno.Command("sh", { args: ["-c", script, data.path] }).output();
  const { code, stderr } = await endOf(broker);
  assert.equal(code, 1);
  assert.match(stderr, /Kafka node 1 ended by itself \(SIGKILL\); its log \(.*kafka\.log\) ends with:\n.*INFO/);
});

Deno.test("a Ctrl-C while Kafka starts ends it with 0, and nothing listens then", async () => {
  await using data = await temporaryFolder();
  const [port] = freePorts(1);
  await using broker = startBroker(["--port", String(port), "--data", data.path]);
  await broker.line(/^starting Kafka/, { timeout: 120_000 });
  broker.signal("SIGINT");
  assert.equal((await endOf(broker)).code, 0);
  assert.equal((await probeKafka(`localhost:${port}`)).kind, "nothing");
});

Deno.test("a Kafka that KAFKA_BROKERS names is used, and nothing is started", async () => {
  const { bootstrap } = await sharedKafka();
  await using broker = startBroker([], { KAFKA_BROKERS: bootstrap });
  assert.deepEqual(await endOf(broker), {
    code: 0,
    stdout: `Kafka answers on ${bootstrap}\nKAFKA_BROKERS names it: there is nothing to start.`,
    stderr: "",
  });
});

Deno.test("a Kafka that KAFKA_BROKERS names and that does not answer is an error", async () => {
  const address = `localhost:${freePorts(1)[0]}`;
  await using broker = startBroker([], { KAFKA_BROKERS: address });
  const { code, stderr } = await endOf(broker);
  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`^KAFKA_BROKERS is ${address}, and no Kafka answers there .*; expected one that does`),
  );
});

Deno.test("a port on which something else than Kafka listens is named, with what to do", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("hello"));
  const { port } = server.addr;
  await using broker = startBroker(["--port", String(port)]);
  const { code, stderr } = await endOf(broker);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^Another program than Kafka listens on localhost:${port} .*lsof.* KAFKA_BROKERS=`));
});

Deno.test("wrong flags and settings are told all at once, with exit code 2", async () => {
  await using broker = startBroker(["--port", "abc", "--brokers", "0", "--daat", "x"], { KAFKA_BROKERS: "" });
  const { code, stderr } = await endOf(broker);
  assert.equal(code, 2);
  assert.match(stderr, /--port is "abc".*expected a whole number/);
  assert.match(stderr, /--brokers is "0".*expected a whole number from 1 to 9/);
  assert.match(stderr, /--daat is not known here, did you mean --data\?/);
  assert.match(stderr, /KAFKA_BROKERS is "".*expected host:port/);
});

Deno.test("without Docker and Java the message names all ways to get a Kafka", async () => {
  await using programs = await fakePrograms({});
  const [port] = freePorts(1);
  await using broker = startBroker(["--port", String(port)], programs.env);
  const { code, stderr } = await endOf(broker);
  assert.equal(code, 1);
  assert.match(stderr, /^There is no Kafka, and no way to start one\. Any one of these is enough:/);
  assert.match(stderr, /^- KAFKA_BROKERS is not set\. Set it to a Kafka that runs elsewhere: KAFKA_BROKERS=/m);
  assert.match(stderr, new RegExp(`^- Nothing answers on localhost:${port}\\.`, "m"));
  assert.match(stderr, /^- Docker: /m);
  assert.match(stderr, /^- There is no Java on PATH\. Install Java 17 or later \(.*apt install openjdk-17/m);
});

Deno.test("with a Java that is too old the message names its version", async () => {
  await using programs = await fakePrograms({ java: `echo 'openjdk version "11.0.22" 2024-01-16' >&2` });
  await using broker = startBroker(["--port", String(freePorts(1)[0])], programs.env);
  const { code, stderr } = await endOf(broker);
  assert.equal(code, 1);
  assert.match(stderr, /^- The java on PATH is version 11\.0\.22; Kafka needs 17 or later\. Install Java 17/m);
});

/** Looks for a Docker engine among programs of the test's own. */
async function triesDocker(docker: string): Promise<string> {
  await using programs = await fakePrograms({ docker });
  const module = JSON.stringify(join(PROJECT, "dev", "provide_kafka.ts"));
  const code = `const { provideKafka } = await import(${module});
    await provideKafka({ sources: ["docker"], nodes: 3 }).catch((error) => console.log(error.message));`;
  await using script = startScript(["eval", "--no-lock", code], { env: programs.env, cwd: PROJECT });
  return (await endOf(script)).stdout;
}

Deno.test("a Docker engine that does not answer, lacks compose or cannot start Kafka is told apart", async () => {
  const stopped = "echo 'Cannot connect to the Docker daemon' >&2; exit 1";
  assert.match(await triesDocker(stopped), /- Docker: no engine answers \(Cannot connect to the Docker daemon\)/);
  const withoutCompose = `[ "$1" = info ]`;
  assert.match(await triesDocker(withoutCompose), /- Docker: docker compose is missing\. Install it/);
  const offline = `case "$*" in *' up '*) echo 'Error response from daemon: no such host' >&2; exit 1;; esac`;
  assert.match(
    await triesDocker(offline),
    /- Docker: docker compose up failed: Error response from daemon: no such host/,
  );
});

import assert from "node:assert/strict";
import { type ISocketFactory, Kafka, logLevel } from "kafkajs";
import net from "node:net";
import { dirname, join } from "node:path";
import { CACHE_DIR, kafkaJars } from "../../dev/jars.ts";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { startLocalKafka } from "../../dev/local_kafka.ts";
import { freePorts } from "../../dev/ports.ts";
import { applyPatches } from "../../kafka/patches.ts";
import { createTopic, withAdmin } from "../support/kafka.ts";
import { startScript, waitFor } from "../support/wait.ts";

async function temporaryFolder() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A cache that no other test has folders in. The jars are those of all. */
async function ownCache(name = "cache") {
  await using folder = new AsyncDisposableStack();
  const { path } = folder.use(await temporaryFolder());
  const { version, classpath } = await kafkaJars();
  const cacheDir = join(path, name);
  await Deno.mkdir(cacheDir);
  await Deno.symlink(dirname(classpath.split(":")[0]), join(cacheDir, `kafka-${version}`));
  const moved = folder.move();
  return {
    cacheDir,
    /** The temporary folders of Kafkas. */
    runFolders: async () => {
      const entries = await Array.fromAsync(Deno.readDir(cacheDir));
      return entries.map(({ name }) => name).filter((name) => name.startsWith("run-"));
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

async function topics(bootstrap: string): Promise<string[]> {
  return await withAdmin(bootstrap, (admin) => admin.listTopics());
}

Deno.test("a Kafka starts from nothing, makes topics, and leaves no process, port or folder behind", async () => {
  await using cache = await ownCache();
  const kafka = await startLocalKafka({ cacheDir: cache.cacheDir });
  const [node] = kafka.nodes;
  assert.equal(kafka.bootstrap, `localhost:${node.port}`);
  {
    await using topic = await createTopic(kafka.bootstrap, { partitions: 2 });
    assert.ok((await topics(kafka.bootstrap)).includes(topic.name));
  }
  await kafka.stop();
  assert.equal((await node.exited).code, 143); // what Java ends with when SIGTERM stopped it
  assert.equal((await probeKafka(`127.0.0.1:${node.port}`)).kind, "nothing");
  assert.deepEqual(await cache.runFolders(), []);
});

Deno.test("a restart on the same folder keeps the data", async () => {
  await using data = await temporaryFolder();
  let name: string;
  {
    await using kafka = await startLocalKafka({ dataDir: data.path });
    ({ name } = await createTopic(kafka.bootstrap));
  }
  await using again = await startLocalKafka({ dataDir: data.path });
  assert.deepEqual(await topics(again.bootstrap), [name]);
});

Deno.test("a node that was killed, or stopped while it was frozen, comes back on the same port with its data", async () => {
  await using kafka = await startLocalKafka();
  const [node] = kafka.nodes;
  const { name } = await createTopic(kafka.bootstrap);

  const killed = node.pid;
  await node.kill();
  assert.equal((await node.exited).signal, "SIGKILL");
  assert.equal((await probeKafka(kafka.bootstrap)).kind, "nothing");
  await node.start();
  assert.notEqual(node.pid, killed);
  assert.deepEqual(await topics(kafka.bootstrap), [name]);

  node.signal("SIGSTOP");
  assert.notEqual((await probeKafka(kafka.bootstrap, { timeout: 300 })).kind, "kafka");
  assert.equal((await node.stop())?.code, 143); // in order, and not killed
  await node.start();
  assert.deepEqual(await topics(kafka.bootstrap), [name]);
});

Deno.test("three nodes make a cluster that replicates, and clients are told the advertised ports", async () => {
  const advertisedPorts = freePorts(3);
  await using kafka = await startLocalKafka({ brokers: 3, advertisedPorts });
  assert.equal(kafka.bootstrap, advertisedPorts.map((port) => `localhost:${port}`).join());
  for (const { port } of kafka.nodes) {
    const found = await probeKafka(`127.0.0.1:${port}`, { brokers: 3 });
    assert.ok(found.kind === "kafka");
    assert.deepEqual(found.brokers.toSorted(), kafka.bootstrap.split(",").toSorted());
  }
  // Nothing listens on the advertised ports: brokers that used them among themselves could not copy the record, and it
  // is acknowledged when all three have it.
  const ports = new Map(advertisedPorts.map((port, i) => [port, kafka.nodes[i].port]));
  const socketFactory: ISocketFactory = ({ port, onConnect }) => net.connect(ports.get(port)!, "127.0.0.1", onConnect);
  applyPatches();
  const client = new Kafka({ brokers: kafka.bootstrap.split(","), socketFactory, logLevel: logLevel.NOTHING });
  const [admin, producer] = [client.admin(), client.producer()];
  try {
    await Promise.all([admin.connect(), producer.connect()]);
    await admin.createTopics({ topics: [{ topic: "replicated" }], waitForLeaders: true });
    const { topics } = await admin.fetchTopicMetadata({ topics: ["replicated"] });
    assert.deepEqual(topics[0].partitions[0].isr.toSorted(), [1, 2, 3]);
    const [written] = await producer.send({ topic: "replicated", acks: -1, messages: [{ value: "a" }] });
    assert.equal(written.baseOffset, "0");
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
});

Deno.test("a Kafka that ends early is reported with its exit code and the end of its log", async () => {
  await using cache = await ownCache();
  const start = startLocalKafka({ cacheDir: cache.cacheDir, properties: { "num.io.threads": "none" } });
  await assert.rejects(start, (error: Error) => {
    assert.match(error.message, /^Kafka could not format|^Kafka node 1 ended with exit code 1/);
    assert.match(error.message, /Invalid value none for configuration num\.io\.threads/);
    return true;
  });
  assert.deepEqual(await cache.runFolders(), []);
});

Deno.test("a Kafka that ends after it was formatted is reported with the fatal error and the end of its log", async () => {
  await using cache = await ownCache();
  const start = startLocalKafka({
    cacheDir: cache.cacheDir,
    properties: { "authorizer.class.name": "no.such.Authorizer" },
  });
  await assert.rejects(start, (error: Error) => {
    assert.match(error.message, /^Kafka node 1 ended with exit code 1; expected it to answer on localhost:\d+/);
    assert.match(error.message, /Its log \(.*node-1\/kafka\.log\) ends with:/);
    assert.match(error.message, /ClassNotFoundException.*no\.such\.Authorizer/);
    return true;
  });
  assert.deepEqual(await cache.runFolders(), []);
});

Deno.test("data that another Kafka uses are not touched", async () => {
  await using data = await temporaryFolder();
  await using first = await startLocalKafka({ dataDir: data.path });
  const { pid } = first.nodes[0];
  await assert.rejects(
    startLocalKafka({ dataDir: data.path }),
    new RegExp(`The data in ${data.path}/node-1 are in use by another Kafka \\(process ${pid}\\); expected nobody`),
  );
  assert.equal((await probeKafka(first.bootstrap)).kind, "kafka");
});

Deno.test("data whose Kafka is about to stop, because its program was killed, are waited for", async () => {
  await using data = await temporaryFolder();
  const holder = ["run", "-A", "--no-config", "--no-lock", join(import.meta.dirname!, "hold_kafka.ts"), "1"];
  await using script = startScript([...holder, CACHE_DIR, data.path]);
  await script.line(/^\[\{"pid"/);
  script.signal("SIGKILL");
  await script.exit;
  await using kafka = await startLocalKafka({ dataDir: data.path });
  assert.equal((await probeKafka(kafka.bootstrap)).kind, "kafka");
});

Deno.test("a Kafka that lost the race for a port is started again, and in the end says which address it was", async () => {
  const [taken, broker, controller] = freePorts(3);
  using _listener = Deno.listen({ hostname: "127.0.0.1", port: taken });
  const starts: string[] = [];
  const properties = {
    "listeners": `CLIENT://127.0.0.1:${taken},BROKER://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
  };
  const onProgress = (line: string) => starts.push(line);
  await assert.rejects(startLocalKafka({ properties, onProgress }), new RegExp(`127\\.0\\.0\\.1:${taken}.*in use`));
  assert.equal(starts.filter((line) => line.includes("again")).length, 2);
});

Deno.test("a port that is taken is named, with what to do", async () => {
  const [port] = freePorts(1);
  using _listener = Deno.listen({ hostname: "127.0.0.1", port });
  await assert.rejects(startLocalKafka({ ports: [port] }), {
    name: "PortTakenError",
    message: new RegExp(`^Port ${port} is taken by another program; .*lsof -nP -iTCP:${port} .*or choose another port`),
  });
});

Deno.test("a start that is given up leaves nothing behind, whenever that is", async () => {
  await using cache = await ownCache();
  for (const ms of [0, 150, 700, 1500]) {
    const reason = new Error("given up");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), ms);
    await assert.rejects(startLocalKafka({ cacheDir: cache.cacheDir, signal: controller.signal }), reason);
    assert.deepEqual(await cache.runFolders(), []);
  }
});

Deno.test("the data of a cluster are not used by one of another size", async () => {
  await using data = await temporaryFolder();
  await Deno.writeTextFile(
    join(data.path, "cluster.json"),
    JSON.stringify({ id: "MkU3OEVBNTcwNTJENDM2Qg", brokers: 3 }),
  );
  await assert.rejects(
    startLocalKafka({ dataDir: data.path }),
    new RegExp(`The data folder ${data.path} belongs to a cluster of 3 nodes, not of 1; expected the same number`),
  );
});

Deno.test("a folder with a Chinese name is no trouble, whatever the locale", async () => {
  await using cache = await ownCache("我的 项目, 缓存");
  const holder = [
    "run",
    "-A",
    "--no-config",
    "--no-lock",
    join(import.meta.dirname!, "hold_kafka.ts"),
    "1",
    cache.cacheDir,
  ];
  await using script = startScript(holder, { env: { LC_ALL: "C" } });
  await script.line(/^\[\{"pid"/);
  script.signal("SIGKILL");
  await script.exit;
  await waitFor(async () => (await cache.runFolders()).length === 0, { what: "the guard to clean up" });
});

Deno.test("a data folder that cannot be made is named", async () => {
  await using data = await temporaryFolder();
  const file = join(data.path, "a-file");
  await Deno.writeTextFile(file, "");
  await assert.rejects(startLocalKafka({ dataDir: join(file, "data") }), {
    name: "UnavailableError",
    message: new RegExp(`Cannot write into the folder ${file}/data`),
  });
});

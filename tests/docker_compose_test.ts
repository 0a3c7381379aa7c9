/** What can be known of docker-compose.yml without a Docker engine. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { type Config, loadConfig } from "../config.ts";

interface Service {
  image: string;
  profiles?: string[];
  ports?: string[];
  user?: string;
  command?: string[];
  environment: Record<string, string | number>;
  volumes: string[];
  healthcheck?: { test: string | string[]; interval: string; timeout: string; retries: number };
  depends_on?: Record<string, { condition: string }>;
  stop_grace_period?: string;
}

const TEXT = readProjectFile("docker-compose.yml");
const FILE: { services: Record<string, Service>; volumes: Record<string, unknown> } = parse(TEXT, { merge: true });
const NODES = Object.entries(FILE.services).filter(([, { image }]) => image.startsWith("apache/kafka:"));
const APP = Object.entries(FILE.services).filter(([, { image }]) => image.startsWith("denoland/deno:"));

function readProjectFile(path: string): string {
  return Deno.readTextFileSync(new URL(`../${path}`, import.meta.url));
}

/** `HOST://:9092,CONTAINERS://kafka:19092` by listener name. */
function listenersOf(value: string | number): Record<string, { host: string; port: number }> {
  return Object.fromEntries(
    String(value).split(",").map((listener) => {
      const [, name, host, port] = /^(\w+):\/\/([\w.-]*):(\d+)$/.exec(listener) ?? assert.fail(listener);
      return [name, { host, port: Number(port) }];
    }),
  );
}

/** `127.0.0.1:9092:9092` in its parts. */
function publishedPorts({ ports = [] }: Service): { address: string; host: number; container: number }[] {
  return ports.map((port) => {
    const [, address, host, container] = /^([\d.]+):(\d+):(\d+)$/.exec(port) ?? assert.fail(`port ${port}`);
    return { address, host: Number(host), container: Number(container) };
  });
}

/** `name:/folder[:ro]` in its parts. */
function mountsOf({ volumes }: Service): { source: string; target: string; readOnly: boolean }[] {
  return volumes.map((volume) => {
    const [source, target, mode] = volume.split(":");
    return { source, target, readOnly: mode === "ro" };
  });
}

function seconds(duration: string): number {
  return Number(/^(\d+)s$/.exec(duration)?.[1] ?? assert.fail(`duration ${duration}`));
}

/** The nodes of one cluster, by its id. */
function clusters(): [string, Service][][] {
  return Object.values(Object.groupBy(NODES, ([, { environment }]) => environment.CLUSTER_ID)) as [string, Service][][];
}

Deno.test("every image is pinned to one version", () => {
  for (const [name, { image }] of Object.entries(FILE.services)) {
    assert.match(image, /^[a-z]+\/[a-z]+:\d+\.\d+\.\d+$/, `${name} runs ${image}`);
  }
});

Deno.test("Kafka has the version that is started where there is no Docker", () => {
  const version = /<kafka\.version>(.+?)</.exec(readProjectFile("dev/kafka/pom.xml"))?.[1];
  for (const [name, { image }] of NODES) assert.equal(image, `apache/kafka:${version}`, name);
});

Deno.test("no ZooKeeper: every node is broker and controller", () => {
  assert.doesNotMatch(TEXT, /zookeeper/i);
  for (const [name, { environment }] of NODES) assert.equal(environment.KAFKA_PROCESS_ROLES, "broker,controller", name);
});

Deno.test("one node starts by default, server and consumer with app, three nodes with cluster", () => {
  const profiles = Object.entries(FILE.services).map(([name, { profiles = [] }]) => [name, ...profiles].join(" "));
  assert.deepEqual(profiles.sort(), [
    "consumer app",
    "kafka",
    "kafka-1 cluster",
    "kafka-2 cluster",
    "kafka-3 cluster",
    "server app",
  ]);
});

Deno.test("every port is published on loopback, and no two on the same port", () => {
  const ports = Object.values(FILE.services).flatMap(publishedPorts);
  for (const { address, host } of ports) assert.equal(address, "127.0.0.1", `port ${host}`);
  assert.deepEqual([...new Set(ports.map(({ host }) => host))], ports.map(({ host }) => host));
});

Deno.test("a node is advertised to the host as what it publishes, to containers by its name", () => {
  for (const [name, service] of NODES) {
    const { HOST, CONTAINERS, ...rest } = listenersOf(service.environment.KAFKA_ADVERTISED_LISTENERS);
    assert.deepEqual(rest, {}, `${name} advertises more`);
    assert.equal(HOST.host, "localhost", name);
    assert.deepEqual(publishedPorts(service).map(({ host }) => host), [HOST.port], name);
    assert.equal(CONTAINERS.host, name);
  }
  const ports = NODES.map(([, service]) => publishedPorts(service)[0].host);
  assert.deepEqual(ports, [9092, 9192, 9292, 9392], "as documents and dev/provide_kafka.ts have them");
});

Deno.test("a node listens where it is advertised and published, on every address of its container", () => {
  for (const [name, { environment, ...service }] of NODES) {
    const listeners = listenersOf(environment.KAFKA_LISTENERS);
    const advertised = listenersOf(environment.KAFKA_ADVERTISED_LISTENERS);
    for (const [listener, { port }] of Object.entries(advertised)) {
      assert.deepEqual(listeners[listener], { host: "", port }, `${name} ${listener}`);
    }
    const [{ container }] = publishedPorts({ environment, ...service });
    assert.equal(container, listeners.HOST.port, name);
    assert.equal(environment.KAFKA_INTER_BROKER_LISTENER_NAME, "CONTAINERS", name);
    assert.equal(environment.KAFKA_CONTROLLER_LISTENER_NAMES, "CONTROLLER", name);
    const known = String(environment.KAFKA_LISTENER_SECURITY_PROTOCOL_MAP).split(",").map((entry) => entry.split(":"));
    assert.deepEqual(known, Object.keys(listeners).map((listener) => [listener, "PLAINTEXT"]), name);
  }
});

Deno.test("the controllers of a cluster are its nodes, at the port where they listen", () => {
  for (const nodes of clusters()) {
    const expected = nodes.map(([name, { environment }]) => {
      const { port } = listenersOf(environment.KAFKA_LISTENERS).CONTROLLER;
      return `${environment.KAFKA_NODE_ID}@${name}:${port}`;
    });
    assert.equal(new Set(expected.map((voter) => voter.split("@")[0])).size, nodes.length, "node ids differ");
    for (const [name, { environment }] of nodes) {
      assert.equal(environment.KAFKA_CONTROLLER_QUORUM_VOTERS, expected.join(","), name);
    }
  }
});

Deno.test("one cluster has one node and no second copy, the other three nodes of which one may be lost", () => {
  const sizes = clusters().map((nodes) => nodes.length);
  assert.deepEqual(sizes, [1, 3]);
  for (const [name, { environment }] of NODES) {
    assert.match(String(environment.CLUSTER_ID), /^[\w-]{22}$/, name);
    const [replicas, inSync] = name === "kafka" ? [1, 1] : [3, 2];
    assert.equal(environment.KAFKA_DEFAULT_REPLICATION_FACTOR, replicas, name);
    assert.equal(environment.KAFKA_MIN_INSYNC_REPLICAS, inSync, name);
    assert.equal(environment.KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR, replicas, name);
    for (const internal of ["KAFKA_TRANSACTION_STATE_LOG", "KAFKA_SHARE_COORDINATOR_STATE_TOPIC"]) {
      assert.equal(environment[`${internal}_REPLICATION_FACTOR`], replicas, `${name} ${internal}`);
      assert.equal(environment[`${internal}_MIN_ISR`], inSync, `${name} ${internal}`);
    }
  }
});

Deno.test("nodes lose no time with the first consumer, make no topic by mistake, and are bounded in memory", () => {
  for (const [name, { environment }] of NODES) {
    assert.equal(environment.KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS, 0, name);
    assert.equal(environment.KAFKA_AUTO_CREATE_TOPICS_ENABLE, "false", name);
    assert.equal(environment.KAFKA_HEAP_OPTS, "-Xmx512m", name);
  }
});

Deno.test("every node writes into a volume of its own, which has a name", () => {
  const seen = new Set<string>();
  for (const [name, service] of NODES) {
    const folder = `${service.environment.KAFKA_LOG_DIRS}/`;
    const mount = mountsOf(service).find(({ target }) => folder.startsWith(`${target}/`));
    assert.ok(mount && !mount.readOnly, `${name}: ${folder} is in no volume`);
    assert.ok(mount.source in FILE.volumes, `${name}: ${mount.source} is not declared`);
    assert.ok(!seen.has(mount.source), `${mount.source} belongs to two nodes`);
    seen.add(mount.source);
  }
});

Deno.test("a node is healthy when Kafka's own client gets an answer from one of its listeners", () => {
  for (const [name, { environment, healthcheck }] of NODES) {
    const [, host, port] = /^KAFKA_HEAP_OPTS=\S+ \/opt\/kafka\/bin\/kafka-[a-z-]+\.sh --bootstrap-server (\w+):(\d+)/
      .exec(String(healthcheck?.test)) ?? assert.fail(`${name}: ${healthcheck?.test}`);
    assert.equal(host, "localhost", name);
    const ports = Object.values(listenersOf(environment.KAFKA_ADVERTISED_LISTENERS)).map((listener) => listener.port);
    assert.ok(ports.includes(Number(port)), `${name} does not listen on ${port}`);
  }
});

Deno.test("what depends on another waits until that one is healthy, and both start together", () => {
  for (const [name, { depends_on = {}, profiles = [] }] of Object.entries(FILE.services)) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      const needed = FILE.services[other];
      assert.equal(condition, "service_healthy", `${name} on ${other}`);
      assert.ok(needed?.healthcheck, `${other} has no healthcheck`);
      assert.ok(!needed.profiles || profiles.every((profile) => needed.profiles!.includes(profile)), other);
    }
  }
  for (const [name, { depends_on }] of APP) assert.deepEqual(Object.keys(depends_on ?? {}), ["kafka"], name);
});

Deno.test("server and consumer run a task of this project with settings that it accepts", () => {
  const { tasks } = JSON.parse(readProjectFile("deno.json"));
  const { HOST: _, CONTAINERS } = listenersOf(FILE.services.kafka.environment.KAFKA_ADVERTISED_LISTENERS);
  for (const [name, { command, ...service }] of APP) {
    assert.deepEqual(command?.slice(0, 2), ["deno", "task"], name);
    const task = command![2];
    assert.ok(task === "serve" || task === "consume", `${name} runs ${task}`);
    assert.ok(task in tasks, `${task} is no task`);
    const config = settingsOf(task, service);
    assert.deepEqual(config.brokers, [`${CONTAINERS.host}:${CONTAINERS.port}`], name);
    assert.ok(
      seconds(service.stop_grace_period ?? "10s") * 1_000 > config.shutdownTimeoutMs,
      `${name} is killed first`,
    );
  }
});

function settingsOf(script: "serve" | "consume", { environment }: Pick<Service, "environment">): Config<typeof script> {
  return loadConfig(script, { args: [], env: (name) => environment[name]?.toString(), envFile: "" });
}

Deno.test("the server is reached at the port that is published, and its healthcheck asks whether it is ready", () => {
  const { server } = FILE.services;
  const config = settingsOf("serve", server) as Config<"serve">;
  assert.deepEqual(publishedPorts(server), [{ address: "127.0.0.1", host: 8082, container: config.port }]);
  assert.equal(config.host, "0.0.0.0");
  const [kind, ...command] = server.healthcheck?.test ?? [];
  assert.equal(kind, "CMD");
  assert.ok(command.join(" ").includes(`fetch('http://127.0.0.1:${config.port}/readyz')`), command.join(" "));
  for (const host of ["localhost", "127.0.0.1", "server"]) assert.ok(config.allowedHosts.includes(host), host);
});

Deno.test("server and consumer are not root and cannot write, save Deno's cache", () => {
  for (const [name, service] of APP) {
    assert.equal(service.user, "deno", name);
    const writable = mountsOf(service).filter(({ readOnly }) => !readOnly);
    assert.deepEqual(writable.map(({ target }) => target), ["/deno-dir"], name);
    assert.ok(writable[0].source in FILE.volumes, name);
  }
});

Deno.test("every volume that is declared is used", () => {
  const used = Object.values(FILE.services).flatMap(mountsOf).map(({ source }) => source);
  assert.deepEqual(Object.keys(FILE.volumes).filter((name) => !used.includes(name)), []);
});

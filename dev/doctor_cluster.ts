/**
 * What a Kafka that answers says: whether it lets us in, where it sends clients, and how topic and group are.
 *
 * @module
 */
import type { Config } from "../config.ts";
import { rootCause } from "../errors.ts";
import { describeConfigs } from "../kafka/admin_requests.ts";
import { Asker } from "../kafka/asker.ts";
import { Code, fatalIn } from "../kafka/broker_error.ts";
import { createKafka } from "../kafka/client.ts";
import { Cluster, describeCode } from "../kafka/cluster.ts";
import { Inspector } from "../kafka/inspector.ts";
import { sleep } from "../kafka/wait.ts";
import { examineAddress } from "./doctor_address.ts";
import { describeWithRights, Right, type TopicWithRights } from "./doctor_requests.ts";
import { type Finding, isWrong, note, ok, wrong } from "./finding.ts";

type DoctorConfig = Config<"doctor">;

const REQUEST_TIMEOUT_MS = 5_000;
const LOOPBACK = /^(localhost|127(\.\d+){3})$/;

/** Asks the cluster behind a bootstrap broker that answers. What cannot be asked any more is left out. */
export async function examineCluster(config: DoctorConfig, bootstrap: string): Promise<Finding[]> {
  const client = createKafka({ ...config, brokers: [bootstrap] }, { requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const cluster = new Cluster(client);
  try {
    const auth = await examineAccess(cluster, config);
    if (auth.status === "wrong") return [auth];
    const listeners = await examineListeners(cluster, { config, bootstrap });
    if (isWrong(listeners)) return [auth, ...listeners];
    const asker = new Asker(cluster);
    const topic = await attempt("topic", () => examineTopic(asker, config));
    return [auth, ...listeners, ...topic, ...await attempt("group", () => examineGroup(config, bootstrap))];
  } finally {
    await cluster.close();
  }
}

/** What fails in an unforeseen way is a finding, too. */
async function attempt(check: string, examine: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await examine();
  } catch (error) {
    return [wrong(check, rootCause(error), remedyOf(error) ?? "see the brokers' logs")];
  }
}

/** Connects, and asks the first question that a broker answers only to whom it knows. */
async function examineAccess(cluster: Cluster, { saslMechanism, saslUsername }: DoctorConfig): Promise<Finding> {
  try {
    await cluster.connect();
    await cluster.fetchMetadata([]);
  } catch (error) {
    const remedy = remedyOf(error) ??
      (saslMechanism
        ? "check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
        : "if this listener asks for a password, set KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD");
    return wrong("auth", `Kafka answers, and does not let us in: ${rootCause(error)}`, remedy);
  }
  if (!saslMechanism) return ok("auth", "Kafka does not ask who we are");
  return ok("auth", `Kafka knows ${saslUsername} (${saslMechanism})`);
}

/** What our own table of remedies says about an error; it stands behind the message. */
function remedyOf(error: unknown): string | undefined {
  return fatalIn(error)?.message.split("; ").at(-1);
}

/** Clients use bootstrap brokers for their first question only: after it, the addresses that brokers advertise. */
async function examineListeners(
  cluster: Cluster,
  { config, bootstrap }: { config: DoctorConfig; bootstrap: string },
): Promise<Finding[]> {
  const here = LOOPBACK.test(bootstrap.slice(0, bootstrap.lastIndexOf(":")));
  return await Promise.all(
    cluster.addresses().map(async ({ nodeId, host, port }) => {
      const address = `${host}:${port}`;
      const told = `broker ${nodeId} tells clients to use ${address}`;
      const findings = address === bootstrap ? [] : await examineAddress(address, config);
      const mistake = findings.find(({ status }) => status === "wrong");
      if (mistake) {
        const remedy = `set its advertised.listeners to an address that this host reaches, instead of ${address}`;
        return wrong("listeners", `${told}, and from here ${mistake.detail}`, remedy);
      }
      if (LOOPBACK.test(host) && !here) {
        const remedy = `set its advertised.listeners to an address of that host`;
        return wrong("listeners", `${told}, which is each client's own host; we asked ${bootstrap}`, remedy);
      }
      return ok("listeners", `${told}, which this host reaches`);
    }),
  );
}

async function examineTopic(asker: Asker, { topic, createTopic, acks }: DoctorConfig): Promise<Finding[]> {
  const { brokers, topic: found } = await asker.askAny(describeWithRights(topic));
  if (found.code === Code.unknownTopicOrPartition) {
    const missing = `topic ${topic} does not exist`;
    return [
      createTopic
        ? note("topic", missing, "serve, produce and consume make it when they start")
        : wrong("topic", missing, "create it, or set KAFKA_CREATE_TOPIC=true, or correct KAFKA_TOPIC"),
    ];
  }
  if (found.code !== 0) {
    const { name, message } = describeCode(found.code);
    return [wrong("topic", `topic ${topic}: ${message} (${name})`, REFUSED[found.code] ?? "see the brokers' logs")];
  }
  const { configs } = await asker.askAny(describeConfigs(topic));
  const least = Number(configs.find(([name]) => name === "min.insync.replicas")?.[1] ?? 1);
  return [examineReplicas(found, { least, acks, brokers }), examineRights(found)];
}

const REFUSED: Record<number, string> = {
  17: "correct KAFKA_TOPIC: letters, digits, '.', '_' and '-'",
  29: "ask for the right to read and write it, or check KAFKA_SASL_USERNAME",
};

interface Needs {
  /** `min.insync.replicas` of the topic. */
  least: number;
  acks: DoctorConfig["acks"];
  brokers: number;
}

function examineReplicas({ topic, partitions }: TopicWithRights, { least, acks, brokers }: Needs): Finding {
  const such = (wanted: (p: typeof partitions[number]) => boolean) =>
    partitions.filter(wanted).map(({ partition }) => partition).join(", ");
  const leaderless = such(({ leader }) => leader < 0);
  if (leaderless) {
    const replicas = [...new Set(partitions.filter((p) => p.leader < 0).flatMap((p) => p.replicas))].join(", ");
    return wrong("topic", `${topic} has no leader in partition ${leaderless}`, `start broker ${replicas}`);
  }
  const copies = Math.min(...partitions.map(({ replicas }) => replicas.length));
  const shape = `${topic} has ${count(partitions.length, "partition")} of ${count(copies, "replica")}`;
  if (acks === "all" && copies < least) {
    const remedy = `give it more replicas, or set its min.insync.replicas to ${copies}`;
    return wrong("topic", `${shape}, min.insync.replicas is ${least}: nothing can be written to it`, remedy);
  }
  const few = such(({ inSync }) => inSync.length < least);
  if (few && acks === "all") {
    const remedy = "start the brokers that are down, or wait until they have caught up";
    return wrong("topic", `${topic} has fewer than ${least} replicas in sync in partition ${few}: no writes`, remedy);
  }
  const behind = such(({ inSync, replicas }) => inSync.length < replicas.length);
  if (behind) return note("topic", `${shape}, not all of them in sync in partition ${behind}`, "look at the brokers");
  if (copies === 1 && brokers > 1) return note("topic", `${shape}`, "with 3 it would survive the loss of a broker");
  if (copies === least && least > 1) {
    return note("topic", `${shape}, min.insync.replicas is ${least}`, "with one less, a broker may be down");
  }
  return ok("topic", `${shape}, all in sync, min.insync.replicas is ${least}`);
}

function examineRights({ topic, rights }: TopicWithRights): Finding {
  if (rights === undefined) return note("rights", "this Kafka does not say what we may do");
  const lacking = [[Right.read, "read"], [Right.write, "write"]].filter(([right]) => !(rights & 1 << Number(right)));
  if (lacking.length === 0) return ok("rights", `we may read and write ${topic}`);
  const what = lacking.map(([, name]) => name).join(" nor ");
  return wrong("rights", `we may not ${what} ${topic}`, "have an ACL added, or check KAFKA_SASL_USERNAME");
}

async function examineGroup({ groupId, ...config }: DoctorConfig, bootstrap: string): Promise<Finding[]> {
  if (groupId === "none") return []; // consume's word for looking on without one
  const inspector = new Inspector(() =>
    createKafka({ ...config, brokers: [bootstrap] }, { requestTimeoutMs: REQUEST_TIMEOUT_MS })
  );
  try {
    const found = await coordinated(() => inspector.lag(groupId));
    if (!found) return [note("group", `${groupId} does not exist`, "its first consumer makes it")];
    const behind = found.partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
    const beyond = found.partitions.find(({ committed, endOffset }) => endOffset !== null && committed > endOffset);
    if (beyond) {
      const { topic, partition, committed, endOffset } = beyond;
      const text = `${groupId} has committed ${committed} in ${topic}[${partition}], which ends at ${endOffset}`;
      return [note("group", text, "the topic was made anew; deno task offsets --to beginning moves the group")];
    }
    const state = `${groupId} is ${found.state.toLowerCase()}, ${behind} behind`;
    if (found.state === "Empty" && behind > 0) return [note("group", state, "deno task consume reads on")];
    return [ok("group", state)];
  } finally {
    await inspector.close();
  }
}

/** Which broker has a group is not known at once where Kafka was just started or lost a broker. */
async function coordinated<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + REQUEST_TIMEOUT_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const { code } = error as { code?: number };
      if (!NO_COORDINATOR_YET.includes(code ?? 0) || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

const NO_COORDINATOR_YET: readonly number[] = [
  Code.coordinatorLoading,
  Code.coordinatorNotAvailable,
  Code.notCoordinator,
];

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

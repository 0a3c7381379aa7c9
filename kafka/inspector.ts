/**
 * What there is in a cluster, for those who ask over HTTP: topics, partitions, offsets, groups and their lag. On
 * connections of its own, made when the first one asks, so that no question waits behind records.
 *
 * @module
 */
import { DeliveryError, rootCause } from "../errors.ts";
import {
  allCommitted,
  describeConfigs,
  describeGroups,
  describeTopics,
  type GroupDescription,
  listGroups,
  type PartitionDescription,
  type TopicDescription,
} from "./admin_requests.ts";
import { BrokerError, check, Code } from "./broker_error.ts";
import { Asker } from "./asker.ts";
import type { KafkaClient } from "./client.ts";
import { Cluster } from "./cluster.ts";
import { onceCoordinated } from "./coordinator.ts";
import { BEGINNING, END, listOffsets } from "./fetch_requests.ts";
import { findCoordinator, type Position, type TopicPartition } from "./group_requests.ts";

/** How far a group is behind in a partition. Null: unknown, as the partition is no longer there. */
export interface PartitionLag extends TopicPartition {
  committed: number;
  endOffset: number | null;
  lag: number | null;
}

/** A group's positions. */
export interface GroupLag {
  state: string;
  partitions: PartitionLag[];
}

/** A group with its members, and how far it is behind. */
export interface GroupStanding extends GroupDescription {
  partitions: PartitionLag[];
}

/** A partition and which offsets it has; null while there is no leader to ask. */
export interface PartitionExtent extends PartitionDescription {
  beginning: number | null;
  /** The offset that the next record gets. */
  end: number | null;
}

const LEADERLESS = -1;

/**
 * Asks a cluster.
 *
 * Methods reject with a `DeliveryError`: `unknown-topic`, `unknown-partition`, `not-authorized`, or `kafka` when Kafka
 * does not answer as it should.
 */
export class Inspector {
  readonly #makeClient: () => KafkaClient;
  #cluster?: Promise<Cluster>;

  /** @param makeClient Called for the first question, and again after the connection was lost. */
  constructor(makeClient: () => KafkaClient) {
    this.#makeClient = makeClient;
  }

  /** Ids of the brokers, sorted. */
  brokers(): Promise<number[]> {
    return this.#ask("list the brokers", async (cluster) => {
      const { brokers } = await cluster.askAny(describeTopics([]));
      return brokers.sort((a, b) => a - b);
    });
  }

  /** Names of all topics that are not internal, sorted. */
  topics(): Promise<string[]> {
    return this.#ask("list the topics", async (cluster) => {
      const { topics } = await cluster.askAny(describeTopics("all"));
      return topics.filter(({ internal }) => !internal).map(({ topic }) => topic).sort();
    });
  }

  /** A topic's partitions. */
  topic(topic: string): Promise<TopicDescription> {
    return this.#ask(`describe topic "${topic}"`, (cluster) => describe(cluster, topic));
  }

  /** A topic's settings. */
  configs(topic: string): Promise<[name: string, value: string | null][]> {
    return this.#ask(`read the settings of topic "${topic}"`, async (cluster) => {
      const { code, configs } = await cluster.askAny(describeConfigs(topic));
      check(`read the settings of topic "${topic}"`, code);
      return configs;
    });
  }

  /** The first offset of a partition, and the one that the next record gets. */
  offsets(topic: string, partition: number): Promise<{ beginning: number; end: number }> {
    return this.#ask(`find the offsets of ${topic}[${partition}]`, async (cluster) => {
      const { partitions } = await describe(cluster, topic);
      const leader = partitions.find((p) => p.partition === partition)?.leader;
      if (leader === undefined) {
        const text = `Topic "${topic}" has no partition ${partition}; expected 0 to ${partitions.length - 1}`;
        throw new DeliveryError("unknown-partition", text);
      }
      if (leader === LEADERLESS) throw new Error("the partition has no leader");
      const [beginning, end] = await Promise.all([BEGINNING, END].map(async (time) => {
        const [found] = await cluster.ask(leader, listOffsets([{ topic, partition, time }]));
        check(`find the offsets of ${topic}[${partition}]`, found.code);
        return found.offset;
      }));
      return { beginning, end };
    });
  }

  /** A topic's partitions, each with its first offset and the one that the next record gets. */
  extents(topic: string): Promise<PartitionExtent[]> {
    return this.#ask(`find the offsets of topic "${topic}"`, async (cluster) => {
      const { partitions } = await describe(cluster, topic);
      const [beginnings, ends] = await Promise.all(
        [BEGINNING, END].map((time) => offsetsAt(cluster, { topic, partitions, time })),
      );
      return partitions.map((p) => ({
        ...p,
        beginning: beginnings.get(p.partition) ?? null,
        end: ends.get(p.partition) ?? null,
      }));
    });
  }

  /** The first offset of each partition at or after a time in ms since 1970; partitions without one are left out. */
  offsetsAt(topic: string, time: number): Promise<Map<number, number>> {
    return this.#ask(`find the offsets of topic "${topic}"`, async (cluster) => {
      const { partitions } = await describe(cluster, topic);
      return await offsetsAt(cluster, { topic, partitions, time });
    });
  }

  /** All groups, sorted by name, with members and positions. */
  standings(): Promise<GroupStanding[]> {
    return this.#ask("look at the groups", async (cluster) => {
      const found = (await Promise.all((await cluster.nodes()).map((nodeId) => groupsOf(cluster, nodeId)))).flat();
      const all = new Map(found.flatMap(({ positions }) => positions.map((p) => [`${p.topic} ${p.partition}`, p])));
      const ends = await endsOf(cluster, [...all.values()]); // each once, though several groups may read it
      return found.map(({ positions, ...group }) => ({ ...group, partitions: lagsOf(positions, ends) }))
        .sort((a, b) => a.group < b.group ? -1 : 1);
    });
  }

  /** All groups, sorted by name. */
  groups(): Promise<GroupDescription[]> {
    return this.#ask("list the groups", async (cluster) => {
      const found = await Promise.all((await cluster.nodes()).map(async (nodeId) => {
        const { code, groups } = await cluster.ask(nodeId, listGroups());
        check("list the groups", code);
        const described = groups.length === 0 ? [] : await cluster.ask(nodeId, describeGroups(groups));
        return described.map(({ group, state, members }) => ({ group, state, members }));
      }));
      return found.flat().sort((a, b) => a.group < b.group ? -1 : 1);
    });
  }

  /** How far a group is behind in every partition that it has committed to. Undefined: there is no such group. */
  lag(group: string): Promise<GroupLag | undefined> {
    return this.#ask(`read the positions of group "${group}"`, (cluster) =>
      onceCoordinated(async () => {
        const found = await cluster.askAny(findCoordinator(group));
        check(`find the coordinator of group "${group}"`, found.code);
        const [[{ code: unsure, state }], { code, positions }] = await Promise.all([
          cluster.ask(found.nodeId, describeGroups([group])),
          cluster.ask(found.nodeId, allCommitted(group)),
        ]);
        check(`describe group "${group}"`, unsure);
        check(`read the positions of group "${group}"`, code);
        if (positions.length === 0 && state === "Dead") return undefined;
        return { state, partitions: lagsOf(positions, await endsOf(cluster, positions)) };
      }));
  }

  /** Disconnects. */
  async close(): Promise<void> {
    const cluster = await this.#cluster?.catch(() => undefined);
    this.#cluster = undefined;
    await cluster?.close();
  }

  async #ask<T>(action: string, ask: (cluster: Asker) => Promise<T>): Promise<T> {
    const connected = this.#cluster ??= this.#connect();
    try {
      return await ask(new Asker(await connected));
    } catch (error) {
      if (error instanceof DeliveryError) throw error;
      if (error instanceof BrokerError) throw refusal(error);
      // The next question finds a new connection: this one may know brokers that have gone.
      if (this.#cluster === connected) void this.close();
      throw new DeliveryError("kafka", `Cannot ${action}: ${rootCause(error)}`, { cause: error });
    }
  }

  async #connect(): Promise<Cluster> {
    const cluster = new Cluster(this.#makeClient());
    await cluster.connect();
    return cluster;
  }
}

async function describe(cluster: Asker, topic: string): Promise<TopicDescription> {
  const { topics: [found] } = await cluster.askAny(describeTopics([topic]));
  check(`describe topic "${topic}"`, found.code);
  return found;
}

/** Offsets of a topic at a time, by partition; where there is none, or no leader to ask, it is left out. */
async function offsetsAt(
  cluster: Asker,
  { topic, partitions, time }: { topic: string; partitions: readonly PartitionDescription[]; time: number },
): Promise<Map<number, number>> {
  const byLeader = Map.groupBy(partitions, ({ leader }) => leader);
  byLeader.delete(LEADERLESS);
  const found = await Promise.all(
    [...byLeader].map(([nodeId, led]) =>
      cluster.ask(nodeId, listOffsets(led.map(({ partition }) => ({ topic, partition, time }))))
    ),
  );
  return new Map(
    found.flat().filter(({ code, offset }) => code === 0 && offset >= 0).map((p) => [p.partition, p.offset]),
  );
}

/** The groups that a broker coordinates, with all that they have committed. */
async function groupsOf(cluster: Asker, nodeId: number) {
  const { code, groups } = await cluster.ask(nodeId, listGroups());
  check("list the groups", code);
  if (groups.length === 0) return [];
  const described = await cluster.ask(nodeId, describeGroups(groups));
  return await Promise.all(described.map(async ({ code: unsure, ...group }) => {
    check(`describe group "${group.group}"`, unsure);
    const { code, positions } = await cluster.ask(nodeId, allCommitted(group.group));
    check(`read the positions of group "${group.group}"`, code);
    return { ...group, positions };
  }));
}

/** Positions beside ends, sorted. */
function lagsOf(positions: readonly Position[], ends: ReadonlyMap<string, number>): PartitionLag[] {
  const order = (a: PartitionLag, b: PartitionLag) =>
    a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition;
  return positions.map(({ topic, partition, offset: committed }) => {
    const endOffset = ends.get(`${topic} ${partition}`) ?? null;
    return {
      topic,
      partition,
      committed,
      endOffset,
      lag: endOffset === null ? null : Math.max(0, endOffset - committed),
    };
  }).sort(order);
}

/** End offsets, by "topic partition"; those that cannot be found are left out. */
async function endsOf(cluster: Asker, partitions: readonly TopicPartition[]): Promise<Map<string, number>> {
  const names = [...new Set(partitions.map(({ topic }) => topic))];
  if (names.length === 0) return new Map();
  const { topics } = await cluster.askAny(describeTopics(names));
  const leaders = new Map(
    topics.flatMap(({ topic, partitions }) => partitions.map((p) => [`${topic} ${p.partition}`, p.leader])),
  );
  const byLeader = Map.groupBy(partitions, (p) => leaders.get(`${p.topic} ${p.partition}`) ?? LEADERLESS);
  byLeader.delete(LEADERLESS);
  const found = await Promise.all(
    [...byLeader].map(([nodeId, asked]) =>
      cluster.ask(nodeId, listOffsets(asked.map(({ topic, partition }) => ({ topic, partition, time: END }))))
    ),
  );
  return new Map(found.flat().filter(({ code }) => code === 0).map((p) => [`${p.topic} ${p.partition}`, p.offset]));
}

const INVALID_TOPIC = 17;
const NOT_AUTHORIZED: readonly number[] = [29, 30, 31];

function refusal(error: BrokerError): DeliveryError {
  const { code, message } = error;
  const failure = code === Code.unknownTopicOrPartition || code === INVALID_TOPIC
    ? "unknown-topic"
    : NOT_AUTHORIZED.includes(code)
    ? "not-authorized"
    : "kafka";
  return new DeliveryError(failure, message, { code, cause: error });
}

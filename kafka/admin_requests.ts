/**
 * Requests that ask what there is in a cluster, in versions before "flexible versions" that Kafka 1.0 to 4.x know.
 * Layouts: https://kafka.apache.org/protocol#protocol_api_keys
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { decodeAssignment } from "./assignment.ts";
import type { BrokerRequest } from "./cluster.ts";
import { type Position, readTopics, type TopicPartition } from "./group_requests.ts";
import { RequestWriter, ResponseReader } from "./wire.ts";

/** A partition and where its copies are. */
export interface PartitionDescription {
  partition: number;
  /** -1 while there is none. */
  leader: number;
  replicas: number[];
  inSync: number[];
}

/** A topic and its partitions; `code` is an error code of Kafka's, 0 for none. */
export interface TopicDescription {
  topic: string;
  code: number;
  internal: boolean;
  partitions: PartitionDescription[];
}

/** Brokers and topics: those that are named, or all of them. Nothing is created. */
export function describeTopics(
  topics: readonly string[] | "all",
): BrokerRequest<{ brokers: number[]; topics: TopicDescription[] }> {
  const body = new RequestWriter();
  if (topics === "all") body.int32(-1);
  else body.array(topics, (topic) => body.string(topic));
  return {
    apiKey: 3,
    apiVersion: 5,
    apiName: "Metadata",
    body: body.int8(0).done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      const brokers = reader.array(() => {
        const nodeId = reader.int32();
        reader.string();
        reader.int32();
        reader.string();
        return nodeId;
      });
      reader.string();
      reader.int32();
      return { brokers, topics: reader.array(() => readTopic(reader)) };
    },
  };
}

function readTopic(reader: ResponseReader): TopicDescription {
  const [code, topic, internal] = [reader.int16(), reader.string(), reader.int8() !== 0];
  const nodes = () => reader.array(() => reader.int32());
  const partitions = reader.array(() => {
    reader.int16();
    const found = { partition: reader.int32(), leader: reader.int32(), replicas: nodes(), inSync: nodes() };
    nodes(); // those that are offline
    return found;
  });
  return { topic, code, internal, partitions: partitions.sort((a, b) => a.partition - b.partition) };
}

const TOPIC_RESOURCE = 2;

/** The settings of a topic. A value is null where it is secret. */
export function describeConfigs(topic: string): BrokerRequest<{ code: number; configs: [string, string | null][] }> {
  return {
    apiKey: 32,
    apiVersion: 1,
    apiName: "DescribeConfigs",
    body: new RequestWriter().int32(1).int8(TOPIC_RESOURCE).string(topic).int32(-1).int8(0).done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      const [answer] = reader.array(() => {
        const code = reader.int16();
        reader.string();
        reader.int8();
        reader.string();
        return { code, configs: reader.array(() => readConfig(reader)) };
      });
      return answer;
    },
  };
}

function readConfig(reader: ResponseReader): [string, string | null] {
  const [name, value] = [reader.string(), reader.string()];
  reader.int8();
  reader.int8();
  const secret = reader.int8() !== 0;
  reader.array(() => [reader.string(), reader.string(), reader.int8()]); // where else it is set
  return [name, secret ? null : value];
}

/** The ids of the groups that a broker coordinates. */
export function listGroups(): BrokerRequest<{ code: number; groups: string[] }> {
  return {
    apiKey: 16,
    apiVersion: 1,
    apiName: "ListGroups",
    body: new RequestWriter().done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      const code = reader.int16();
      const groups = reader.array(() => {
        const group = reader.string();
        reader.string();
        return group;
      });
      return { code, groups };
    },
  };
}

/** One of a group's consumers. */
export interface GroupMember {
  memberId: string;
  clientId: string;
  host: string;
  /** What it was given to read. */
  partitions: TopicPartition[];
}

/** A group, as its coordinator sees it. */
export interface GroupDescription {
  group: string;
  /** `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`; `Dead` also for one of a newer protocol (KIP-848). */
  state: string;
  members: GroupMember[];
}

/** The protocol type of those who read topics; what others are given has layouts of their own. */
const CONSUMERS = "consumer";

/** Describes groups; the broker must be their coordinator. What is told beside a `code` that is not 0 means nothing. */
export function describeGroups(groups: readonly string[]): BrokerRequest<(GroupDescription & { code: number })[]> {
  const body = new RequestWriter();
  return {
    apiKey: 15,
    apiVersion: 1,
    apiName: "DescribeGroups",
    body: body.array(groups, (group) => body.string(group)).done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      return reader.array(() => {
        const code = reader.int16();
        const [group, state, protocolType] = [reader.string(), reader.string(), reader.string()];
        reader.string();
        const members = reader.array(() => {
          const [memberId, clientId, host] = [reader.string(), reader.string(), reader.string().replace(/^\//, "")];
          reader.bytes();
          const assignment = reader.bytes();
          return {
            memberId,
            clientId,
            host,
            partitions: protocolType === CONSUMERS ? decodeAssignment(assignment) : [],
          };
        });
        return { code, group, state, members };
      });
    },
  };
}

/** All positions that a group has committed. */
export function allCommitted(
  group: string,
): BrokerRequest<{ code: number; positions: (Position & { code: number })[] }> {
  return {
    apiKey: 9,
    apiVersion: 5,
    apiName: "OffsetFetch",
    body: new RequestWriter().string(group).int32(-1).done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      const positions = readTopics(reader, () => {
        const [partition, offset] = [reader.int32(), reader.int64()];
        reader.int32();
        reader.string();
        return { partition, offset, code: reader.int16() };
      });
      return { code: reader.int16(), positions };
    },
  };
}

function afterThrottle(body: Buffer): ResponseReader {
  const reader = new ResponseReader(body);
  reader.int32();
  return reader;
}

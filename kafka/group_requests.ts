/**
 * The requests by which a consumer group works: find its coordinator, join, share partitions, stay, commit, leave.
 * Versions are the newest before "flexible versions"; all of them know static members (KIP-345), Kafka 2.3 or later.
 * Layouts: https://kafka.apache.org/protocol#protocol_api_keys
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { BrokerRequest } from "./cluster.ts";
import { RequestWriter, ResponseReader } from "./wire.ts";

/** One partition of a topic. */
export interface TopicPartition {
  topic: string;
  partition: number;
}

/** A position in a partition: that of the next record to be read. */
export interface Position extends TopicPartition {
  offset: number;
}

/** Who we are in a group, in one of its generations. */
export interface MemberIdentity {
  groupId: string;
  generation: number;
  memberId: string;
  /** Of a static member, else null. */
  instanceId: string | null;
}

/** Which broker coordinates a group. */
export function findCoordinator(groupId: string): BrokerRequest<{ code: number; nodeId: number }> {
  return {
    apiKey: 10,
    apiVersion: 2,
    apiName: "FindCoordinator",
    body: new RequestWriter().string(groupId).int8(0).done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      const code = reader.int16();
      reader.string();
      return { code, nodeId: reader.int32() };
    },
  };
}

/** What a member gets that joined. */
export interface JoinAnswer {
  code: number;
  generation: number;
  memberId: string;
  /** All members with their subscriptions if we are the leader, who shares out the partitions; else none. */
  members: { memberId: string; subscription: Buffer }[];
}

/**
 * Joins a group. The answer comes when all members have joined, or did not within the rebalance timeout. We wait only
 * for a session's length: whoever joins again meanwhile keeps his place, and a broker that fell silent is noticed.
 */
export function joinGroup(
  { groupId, memberId, instanceId }: MemberIdentity,
  { protocol, subscription, sessionTimeoutMs, rebalanceTimeoutMs }: {
    protocol: string;
    subscription: Buffer;
    sessionTimeoutMs: number;
    rebalanceTimeoutMs: number;
  },
): BrokerRequest<JoinAnswer> {
  return {
    apiKey: 11,
    apiVersion: 5,
    apiName: "JoinGroup",
    body: new RequestWriter().string(groupId).int32(sessionTimeoutMs).int32(rebalanceTimeoutMs).string(memberId)
      .string(instanceId).string("consumer").int32(1).string(protocol).bytes(subscription).done(),
    timeoutMs: sessionTimeoutMs,
    decode: (body) => {
      const reader = afterThrottle(body);
      const [code, generation] = [reader.int16(), reader.int32()];
      reader.string();
      reader.string();
      const ours = reader.string();
      const members = reader.array(() => {
        const memberId = reader.string();
        reader.string();
        return { memberId, subscription: reader.bytes() };
      });
      return { code, generation, memberId: ours, members };
    },
  };
}

/** Brings (from the leader) and gets (for everybody) assignments. */
export function syncGroup(
  member: MemberIdentity,
  assignments: readonly (readonly [memberId: string, assignment: Buffer])[],
): BrokerRequest<{ code: number; assignment: Buffer }> {
  const body = identified(member);
  body.array(assignments, ([memberId, assignment]) => body.string(memberId).bytes(assignment));
  return {
    apiKey: 14,
    apiVersion: 3,
    apiName: "SyncGroup",
    body: body.done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      return { code: reader.int16(), assignment: reader.bytes() };
    },
  };
}

/** Tells the coordinator that we are alive, and hears whether the group is rebalancing. Gives an error code. */
export function heartbeat(member: MemberIdentity): BrokerRequest<number> {
  const body = identified(member).done();
  return { apiKey: 12, apiVersion: 3, apiName: "Heartbeat", body, decode: (body) => afterThrottle(body).int16() };
}

/** Leaves, so that others get our partitions at once. Gives an error code. */
export function leaveGroup({ groupId, memberId, instanceId }: MemberIdentity): BrokerRequest<number> {
  return {
    apiKey: 13,
    apiVersion: 3,
    apiName: "LeaveGroup",
    body: new RequestWriter().string(groupId).int32(1).string(memberId).string(instanceId).done(),
    decode: (body) => afterThrottle(body).int16(),
  };
}

/** Commits positions. Gives the error codes that are not 0. */
export function offsetCommit(
  member: MemberIdentity,
  positions: readonly Position[],
): BrokerRequest<(TopicPartition & { code: number })[]> {
  const body = identified(member);
  writeTopics(body, positions, ({ partition, offset }) => {
    body.int32(partition).int64(offset).int32(-1).string(null);
  });
  return {
    apiKey: 8,
    apiVersion: 7,
    apiName: "OffsetCommit",
    body: body.done(),
    decode: (body) => {
      const reader = afterThrottle(body);
      const codes = readTopics(reader, () => ({ partition: reader.int32(), code: reader.int16() }));
      return codes.filter(({ code }) => code !== 0);
    },
  };
}

/** The positions that a group has committed; -1 where none. */
export function offsetFetch(
  groupId: string,
  partitions: readonly TopicPartition[],
): BrokerRequest<{ code: number; positions: (Position & { code: number })[] }> {
  const body = new RequestWriter().string(groupId);
  writeTopics(body, partitions, ({ partition }) => body.int32(partition));
  return {
    apiKey: 9,
    apiVersion: 5,
    apiName: "OffsetFetch",
    body: body.done(),
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

/** The head that most of a member's requests share. */
function identified({ groupId, generation, memberId, instanceId }: MemberIdentity): RequestWriter {
  return new RequestWriter().string(groupId).int32(generation).string(memberId).string(instanceId);
}

function afterThrottle(body: Buffer): ResponseReader {
  const reader = new ResponseReader(body);
  reader.int32();
  return reader;
}

/** An array of topics, each with an array of partitions: the form of most requests about partitions. */
export function writeTopics<T extends TopicPartition>(
  writer: RequestWriter,
  items: readonly T[],
  write: (item: T) => void,
): void {
  const topics = [...Map.groupBy(items, ({ topic }) => topic)];
  writer.array(topics, ([topic, partitions]) => writer.string(topic).array(partitions, write));
}

/** The same form in a response. */
export function readTopics<T>(reader: ResponseReader, read: () => T): (T & { topic: string })[] {
  return reader.array(() => {
    const topic = reader.string();
    return reader.array(read).map((item) => ({ topic, ...item }));
  }).flat();
}

/**
 * How the members of a group share partitions: each says what it wants, the leader decides by the rule "range". Names
 * and layouts are those of Kafka's own consumers (ConsumerProtocol), so that members of both kinds can share a group
 * and Kafka's tools can show who has what.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { readTopics, type TopicPartition, writeTopics } from "./group_requests.ts";
import { RequestWriter, ResponseReader } from "./wire.ts";

/** Kafka's name of the rule. */
export const RANGE = "range";

/** What a member says when it joins: the topics that it wants. */
export function encodeSubscription(topics: readonly string[]): Buffer {
  const writer = new RequestWriter().int16(0);
  writer.array([...topics].sort(), (topic) => writer.string(topic));
  return writer.int32(-1).done(); // no user data
}

/** The topics of a subscription, of any version: later ones only append fields. */
export function decodeSubscription(bytes: Buffer): string[] {
  const reader = new ResponseReader(bytes);
  reader.int16();
  return reader.array(() => reader.string());
}

/** What the leader gives to a member. */
export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  const writer = new RequestWriter().int16(0);
  writeTopics(writer, partitions, ({ partition }) => writer.int32(partition));
  return writer.int32(-1).done();
}

/** The partitions of an assignment; no bytes at all stand for none. */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  if (bytes.length === 0) return [];
  const reader = new ResponseReader(bytes);
  reader.int16();
  return readTopics(reader, () => ({ partition: reader.int32() }));
}

/** A member and what it wants. */
export interface Subscriber {
  memberId: string;
  topics: readonly string[];
}

/**
 * Deals out the partitions of each topic in neighbouring stretches, in the order of the member ids, where the first
 * members get one more if the number does not divide.
 *
 * @param partitionCounts by topic; topics that are missing here go to nobody
 */
export function assignRange(
  subscribers: readonly Subscriber[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, TopicPartition[]> {
  const assigned = new Map(subscribers.map(({ memberId }) => [memberId, [] as TopicPartition[]]));
  for (const [topic, count] of partitionCounts) {
    const takers = subscribers.filter(({ topics }) => topics.includes(topic)).map(({ memberId }) => memberId).sort();
    for (let partition = 0; partition < count && takers.length > 0; partition++) {
      assigned.get(takers[takerOf(partition, count, takers.length)])!.push({ topic, partition });
    }
  }
  return assigned;
}

function takerOf(partition: number, count: number, takers: number): number {
  const [share, more] = [Math.floor(count / takers), count % takers];
  const inLargerShares = more * (share + 1);
  return partition < inLargerShares
    ? Math.floor(partition / (share + 1))
    : more + Math.floor((partition - inLargerShares) / share);
}

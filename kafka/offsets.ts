/**
 * Where partitions begin and end, and where they were at a time.
 *
 * @module
 */
import { check } from "./broker_error.ts";
import type { Cluster } from "./cluster.ts";
import { listOffsets } from "./fetch_requests.ts";
import type { Position, TopicPartition } from "./group_requests.ts";
import type { Metadata } from "./metadata.ts";

/**
 * The offsets at given times: in ms since 1970, or `BEGINNING`, or `END`. -1 where no record is as late as that.
 *
 * @throws {Error} when a partition has no leader, or a broker refuses or does not answer
 */
export async function offsetsAt(
  cluster: Cluster,
  metadata: Metadata,
  partitions: readonly (TopicPartition & { time: number })[],
): Promise<Position[]> {
  const byLeader = Map.groupBy(partitions, ({ topic, partition }) => metadata.leaderOf(topic, partition));
  const answers = await Promise.all([...byLeader].map(async ([nodeId, asked]) => {
    if (nodeId < 0) {
      metadata.refreshSoon(asked[0].topic);
      throw new Error(`Cannot find offsets of ${asked[0].topic}[${asked[0].partition}]: it has no leader`);
    }
    return (await cluster.send(nodeId, listOffsets(asked)))!;
  }));
  const found = answers.flat();
  for (const { topic, partition, code } of found) {
    if (code !== 0) metadata.refreshSoon(topic);
    check(`find an offset of ${topic}[${partition}]`, code);
  }
  return found.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
}

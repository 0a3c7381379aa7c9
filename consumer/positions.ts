/**
 * Where reading begins.
 *
 * @module
 */
import type { Cluster } from "../kafka/cluster.ts";
import { BEGINNING, END } from "../kafka/fetch_requests.ts";
import type { Position, TopicPartition } from "../kafka/group_requests.ts";
import type { Metadata } from "../kafka/metadata.ts";
import { offsetsAt } from "../kafka/offsets.ts";
import type { From } from "./settings.ts";

/** Finds the offsets of a place. `committed` stands for the beginning here: whoever has none begins there. */
export async function resolve(
  from: From,
  partitions: readonly TopicPartition[],
  { cluster, metadata }: { cluster: Cluster; metadata: Metadata },
): Promise<Position[]> {
  if (partitions.length === 0) return [];
  const ask = (time: number) => offsetsAt(cluster, metadata, partitions.map((p) => ({ ...p, time })));
  if (from.at === "beginning" || from.at === "committed") return await ask(BEGINNING);
  if (from.at === "end") return await ask(END);
  const [beginnings, ends] = await Promise.all([ask(BEGINNING), ask(END)]);
  const times = from.at === "time" ? await ask(from.time) : [];
  return ends.map(({ topic, partition, offset: end }) => {
    const offsetIn = (positions: Position[]) =>
      positions.find((p) => p.topic === topic && p.partition === partition)?.offset ?? -1;
    const wanted = from.at === "offset" ? from.offset : from.at === "last" ? end - from.records : offsetIn(times);
    const none = from.at === "time" && wanted < 0; // no record is as late as that
    return { topic, partition, offset: none ? end : Math.max(offsetIn(beginnings), Math.min(end, wanted)) };
  });
}

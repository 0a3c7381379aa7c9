/**
 * Every commit that a group has made, as Kafka keeps them in a topic of its own: more than can be seen by asking now
 * and then. The independent client's metadata leave that topic out, so the brokers' files are read.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { Reader, readRecordsBatches } from "@platformatic/kafka";
import type { LocalNode } from "../../dev/local_kafka.ts";
import type { Commit } from "./history.ts";

const TOPIC = "__consumer_offsets";
/** A bit of a record batch's attributes, by the message format's document. */
const CONTROL = 1 << 5;

/** A group's commits, in the order of each partition. */
export function keptCommits(nodes: readonly LocalNode[], group: string): Commit[] {
  return segments(nodes).flatMap((path) => {
    const bytes = Deno.readFileSync(path);
    const batches = readRecordsBatches(Reader.from(Buffer.from(bytes.buffer)));
    const records = batches.filter(({ attributes }) => !(attributes & CONTROL)).flatMap((batch) => batch.records);
    return records.flatMap(({ key, value }) => {
      const commit = key && value && decode(key, value);
      if (!commit || commit.group !== group) return [];
      const { t, topic, partition, offset } = commit;
      return [{ t, topic, partition, offset }];
    });
  });
}

/** The files of each partition, from the replica that has most of it: nothing is cleaned up during a run. */
function segments(nodes: readonly LocalNode[]): string[] {
  const best = new Map<string, { size: number; paths: string[] }>();
  for (const { log } of nodes) {
    const data = join(dirname(log), "data");
    for (const { name } of Deno.readDirSync(data)) {
      if (!name.startsWith(`${TOPIC}-`)) continue;
      const files = [...Deno.readDirSync(join(data, name))].map((file) => file.name).filter((it) =>
        it.endsWith(".log")
      );
      const paths = files.sort().map((file) => join(data, name, file));
      const size = paths.reduce((sum, path) => sum + Deno.statSync(path).size, 0);
      if (size > (best.get(name)?.size ?? -1)) best.set(name, { size, paths });
    }
  }
  return [...best.values()].flatMap(({ paths }) => paths);
}

/**
 * OffsetCommitKey and OffsetCommitValue of Kafka's group-coordinator module. Records about the group itself have
 * another version of the key.
 */
function decode(key: Buffer, value: Buffer): (Commit & { group: string }) | undefined {
  if (key.readInt16BE(0) > 1 || value.readInt16BE(0) < 3) return;
  let at = 2;
  const text = () => {
    const length = key.readInt16BE(at);
    at += 2 + length;
    return key.toString("utf8", at - length, at);
  };
  const [group, topic, partition] = [text(), text(), key.readInt32BE(at)];
  // Up to version 3 a string's length takes two bytes; from 4 on it is one more than it is, as a varint (here: one byte).
  const time = value.readInt16BE(0) > 3 ? 13 + value.readUInt8(14) + 1 : 16 + value.readInt16BE(14);
  return {
    group,
    topic,
    partition,
    offset: Number(value.readBigInt64BE(2)),
    t: Number(value.readBigInt64BE(time)),
  };
}

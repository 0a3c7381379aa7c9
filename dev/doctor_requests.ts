/**
 * A question that only the doctor asks: how a topic is, and what we may do with it, in one answer.
 *
 * @module
 */
import type { BrokerRequest } from "../kafka/cluster.ts";
import { RequestWriter, ResponseReader } from "../kafka/wire.ts";

/** Bits of the rights: numbers of org.apache.kafka.common.acl.AclOperation. */
export const Right = { read: 3, write: 4 } as const;

/** A topic, and what the asking user may do. */
export interface TopicWithRights {
  topic: string;
  /** An error code of Kafka's, 0 for none. */
  code: number;
  partitions: { partition: number; leader: number; replicas: number[]; inSync: number[] }[];
  /** A bit for each {@linkcode Right}; undefined where the broker does not say. */
  rights: number | undefined;
}

/** What a broker answers that does not tell rights. */
const UNTOLD = -(2 ** 31);

/** Metadata, version 8: the last without tagged fields, and the first that tells rights (KIP-430, Kafka 2.3). */
export function describeWithRights(topic: string): BrokerRequest<{ brokers: number; topic: TopicWithRights }> {
  const body = new RequestWriter();
  return {
    apiKey: 3,
    apiVersion: 8,
    apiName: "Metadata",
    // No topic is created, the cluster's rights are not asked for, the topic's are.
    body: body.array([topic], (name) => body.string(name)).int8(0).int8(0).int8(1).done(),
    decode: (body) => {
      const reader = new ResponseReader(body);
      reader.int32(); // throttle time
      const brokers = reader.array(() => [reader.int32(), reader.string(), reader.int32(), reader.string()]);
      reader.string(); // cluster id
      reader.int32(); // controller
      const [found] = reader.array(() => readTopic(reader));
      return { brokers: brokers.length, topic: found };
    },
  };
}

function readTopic(reader: ResponseReader): TopicWithRights {
  const [code, topic] = [reader.int16(), reader.string()];
  reader.int8(); // internal
  const nodes = () => reader.array(() => reader.int32());
  const partitions = reader.array(() => {
    reader.int16();
    const [partition, leader] = [reader.int32(), reader.int32()];
    reader.int32(); // leader epoch
    const found = { partition, leader, replicas: nodes(), inSync: nodes() };
    nodes(); // those that are offline
    return found;
  });
  const rights = reader.int32();
  partitions.sort((a, b) => a.partition - b.partition);
  return { topic, code, partitions, rights: rights === UNTOLD ? undefined : rights };
}

/**
 * What there is in Kafka: topics, partitions and brokers as REST Proxy v2 tells them, groups and their lag.
 *
 * @module
 */
import { DeliveryError } from "../errors.ts";
import type { PartitionDescription } from "../kafka/admin_requests.ts";
import type { Inspector } from "../kafka/inspector.ts";
import { ErrorCode, HttpError, noSuchPartition } from "./errors.ts";
import { checkAccept, KAFKA_JSON } from "./media_types.ts";
import { parsePartition } from "./produce.ts";
import type { TopicGate } from "./topic.ts";
import type { Call, Handler } from "./types.ts";

/** Who is asked: the `Inspector`, as far as it is needed here. */
export type ClusterView = Pick<Inspector, "brokers" | "topics" | "topic" | "configs" | "offsets" | "groups" | "lag">;

/** The handlers, by what they tell. */
export function metadataHandlers(view: ClusterView, gate: TopicGate): Record<
  "brokers" | "topics" | "topic" | "partitions" | "partition" | "offsets" | "groups" | "lag",
  Handler
> {
  /** Answers in JSON, once it is clear that JSON may be the answer. */
  const told = (tell: (call: Call) => Promise<unknown>): Handler => async (call) => {
    checkAccept(call.request.headers.get("accept"));
    return new Response(JSON.stringify(await tell(call)), { headers: { "content-type": KAFKA_JSON } });
  };
  const partitions = async ({ parameters: [topic], token }: Call) => {
    gate.check(topic, token);
    return (await view.topic(topic)).partitions.map(toPartition);
  };
  return {
    brokers: told(async () => ({ brokers: await view.brokers() })),
    topics: told(async ({ token }) => (await view.topics()).filter((topic) => gate.isOpen(topic, token))),
    topic: told(async ({ parameters: [topic], token }) => {
      gate.check(topic, token, ErrorCode.noSuchTopicInMetadata);
      const [{ partitions }, configs] = await Promise.all([view.topic(topic), view.configs(topic)]).catch(forMetadata);
      return { name: topic, configs: Object.fromEntries(configs), partitions: partitions.map(toPartition) };
    }),
    partitions: told(partitions),
    partition: told(async (call) => {
      const number = parsePartition(call.parameters[1]);
      const all = await partitions(call);
      const found = all.find(({ partition }) => partition === number);
      if (found) return found;
      throw noSuchPartition(call.parameters[0], number, all.length);
    }),
    offsets: told(async ({ parameters: [topic, text], token }) => {
      const partition = parsePartition(text);
      gate.check(topic, token);
      const { beginning, end } = await view.offsets(topic, partition);
      return { beginning_offset: beginning, end_offset: end };
    }),
    groups: told(async () => (await view.groups()).map((group) => ({ ...group, members: group.members.length }))),
    lag: told(async ({ parameters: [group], token }) => {
      const found = await view.lag(group);
      if (!found) throw new HttpError(404, `Group ${JSON.stringify(group)} does not exist`);
      const open = found.partitions.filter(({ topic }) => gate.isOpen(topic, token));
      return {
        group,
        state: found.state,
        lag: open.reduce((sum, { lag }) => sum + (lag ?? 0), 0),
        partitions: open.map(({ topic, partition, committed, endOffset, lag }) => ({
          topic,
          partition,
          committed,
          end_offset: endOffset,
          lag,
        })),
      };
    }),
  };
}

/** REST Proxy has a code of its own for this one question. */
function forMetadata(error: unknown): never {
  if (error instanceof DeliveryError && error.failure === "unknown-topic") {
    throw new HttpError(404, error.message, { code: ErrorCode.noSuchTopicInMetadata, cause: error });
  }
  throw error;
}

function toPartition({ partition, leader, replicas, inSync }: PartitionDescription) {
  return {
    partition,
    leader,
    replicas: replicas.map((broker) => ({ broker, leader: broker === leader, in_sync: inSync.includes(broker) })),
  };
}

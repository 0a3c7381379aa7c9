/**
 * Kafka's messages by kafkajs's codec, for tests: another reading of the same
 * protocol guide than the fault proxy's.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import encodeRequest from "kafkajs/src/protocol/request.js";
import index from "kafkajs/src/protocol/requests/index.js";
import { partsOf } from "./kafka_errors.ts";
import { int16, int32, parseRequest, type Request, string } from "./kafka_frames.ts";

// deno-lint-ignore no-explicit-any
type Any = any; // kafkajs has no types for its internals

function definition(api: string, version: number): Any {
  const name = api === "FindCoordinator" ? "GroupCoordinator" : api;
  return (index as Any).requests[name].protocol({ version });
}

/** A request as kafkajs sends it. */
export async function request(api: string, version: number, options: unknown): Promise<Request> {
  const { request } = definition(api, version)(options);
  const encoded = await (encodeRequest as Any)({ correlationId: 42, clientId: "kafkajs", request });
  return parseRequest(encoded.buffer);
}

/** What kafkajs reads in a response. */
export async function decode({ api, version, correlationId }: Request, frame: Buffer): Promise<Any> {
  assert.equal(frame.readInt32BE(0), frame.length - 4);
  assert.equal(frame.readInt32BE(4), correlationId);
  return await definition(api, version)({}).response.decode(frame.subarray(8));
}

/** Options of a Produce request for the partitions a0, a1 and b0, whose values are these names. */
export const PRODUCE = { acks: -1, timeout: 1000, topicData: [topicData("a", [0, 1]), topicData("b", [0])] };

function topicData(topic: string, partitions: number[]) {
  return {
    topic,
    partitions: partitions.map((partition) => ({
      partition,
      firstSequence: 0,
      messages: [{ key: null, value: Buffer.from(`${topic}${partition}`) }],
    })),
  };
}

/** A broker's answer to a Produce request: all written at offset 7, throttled for 3 ms. */
export function produced(request: Request): Buffer {
  // Base offset, log append time and, from version 5 on, log start offset.
  const offsets = request.version >= 5 ? [7, 8, 9] : [7, 8];
  const parts = partsOf(request).flatMap(({ topic, partition }) => [
    ...[string(topic), int32(1), int32(partition), int16(0)],
    ...offsets.flatMap((it) => [int32(0), int32(it)]),
  ]);
  return Buffer.concat([int32(partsOf(request).length), ...parts, int32(3)]);
}

/** Error and base offset of each partition in a decoded Produce response. */
export function outcomes(data: Any): Record<string, string> {
  return Object.fromEntries(
    data.topics.flatMap(({ topicName, partitions }: Any) =>
      partitions.map((it: Any) => [
        `${topicName}${it.partition}`,
        `${it.errorCode} at ${it.baseOffset}`,
      ])
    ),
  );
}

/**
 * `POST /topics/{topic}` and `POST /topics/{topic}/partitions/{partition}`, as REST Proxy v2 has them.
 *
 * @module
 */
import type { Logger } from "@std/log";
import type { ProducerRecord } from "../kafka/record.ts";
import type { BodyReader } from "./body.ts";
import { IdempotentAnswers } from "./idempotency.ts";
import type { Tracing } from "./tracing.ts";
import { offsetsResponse } from "./delivery.ts";
import { parseEnvelope, refuseSchema } from "./envelope.ts";
import { HttpError } from "./errors.ts";
import { checkAccept, type Format, formatOf, KAFKA_JSON, NDJSON, type SchemaFormat } from "./media_types.ts";
import { streamRecords } from "./ndjson.ts";
import type { TopicGate } from "./topic.ts";
import type { Call, Handler, RecordSink } from "./types.ts";

/** Options of {@linkcode produceHandler}. */
export interface ProduceOptions {
  body: BodyReader;
  gate: TopicGate;
  log: Logger;
  tracing: Tracing;
  /** Streams of records that may be open at once. */
  maxStreams: number;
}

/** Writes the records of a body to a topic, or to one of its partitions. */
export function produceHandler(sink: RecordSink, { body, gate, log, tracing, maxStreams }: ProduceOptions): Handler {
  const answers = new IdempotentAnswers();
  const streams = { count: 0, max: maxStreams };
  return async (call: Call) => {
    const { request, token, parameters: [topic, partition] } = call;
    const { headers } = request;
    const format = formatOf(headers.get("content-type"));
    checkAccept(headers.get("accept"), format === "ndjson" ? NDJSON : KAFKA_JSON);
    const declared = format !== "ndjson" && body.checkHeaders(headers);
    gate.check(topic, token);
    const only = partition === undefined ? undefined : parsePartition(partition);
    await sink.lookUp(topic);
    if (format === "ndjson") {
      return await streamRecords({ sink, body, log, tracing, streams }, call, { topic, partition: only });
    }
    const bytes = await body.readUtf8(request, declared);
    // Not async: each such function on the way to an answer costs a fifth of a microsecond.
    const deliver = () => {
      const records = parseAs(bytes, format);
      if (only !== undefined) setPartition(records, only);
      return tracing.send(sink, records, { headers, topic }).then(offsetsResponse);
    };
    const key = headers.get("idempotency-key");
    if (key === null) return await deliver();
    const scope = `${token?.name ?? ""} ${topic} ${only ?? ""}`;
    return await answers.run(key, { scope, content: [format, bytes] }, deliver);
  };
}

function parseAs(body: Uint8Array, format: Format | SchemaFormat): ProducerRecord[] {
  if (format === "json" || format === "binary" || format === "text") return parseEnvelope(body, format);
  refuseSchema(body, format);
}

/** A partition in a path. @throws {HttpError} 404 when it is not a whole number */
export function parsePartition(text: string): number {
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  throw new HttpError(404, `Partition ${JSON.stringify(text.slice(0, 60))} does not exist; expected a whole number`);
}

function setPartition(records: ProducerRecord[], partition: number): void {
  for (const [index, record] of records.entries()) {
    if (record.partition !== undefined && record.partition !== partition) {
      const found = `records[${index}].partition is ${record.partition}`;
      throw new HttpError(422, `${found} while the path says ${partition}; expected no partition, or the same`);
    }
    record.partition = partition;
  }
}

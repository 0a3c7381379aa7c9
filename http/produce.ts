/**
 * `POST /topics/{topic}` and `POST /topics/{topic}/partitions/{partition}`, as REST Proxy v2 has them.
 *
 * @module
 */
import type { ProducerRecord } from "../kafka/record.ts";
import { checkBodyHeaders, readUtf8 } from "./body.ts";
import { anyAcknowledged, failureOf, offsetsJson } from "./delivery.ts";
import { parseEnvelope, refuseSchema } from "./envelope.ts";
import { HttpError } from "./errors.ts";
import { checkAccept, type Format, formatOf, KAFKA_JSON, type SchemaFormat } from "./media_types.ts";
import type { TopicGate } from "./topic.ts";
import type { Call, Handler, RecordSink } from "./types.ts";

const ANSWER = { headers: { "content-type": KAFKA_JSON } };

/** Options of {@linkcode produceHandler}. */
export interface ProduceOptions {
  maxBodyBytes: number;
  gate: TopicGate;
}

/** Writes the records of a body to a topic, or to one of its partitions. */
export function produceHandler(sink: RecordSink, { maxBodyBytes, gate }: ProduceOptions): Handler {
  return async ({ request, token, parameters: [topic, partition] }: Call) => {
    const { headers } = request;
    const format = formatOf(headers.get("content-type"));
    if (format === "ndjson") throw new HttpError(415, "not yet");
    checkAccept(headers.get("accept"));
    checkBodyHeaders(headers, maxBodyBytes);
    gate.check(topic, token);
    const only = partition === undefined ? undefined : parsePartition(partition);
    await sink.lookUp(topic);
    const records = parseAs(await readUtf8(request, maxBodyBytes), format);
    if (only !== undefined) setPartition(records, only);
    const outcomes = await sink.send(records, { topic });
    if (!anyAcknowledged(outcomes)) throw failureOf(outcomes);
    return new Response(`{"offsets":${offsetsJson(outcomes)},"key_schema_id":null,"value_schema_id":null}`, ANSWER);
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

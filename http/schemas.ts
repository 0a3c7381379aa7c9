/**
 * What goes over the wire, as schemas. The document that describes the API is made from them; that the parser of
 * bodies, which is written by hand for speed, takes exactly what they take is a property that the tests hold.
 *
 * @module
 */
import { z } from "zod";

const base64 = z.string().regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/)
  .meta({ contentEncoding: "base64" });
const text = z.string().refine((text) => text.isWellFormed());

const header = z.strictObject({ key: text, value: base64.nullable() });

/** One record, its key and value in one of the formats. */
function record<T extends z.ZodType>(data: T, what: string) {
  return z.strictObject({
    key: data.optional().describe(`The key: ${what}. Default: none.`),
    value: data.optional().describe(`The value: ${what}; null is a tombstone. Default, where there is a key: null.`),
    partition: z.int().nullish().describe("Default: chosen by the key, or by the server where there is none."),
    timestamp: z.int().min(0).nullish().describe("Milliseconds since 1970. Default: the time of arrival."),
    headers: z.array(header).nullish().describe("In order; names may repeat."),
  }).refine((record) => "key" in record || "value" in record);
}

/** The envelope of REST Proxy v2. */
function envelope<T extends z.ZodType>(data: T, what: string) {
  return z.strictObject({
    records: z.array(record(data, what)).min(1),
    key_schema: z.any().describe("Not used: there is no schema registry."),
    key_schema_id: z.any().describe("Not used: there is no schema registry."),
    value_schema: z.any().describe("Not used: there is no schema registry."),
    value_schema_id: z.any().describe("Not used: there is no schema registry."),
  }).partial({ key_schema: true, key_schema_id: true, value_schema: true, value_schema_id: true });
}

/** Bodies of produce requests by their format. */
export const envelopes = {
  json: envelope(z.any(), "any JSON, stored as its compact text"),
  binary: envelope(base64.nullable(), "base64, stored as what it stands for"),
  text: envelope(text.nullable(), "a text, stored as UTF-8"),
};

const code = z.int();
const written = z.object({ partition: z.int(), offset: z.int(), error_code: z.null(), error: z.null() });
const notWritten = z.object({
  partition: z.null(),
  offset: z.null(),
  error_code: code.describe("50002: never will be; 50003: not now, may be sent again; 50004: nobody knows."),
  error: z.string(),
});
const partition = z.object({
  partition: z.int(),
  leader: z.int().describe("Broker id; -1 while there is none."),
  replicas: z.array(z.object({ broker: z.int(), leader: z.boolean(), in_sync: z.boolean() })),
});
const name = z.object({ topic: z.string(), partition: z.int(), offset: z.int(), value: z.string() });
const failedName = z.object({ topic: z.string(), error_code: code, error: z.string(), value: z.string() });

/** Answers. */
export const answers = {
  error: z.object({ error_code: code, message: z.string() }),
  offsets: z.object({
    offsets: z.array(z.union([written, notWritten])).describe("One for each record, in their order."),
    key_schema_id: z.null(),
    value_schema_id: z.null(),
  }),
  names: z.union([name, z.object({ records: z.array(z.union([name, failedName])) })]),
  topics: z.array(z.string()),
  topic: z.object({
    name: z.string(),
    configs: z.record(z.string(), z.string().nullable()),
    partitions: z.array(partition),
  }),
  partitions: z.array(partition),
  partition,
  partitionOffsets: z.object({ beginning_offset: z.int(), end_offset: z.int() }),
  brokers: z.object({ brokers: z.array(z.int()) }),
  groups: z.array(z.object({ group: z.string(), state: z.string(), members: z.int() })),
  lag: z.object({
    group: z.string(),
    state: z.string(),
    lag: z.int().describe("Of all partitions together."),
    partitions: z.array(z.object({
      topic: z.string(),
      partition: z.int(),
      committed: z.int(),
      end_offset: z.int().nullable().describe("Null where the partition is no longer there."),
      lag: z.int().nullable(),
    })),
  }),
  health: z.object({ status: z.enum(["alive", "ready"]) }),
};

/** A schema as JSON Schema 2020-12, which is what OpenAPI 3.1 speaks. */
export function toJsonSchema(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io });
  return json;
}

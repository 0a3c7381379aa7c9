/**
 * `GET /openapi.json`: the API described in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0).
 *
 * @module
 */
import { KAFKA_JSON, NDJSON } from "./media_types.ts";
import type { Route } from "./router.ts";
import { answers, envelopes, toJsonSchema } from "./schemas.ts";

/** What the document says about a route. */
interface Description {
  summary: string;
  description?: string;
  query?: Record<string, [schema: Record<string, unknown>, description: string]>;
  headers?: Record<string, string>;
  /** Bodies by their media type: the schema's name, and an example. */
  body?: Record<string, [schema: string, example: unknown]>;
  answer: [mediaType: string, schema: string | undefined];
  /** Statuses other than 200 that are worth a word here. */
  errors: number[];
}

const PRODUCE_BODY: Description["body"] = {
  "application/vnd.kafka.json.v2+json": ["RecordsJson", {
    records: [{ key: "order-1", value: { amount: 12.5 } }, { key: "order-2", value: null }],
  }],
  "application/vnd.kafka.binary.v2+json": ["RecordsBinary", { records: [{ key: "a2V5", value: "dmFsdWU=" }] }],
  "application/vnd.kafka.text.v2+json": ["RecordsText", {
    records: [{ value: "你好", headers: [{ key: "lang", value: "emg=" }], timestamp: 1700000000000 }],
  }],
  "application/json": ["RecordsJson", { records: [{ value: [1, 2, 3] }] }],
  "application/octet-stream": ["RecordsBinary", { records: [{ value: "AP8=" }] }],
  [NDJSON]: ["Lines", '{"key":"a","value":1}\n{"value":2}\n'],
};
const PRODUCE: Omit<Description, "summary"> = {
  description:
    "Answers when Kafka has the records on all in-sync replicas. Records are independent of each other: one " +
    "that fails says so in its place. With `" + NDJSON +
    "` records come one a line, for as long as the client likes, " +
    "and results go back one a line, in the same order: over HTTP/2 as they come, over HTTP/1.1 when the upload ends or " +
    "pauses.",
  query: {
    format: [{ type: "string", enum: ["json", "binary", "text"] }, `Of keys and values in \`${NDJSON}\`.`],
    on_error: [
      { type: "string", enum: ["continue", "stop"] },
      `What a wrong line does to those behind it in \`${NDJSON}\`.`,
    ],
  },
  headers: {
    "Idempotency-Key": "Sent again with the same key, a request gets the answer of the first one and writes nothing. " +
      "Remembered for 10 minutes, in this process alone.",
    traceparent: "Goes on with the records, as a record header.",
  },
  body: PRODUCE_BODY,
  answer: [KAFKA_JSON, "Offsets"],
  errors: [400, 404, 406, 408, 409, 413, 415, 422, 503, 504],
};
const integer = { type: "integer" };

const DESCRIPTIONS: Record<string, Description> = {
  "POST /names": {
    summary: "Write random Chinese names",
    query: { count: [{ type: "integer", minimum: 1, maximum: 1000 }, "How many; the answer is an array then."] },
    answer: ["application/json", "Names"],
    errors: [422, 503, 504],
  },
  "POST /topics/{topic}": { summary: "Write records to a topic", ...PRODUCE },
  "POST /topics/{topic}/partitions/{partition}": { summary: "Write records to a partition", ...PRODUCE },
  "GET /topics": { summary: "Names of the topics", answer: [KAFKA_JSON, "Topics"], errors: [406, 503] },
  "GET /topics/{topic}": { summary: "A topic", answer: [KAFKA_JSON, "Topic"], errors: [404, 406, 503] },
  "GET /topics/{topic}/partitions": {
    summary: "A topic's partitions",
    answer: [KAFKA_JSON, "Partitions"],
    errors: [404, 406, 503],
  },
  "GET /topics/{topic}/partitions/{partition}": {
    summary: "A partition",
    answer: [KAFKA_JSON, "Partition"],
    errors: [404, 406, 503],
  },
  "GET /topics/{topic}/partitions/{partition}/offsets": {
    summary: "Where a partition begins and ends",
    answer: [KAFKA_JSON, "PartitionOffsets"],
    errors: [404, 406, 503],
  },
  "GET /topics/{topic}/events": {
    summary: "Follow a topic",
    description:
      "Server-sent events, one for each record. An event's id is the next offset of every partition; with it " +
      "as Last-Event-ID a client goes on where it was. The last event of a stream is `end` or `dropped`.",
    query: {
      from: [{ type: "string", enum: ["end", "beginning"] }, "Where to begin without Last-Event-ID."],
      partition: [integer, "Only this one."],
      key: [{ type: "string" }, "Only records with this key, in UTF-8."],
      format: [{ type: "string", enum: ["text", "json", "binary"] }, "How keys and values are shown."],
    },
    headers: { "Last-Event-ID": "The id of the last event that was seen." },
    answer: ["text/event-stream", undefined],
    errors: [400, 404, 406, 422, 503],
  },
  "GET /brokers": { summary: "Ids of the brokers", answer: [KAFKA_JSON, "Brokers"], errors: [406, 503] },
  "GET /groups": { summary: "Consumer groups", answer: [KAFKA_JSON, "Groups"], errors: [406, 503] },
  "GET /groups/{group}/lag": {
    summary: "How far a group is behind",
    answer: [KAFKA_JSON, "Lag"],
    errors: [404, 406, 503],
  },
  "GET /healthz": { summary: "Whether the process is alive", answer: ["application/json", "Health"], errors: [] },
  "GET /readyz": {
    summary: "Whether requests should come here",
    answer: ["application/json", "Health"],
    errors: [503],
  },
  "GET /metrics": { summary: "Metrics for Prometheus", answer: ["text/plain", undefined], errors: [] },
  "GET /openapi.json": { summary: "This document", answer: ["application/json", "Document"], errors: [] },
  "GET /docs": { summary: "This document for people", answer: ["text/html", undefined], errors: [] },
};

const ERRORS: Record<number, string> = {
  400: "The request is malformed",
  401: "No token, or a wrong one",
  403: "Not allowed",
  404: "Not there",
  406: "Not available in what Accept asks for",
  408: "The body took too long",
  409: "The first request with this Idempotency-Key is still at work",
  413: "Too large",
  415: "Content-Type or Content-Encoding is not one of ours",
  422: "A field is not as expected",
  429: "Too many requests",
  503: "Not now; nothing was written",
  504: "It is unknown whether the records were written",
};

/** The document. @throws {Error} when a route is not described */
export function openApiDocument(routes: readonly (Route & { access: string })[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    if (route.path === "/" || route.path.startsWith("/page/")) continue; // the live page's own, and free to change
    const found = DESCRIPTIONS[`${route.method} ${route.path}`];
    if (!found) throw new Error(`There is no description of ${route.method} ${route.path}`);
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route, found) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "kafka-deno",
      version: "1.0.0",
      description: "Records in over HTTP, an answer when Kafka has them. Produce and metadata follow REST Proxy v2.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas: schemas(),
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
  };
}

function schemas(): Record<string, unknown> {
  const capital = (name: string) => name[0].toUpperCase() + name.slice(1);
  return {
    ...Object.fromEntries(
      Object.entries(envelopes).map(([k, v]) => [`Records${capital(k)}`, toJsonSchema(v, "input")]),
    ),
    ...Object.fromEntries(Object.entries(answers).map(([k, v]) => [capital(k), toJsonSchema(v, "output")])),
    Lines: { type: "string", description: "A record a line, as in the array of the other formats." },
    Document: { type: "object" },
  };
}

function operation({ path, access }: Route & { access: string }, found: Description): Record<string, unknown> {
  const { summary, description, query = {}, headers = {}, body, answer: [mediaType, schema], errors } = found;
  const guarded = access === "open" ? [] : [401, 403, 429];
  const pathParameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: name === "partition" ? integer : { type: "string" },
  }));
  return {
    summary,
    description,
    parameters: [
      ...pathParameters,
      ...Object.entries(query).map(([name, [schema, description]]) => ({ name, in: "query", schema, description })),
      ...Object.entries(headers).map(([name, description]) => ({
        name,
        in: "header",
        schema: { type: "string" },
        description,
      })),
    ],
    requestBody: body && {
      required: true,
      content: Object.fromEntries(
        Object.entries(body).map(([type, [name, example]]) => [type, { schema: reference(name), example }]),
      ),
    },
    responses: {
      200: { description: "Done", content: { [mediaType]: schema ? { schema: reference(schema) } : {} } },
      ...Object.fromEntries(
        [...errors, ...guarded].sort().map((status) => [status, {
          description: ERRORS[status],
          content: { "application/json": { schema: reference("Error") } },
        }]),
      ),
    },
    security: access === "open" ? [] : [{ token: [] }, {}],
  };
}

function reference(name: string): Record<string, string> {
  return { $ref: `#/components/schemas/${name}` };
}

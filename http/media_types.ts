/**
 * Which Content-Type brings which format, and which Accept we can answer. The names are REST Proxy's, see
 * https://docs.confluent.io/platform/current/kafka-rest/api.html#content-types
 *
 * @module
 */
import { HttpError } from "./errors.ts";

/** How keys and values stand in the envelope: any JSON, base64, or text. */
export type Format = "json" | "binary" | "text";
/** What needs a schema registry, which there is none of. */
export type SchemaFormat = "avro" | "jsonschema" | "protobuf";

/** The media type of answers in REST Proxy's form. */
export const KAFKA_JSON = "application/vnd.kafka.v2+json";
/** Records one a line. */
export const NDJSON = "application/x-ndjson";

const FORMATS = new Map<string, Format | SchemaFormat | "ndjson">([
  ["application/json", "json"],
  ["application/octet-stream", "binary"],
  [NDJSON, "ndjson"],
  ...vendorTypes(),
]);

/** `application/vnd.kafka.json.v2+json` and its like; without a format it is binary, without a version the latest. */
function* vendorTypes(): Generator<[string, Format | SchemaFormat]> {
  for (const version of ["", ".v1", ".v2"]) {
    yield [`application/vnd.kafka${version}+json`, "binary"];
    for (const format of ["json", "binary", "text", "avro", "jsonschema", "protobuf"] as const) {
      yield [`application/vnd.kafka.${format}${version}+json`, format];
    }
  }
}

/** The format that a Content-Type announces. @throws {HttpError} 415 when it is none of ours */
export function formatOf(contentType: string | null): Format | SchemaFormat | "ndjson" {
  const plain = FORMATS.get(contentType ?? "");
  if (plain) return plain;
  const [type, ...parameters] = (contentType ?? "").toLowerCase().split(";").map((part) => part.trim());
  const charset = parameters.find((p) => p.startsWith("charset="))?.slice("charset=".length).replaceAll('"', "");
  const format = FORMATS.get(type);
  if (format && (charset === undefined || charset === "utf-8" || charset === "utf8")) return format;
  const shown = contentType === null ? "is missing" : `is ${JSON.stringify(contentType)}`;
  throw new HttpError(
    415,
    `Content-Type ${shown}; expected application/vnd.kafka.json.v2+json, .binary.v2+json or .text.v2+json, ` +
      `application/json or ${NDJSON}, in UTF-8`,
  );
}

const ACCEPTABLE = /^(?:application\/(?:vnd\.kafka(?:\.v[12])?\+json|json|\*)|\*\/(?:json|\*))$/;

/**
 * Whether the client takes what we have: JSON, or with `type` something else that it may ask for as well.
 *
 * @throws {HttpError} 406 when it does not
 */
export function checkAccept(accept: string | null, type: string = KAFKA_JSON): void {
  if (accept === null || accept === "*/*" || accept === "" || accept === type) return;
  for (const range of accept.toLowerCase().split(",")) {
    const [wanted, ...parameters] = range.split(";").map((part) => part.trim());
    const refused = parameters.some((p) => /^q=0(?:\.0*)?$/.test(p));
    if ((wanted === type || ACCEPTABLE.test(wanted)) && !refused) return;
  }
  throw new HttpError(406, `Accept is ${JSON.stringify(accept)}; expected ${type} or application/json`);
}

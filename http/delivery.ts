/**
 * Outcomes of records as answers. Never 200 over a request of which nothing was stored.
 *
 * @module
 */
import type { Outcome } from "../kafka/delivery.ts";
import { ErrorCode, HttpError, notWritten, outcomeUnknown } from "./errors.ts";
import { KAFKA_JSON } from "./media_types.ts";

const ANSWER = { headers: { "content-type": KAFKA_JSON } };

/** What `failure` finds in outcomes none of which is an acknowledgement. */
export function failureOf(outcomes: readonly Outcome[]): HttpError {
  // The worst news goes first: what may have been written must not be sent again without a thought, and what may be
  // sent again later is no fault of the request.
  for (const outcome of outcomes) if (outcome.status === "unknown") return outcomeUnknown(outcome.error);
  const rejected = outcomes.filter((outcome) => outcome.status === "rejected");
  return notWritten((rejected.find((outcome) => outcome.retriable) ?? rejected[0]).error);
}

/** Whether at least one record is in Kafka. */
export function anyAcknowledged(outcomes: readonly Outcome[]): boolean {
  for (const outcome of outcomes) if (outcome.status === "acknowledged") return true;
  return false;
}

/** The `error_code` and `error` of a record that is not acknowledged, as members of a JSON object. */
export function errorMembers(outcome: Exclude<Outcome, { status: "acknowledged" }>): string {
  const code = outcome.status === "unknown"
    ? ErrorCode.outcomeUnknown
    : outcome.retriable
    ? ErrorCode.failedForNow
    : ErrorCode.failedForGood;
  return `"error_code":${code},"error":${JSON.stringify(outcome.error.message)}`;
}

/** The `offsets` of a REST Proxy answer, an entry for each record. */
function offsetsJson(outcomes: readonly Outcome[]): string {
  let json = "[";
  for (const outcome of outcomes) {
    if (json.length > 1) json += ",";
    json += outcome.status === "acknowledged"
      ? `{"partition":${outcome.partition},"offset":${outcome.offset},"error_code":null,"error":null}`
      : `{"partition":null,"offset":null,${errorMembers(outcome)}}`;
  }
  return json + "]";
}

/** The answer to records that came together, as REST Proxy gives it. @throws {HttpError} when nothing was stored */
export function offsetsResponse(outcomes: readonly Outcome[]): Response {
  if (!anyAcknowledged(outcomes)) throw failureOf(outcomes);
  return new Response(`{"offsets":${offsetsJson(outcomes)},"key_schema_id":null,"value_schema_id":null}`, ANSWER);
}

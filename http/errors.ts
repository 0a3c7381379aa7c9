/**
 * The one place where an error becomes a status and a body. The body is REST Proxy's `{"error_code","message"}`, see
 * https://docs.confluent.io/platform/current/kafka-rest/api.html#errors
 *
 * @module
 */
import { DeliveryError, type DeliveryFailure } from "../errors.ts";

/** What REST Proxy clients read: the status, or the status and two more digits. */
export const ErrorCode = {
  unauthorized: 40101,
  topicForbidden: 40301,
  noSuchTopic: 40401,
  noSuchPartition: 40402,
  noSuchTopicInMetadata: 40403,
  noKeySchema: 42201,
  noValueSchema: 42202,
  failedForGood: 50002,
  failedForNow: 50003,
  outcomeUnknown: 50004,
  unavailable: 50301,
  timedOut: 50401,
} as const;

/** Seconds after which whoever got a 503 may try again. */
export const RETRY_AFTER_SECONDS = 1;

/** Options of {@linkcode HttpError}. */
export interface HttpErrorOptions extends ErrorOptions {
  /** Default: the status. */
  code?: number;
  headers?: Record<string, string>;
}

/** An answer other than 2xx. The message names the offending value and what was expected. */
export class HttpError extends Error {
  override name = "HttpError";
  readonly status: number;
  readonly code: number;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, { code = status, headers = {}, cause }: HttpErrorOptions = {}) {
    super(message, { cause });
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Not now, and not written: the caller may try again. */
export function unavailable(message: string, cause?: unknown): HttpError {
  const headers = { "retry-after": String(RETRY_AFTER_SECONDS) };
  return new HttpError(503, message, { code: ErrorCode.unavailable, headers, cause });
}

/** A topic has fewer partitions than that. */
export function noSuchPartition(topic: string, partition: number, count: number): HttpError {
  const text = `Topic "${topic}" has no partition ${partition}; expected 0 to ${count - 1}`;
  return new HttpError(404, text, { code: ErrorCode.noSuchPartition });
}

const DELIVERY: Partial<Record<DeliveryFailure, [status: number, code: number]>> = {
  "unknown-topic": [404, ErrorCode.noSuchTopic],
  "unknown-partition": [404, ErrorCode.noSuchPartition],
  "too-large": [413, 413],
  "not-authorized": [403, ErrorCode.topicForbidden],
  "invalid-record": [422, 422],
};

/** A record that is certainly not in Kafka, as the answer to its request. */
export function notWritten(error: DeliveryError): HttpError {
  const [status, code] = DELIVERY[error.failure] ?? [503];
  return status === 503
    ? unavailable(error.message, error)
    : new HttpError(status, error.message, { code, cause: error });
}

/** A record that may be in Kafka, as the answer to its request. */
export function outcomeUnknown(error: DeliveryError): HttpError {
  const message = `It is unknown whether the records were written; they may be in the topic: ${error.message}`;
  return new HttpError(504, message, { code: ErrorCode.timedOut, cause: error });
}

/** Any error as the answer that it stands for; what nobody foresaw is a 500 without its details. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof DeliveryError) return notWritten(error);
  return new HttpError(500, "Something went wrong here; the log of the server says what", { cause: error });
}

/** The response of an error. */
export function errorResponse({ status, code, message, headers }: HttpError): Response {
  const body = JSON.stringify({ error_code: code, message });
  return new Response(body, { status, headers: { "content-type": "application/json", ...headers } });
}

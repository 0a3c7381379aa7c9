/**
 * The few errors that callers catch. Everything else is a built-in class.
 *
 * @module
 */

/** Settings that cannot work, all of them in one message. */
export class ConfigError extends Error {
  override name = "ConfigError";

  /** @param mistakes One sentence each: the setting, its value, where it came from, what was expected. */
  constructor(readonly mistakes: readonly string[]) {
    super(
      `Cannot start: ${mistakes.length === 1 ? "a setting is" : `${mistakes.length} settings are`} wrong\n  ${
        mistakes.join("\n  ")
      }\n(--help lists the settings)`,
    );
  }
}

/** Why a record was not, or not certainly, written. */
export type DeliveryFailure =
  | "buffer-full"
  | "closing"
  | "aborted"
  | "timed-out"
  | "unknown-topic"
  | "unknown-partition"
  | "too-large"
  | "not-authorized"
  | "invalid-record"
  | "kafka";

/** A record that was not acknowledged. Whether it may be in Kafka all the same is said by the outcome that carries this error. */
export class DeliveryError extends Error {
  override name = "DeliveryError";
  /** The reason, for programs. */
  readonly failure: DeliveryFailure;
  /** Kafka's error code where a broker gave one, see https://kafka.apache.org/protocol#protocol_error_codes */
  readonly code?: number;

  constructor(failure: DeliveryFailure, message: string, options: { code?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.failure = failure;
    this.code = options.code;
  }
}

/** The innermost message of an error: what went wrong, where kafkajs says only that something did. */
export function rootCause(error: unknown): string {
  let innermost = error;
  for (let next; (next = reasonOf(innermost)) instanceof Error;) innermost = next;
  return innermost instanceof Error ? innermost.message : String(innermost);
}

/** kafkajs's aggregates, as those of a request to create topics, have what went wrong in `errors`. */
function reasonOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return error.cause ?? (error as Partial<AggregateError>).errors?.[0];
}

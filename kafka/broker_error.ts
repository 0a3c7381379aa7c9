/**
 * Errors that brokers answer with, and which of them no patience can mend.
 *
 * @module
 */
import { describeCode } from "./cluster.ts";

/** Error codes that our loops act upon, see https://kafka.apache.org/protocol#protocol_error_codes */
export const Code = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  saslAuthenticationFailed: 58,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  memberIdRequired: 79,
} as const;

/** What to do about those after which going on would lie. */
const REMEDIES: Record<number, string> = {
  17: "choose a topic name of letters, digits, '.', '_' and '-'",
  23: "the group's other members share partitions by another rule; stop them, or choose another group",
  24: "choose another group name",
  26: "choose a session timeout within the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
  29: "ask for the right to read the topic, or check KAFKA_SASL_USERNAME",
  30: "ask for the right to read with this group, or check KAFKA_SASL_USERNAME",
  31: "ask for the right to do this on the cluster, or check KAFKA_SASL_USERNAME",
  33: "choose another KAFKA_SASL_MECHANISM",
  34: "check KAFKA_SASL_MECHANISM and the listener's settings",
  35: "use Kafka 2.3 or later",
  [Code.saslAuthenticationFailed]: "check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
  69: "choose another group name",
  82: "another member uses the same KAFKA_GROUP_INSTANCE_ID; give each its own",
};

/** A broker's refusal. */
export class BrokerError extends Error {
  override name = "BrokerError";
  readonly code: number;

  /** @param action What was tried, as in "join group billing". */
  constructor(action: string, code: number) {
    const { name, message } = describeCode(code);
    super(`Cannot ${action}: ${message} (${name})`);
    this.code = code;
  }
}

/** Something that trying again cannot mend: a process should end with it. The message says what to do. */
export class FatalError extends Error {
  override name = "FatalError";
}

/** The error for a code, which is fatal where it is. */
export function errorFor(action: string, code: number): BrokerError | FatalError {
  const error = new BrokerError(action, code);
  return code in REMEDIES ? withRemedy(error, code) : error;
}

/** Nothing for 0. @throws {BrokerError | FatalError} for any other code */
export function check(action: string, code: number): void {
  if (code !== Code.none) throw errorFor(action, code);
}

/** What of an error, its causes and its parts no patience can mend, as an error that says what to do. */
export function fatalIn(error: unknown): FatalError | undefined {
  if (error instanceof FatalError) return error;
  if (!(error instanceof Error)) return undefined;
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (error.name === "KafkaJSSASLAuthenticationError") return withRemedy(error, Code.saslAuthenticationFailed);
  if (typeof code === "number" && code in REMEDIES) return withRemedy(error, code);
  return [error.cause, ...(Array.isArray(errors) ? errors : [])].map(fatalIn).find((found) => found);
}

/** Whether trying again cannot help. */
export function isFatal(error: unknown): boolean {
  return fatalIn(error) !== undefined;
}

function withRemedy(error: Error, code: number): FatalError {
  return new FatalError(`${error.message}; ${REMEDIES[code]}`, { cause: error });
}

/**
 * Which topics may be touched over HTTP.
 *
 * @module
 */
import { ErrorCode, HttpError } from "./errors.ts";

/** Kafka's rule for names, `org.apache.kafka.common.internals.Topic`. */
const LEGAL = /^[a-zA-Z0-9._-]{1,249}$/;

/** Kafka keeps its own state, such as offsets of groups, in topics with two underscores before their name. */
function isInternal(topic: string): boolean {
  return topic.startsWith("__");
}

/** Whether a topic may be seen over HTTP; `allowed` is HTTP_TOPICS, all but internal ones where it is empty. */
export function isTopicOpen(topic: string, allowed: readonly string[]): boolean {
  return !isInternal(topic) && (allowed.length === 0 || allowed.includes(topic));
}

/**
 * Refuses names that no topic can have, so that they never get as far as Kafka, and topics that are closed.
 *
 * @param missing The code of the answer when there can be no such topic.
 * @throws {HttpError} 403 or 404
 */
export function checkTopic(topic: string, allowed: readonly string[], missing: number = ErrorCode.noSuchTopic): void {
  if (!LEGAL.test(topic) || topic === "." || topic === "..") {
    const shown = JSON.stringify(topic.length > 260 ? topic.slice(0, 260) + "..." : topic);
    const rule = "1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'";
    throw new HttpError(404, `Topic ${shown} does not exist; a topic's name has ${rule}`, { code: missing });
  }
  if (isTopicOpen(topic, allowed)) return;
  const why = isInternal(topic) ? "is internal to Kafka" : "is not among the topics open to HTTP (HTTP_TOPICS)";
  throw new HttpError(403, `Topic "${topic}" ${why}`, { code: ErrorCode.topicForbidden });
}

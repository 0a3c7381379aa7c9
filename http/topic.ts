/**
 * Which topics may be touched over HTTP.
 *
 * @module
 */
import { ErrorCode, HttpError } from "./errors.ts";
import type { Token } from "./tokens.ts";

/** Kafka's rule for names, `org.apache.kafka.common.internals.Topic`. */
const LEGAL = /^[a-zA-Z0-9._-]{1,249}$/;

/** Kafka keeps its own state, such as offsets of groups, in topics with two underscores before their name. */
function isInternal(topic: string): boolean {
  return topic.startsWith("__");
}

/** What opens topics: HTTP_TOPICS, all but internal ones where it is empty, and the token's own list. */
export class TopicGate {
  readonly #allowed: ReadonlySet<string> | undefined;

  constructor(httpTopics: readonly string[]) {
    this.#allowed = httpTopics.length === 0 ? undefined : new Set(httpTopics);
  }

  /** Whether a topic may be seen over HTTP by whom that token stands for. */
  isOpen(topic: string, token: Token | undefined): boolean {
    return !isInternal(topic) && this.#allowed?.has(topic) !== false && token?.topics?.has(topic) !== false;
  }

  /**
   * Refuses names that no topic can have, so that they never get as far as Kafka, and topics that are closed.
   *
   * @param missing The code of the answer when there can be no such topic.
   * @throws {HttpError} 403 or 404
   */
  check(topic: string, token: Token | undefined, missing: number = ErrorCode.noSuchTopic): void {
    if (!LEGAL.test(topic) || topic === "." || topic === "..") {
      const shown = JSON.stringify(topic.length > 260 ? topic.slice(0, 260) + "..." : topic);
      const rule = "1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'";
      throw new HttpError(404, `Topic ${shown} does not exist; a topic's name has ${rule}`, { code: missing });
    }
    if (this.isOpen(topic, token)) return;
    const why = isInternal(topic)
      ? "is internal to Kafka"
      : this.#allowed?.has(topic) === false
      ? "is not among the topics open to HTTP (HTTP_TOPICS)"
      : `is not among the topics of the token "${token?.name}"`;
    throw new HttpError(403, `Topic "${topic}" ${why}`, { code: ErrorCode.topicForbidden });
  }
}

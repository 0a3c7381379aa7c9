/**
 * Records that could not be handled, kept in a topic of their own with a note on what happened.
 *
 * @module
 */
import type { Logger } from "@std/log";
import type { DeliveryConfig } from "../config.ts";
import { DeliveryError } from "../errors.ts";
import { backoff } from "../kafka/backoff.ts";
import { FatalError } from "../kafka/broker_error.ts";
import { createKafka } from "../kafka/client.ts";
import { quiet } from "../kafka/reachability.ts";
import { ensureTopic } from "../kafka/topics.ts";
import { sleep } from "../kafka/wait.ts";
import { loggerFor } from "../log.ts";
import { Producer, type ProducerRecord } from "../producer.ts";
import type { ConsumedRecord } from "../handlers/types.ts";

/** What the names of our headers begin with. */
export const DEAD_LETTER = "dead-letter.";

/** Why a record is a dead letter. */
export interface Failure {
  error: unknown;
  attempts: number;
  group: string;
}

/** Where dead letters of a topic go: `{topic}` in the pattern stands for its name. */
export function deadLetterTopic(pattern: string, topic: string): string {
  return pattern.replaceAll("{topic}", topic);
}

/** The record as it was, and headers that say where it came from and what went wrong. */
export function deadLetter(record: ConsumedRecord, { error, attempts, group }: Failure): ProducerRecord {
  const note = {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    group,
    attempts,
    "error.class": error instanceof Error ? error.name : typeof error,
    "error.message": error instanceof Error ? error.message : String(error),
  };
  return {
    key: record.key,
    value: record.value,
    headers: [
      // A dead letter that was sent back and died again tells of its last death only.
      ...record.headers.filter(([name]) => !name.startsWith(DEAD_LETTER)),
      ...Object.entries(note).map(([name, value]) => [DEAD_LETTER + name, String(value)] as const),
    ],
  };
}

/** A dead letter as it was before, and where it belongs; undefined for a record that is none. */
export function originOf(letter: ConsumedRecord): { topic: string; record: ProducerRecord } | undefined {
  const { topic, partition, timestamp } = noteIn(letter);
  if (!topic || !/^\d+$/.test(partition ?? "")) return undefined;
  const { key, value } = letter;
  const headers = letter.headers.filter(([name]) => !name.startsWith(DEAD_LETTER));
  const time = /^\d+$/.test(timestamp ?? "") ? Number(timestamp) : undefined;
  return { topic, record: { key, value, headers, partition: Number(partition), timestamp: time } };
}

/** A dead letter in one line: where it lies, where it belongs, what happened. */
export function describeLetter(letter: ConsumedRecord): string {
  const note = noteIn(letter);
  const place = `${letter.topic}[${letter.partition}]@${letter.offset}`;
  if (!originOf(letter)) return `${place} is not a dead letter`;
  const error = `${note["error.class"]}: ${note["error.message"]}`;
  return `${place} -> ${note.topic}[${note.partition}]: ${error} (${note.attempts} attempts, group ${note.group})`;
}

function noteIn(letter: ConsumedRecord): Record<string, string | undefined> {
  return Object.fromEntries(
    letter.headers.filter(([name]) => name.startsWith(DEAD_LETTER))
      .map(([name, value]) => [name.slice(DEAD_LETTER.length), value ? new TextDecoder().decode(value) : undefined]),
  );
}

/** Sends dead letters, through the same path as everything else that is to arrive. */
export class DeadLetters {
  readonly #config: DeliveryConfig;
  readonly #options: { pattern: string; group: string; log: Logger };
  readonly #topics = new Set<string>();
  #producer: Producer | undefined;

  /** Connects only when there is something to send. */
  constructor(config: DeliveryConfig, options: { pattern: string; group: string; log: Logger }) {
    this.#config = config;
    this.#options = options;
  }

  /**
   * Sends until Kafka has it.
   *
   * @returns where it is; undefined when the signal aborted before
   * @throws {FatalError} when Kafka will not take it
   */
  async send(
    record: ConsumedRecord,
    { error, attempts, signal }: { error: unknown; attempts: number; signal: AbortSignal },
  ): Promise<string | undefined> {
    const topic = deadLetterTopic(this.#options.pattern, record.topic);
    const letter = deadLetter(record, { error, attempts, group: this.#options.group });
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const producer = await this.#start(topic);
        // Letters of one partition stay together and in order: so they can go back in order, too.
        const { leaders } = await producer.lookUp(topic);
        const partition = record.partition % leaders.length;
        const [outcome] = await producer.send([{ ...letter, partition }], { topic });
        if (outcome.status === "acknowledged") return `${topic}[${outcome.partition}]@${outcome.offset}`;
        const hopeless = outcome.status === "rejected" && !outcome.retriable;
        if (hopeless) throw refused(record, { topic, cause: outcome.error });
        this.#options.log.warn("a dead letter was not acknowledged; sending it again", { topic, error: outcome.error });
      } catch (cause) {
        if (cause instanceof FatalError) throw cause;
        if (cause instanceof Deno.errors.NotFound) throw refused(record, { topic, cause });
        this.#options.log.warn("a dead letter cannot be sent; trying again", { topic, error: cause });
      }
      await sleep(backoff(failures), signal);
    }
  }

  /** Waits for what is under way. */
  async close(deadline: number): Promise<void> {
    await this.#producer?.close({ deadline });
  }

  async #start(topic: string): Promise<Producer> {
    if (!this.#topics.has(topic)) {
      await ensureTopic(createKafka(this.#config), topic, { create: this.#config.createTopic });
      this.#topics.add(topic);
    }
    if (!this.#producer) {
      const stateLog = quiet(loggerFor("kafka")); // the consumer's connection tells
      this.#producer = new Producer(this.#config, undefined, stateLog);
      await this.#producer.start();
    }
    return this.#producer;
  }
}

function refused(record: ConsumedRecord, { topic, cause }: { topic: string; cause: Error }): FatalError {
  const place = `offset ${record.offset} of ${record.topic}[${record.partition}]`;
  const code = cause instanceof DeliveryError ? ` (${cause.failure})` : "";
  return new FatalError(`Cannot make ${place} a dead letter in ${topic}: ${cause.message}${code}`, { cause });
}

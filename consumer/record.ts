/**
 * A record with its topic and partition, as handlers get it.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { RecordHeader, RecordView } from "../kafka/record_reader.ts";
import type { ConsumedRecord } from "../handlers/types.ts";

/** Adds to a view what all records of a chunk share. */
export class TopicRecord implements ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly #view: RecordView;

  constructor({ topic, partition }: { topic: string; partition: number }, view: RecordView) {
    this.topic = topic;
    this.partition = partition;
    this.offset = view.offset;
    this.#view = view;
  }

  get timestamp(): number {
    return this.#view.timestamp;
  }

  get key(): Buffer | null {
    return this.#view.key;
  }

  get value(): Buffer | null {
    return this.#view.value;
  }

  get headers(): readonly RecordHeader[] {
    return this.#view.headers;
  }

  text(): string | null {
    return this.value?.toString() ?? null;
  }

  json<T>(): T {
    const text = this.text();
    if (text === null) throw new SyntaxError("the record is a tombstone; expected JSON");
    return JSON.parse(text);
  }
}

/**
 * A record with its topic and partition, as handlers get it.
 *
 * @module
 */
import type { TopicPartition } from "./group_requests.ts";
import { type BatchContext, type Cursor, RecordView } from "./record_reader.ts";

/** A view of a record that knows where it comes from. */
export class TopicRecord extends RecordView implements TopicPartition {
  readonly topic: string;
  readonly partition: number;

  constructor(cursor: Cursor, batch: BatchContext, { topic, partition }: TopicPartition) {
    super(cursor, batch);
    this.topic = topic;
    this.partition = partition;
  }

  /** The value as JSON. @throws {SyntaxError} where it is none */
  json<T>(): T {
    const text = this.text();
    if (text === null) throw new SyntaxError("the record is a tombstone; expected JSON");
    return JSON.parse(text);
  }
}

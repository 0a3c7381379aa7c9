/**
 * What a handler gets, and what a handler module exports:
 *
 *     import type { Handler } from "./handlers/types.ts";
 *
 *     export default (async (record, { signal, log }) => {
 *       await saveSomewhere(record.json(), { signal });
 *     }) satisfies Handler;
 *
 * When the promise resolves, the record counts as handled and its offset is committed. When it rejects, the record
 * is handled again, later and later, and goes to the dead-letter topic in the end; an error with
 * `retriable: false` goes there at once.
 *
 * @module
 */
import type { Logger } from "@std/log";

/**
 * A record as it was read. Its bytes are views of a much larger buffer, which lives as long as they do: copy what is
 * kept for longer than the handler runs.
 */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** In ms since 1970. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  /** Null is a tombstone. */
  readonly value: Uint8Array | null;
  /** In order; names may repeat. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[];
  /** The value as text; bytes that are not UTF-8 become U+FFFD. Null for a tombstone. */
  text(): string | null;
  /** The value as JSON. @throws {SyntaxError} where it is none */
  json<T = unknown>(): T;
}

/** What a handler may need besides the record. */
export interface HandlerContext {
  /** Aborts when there is no more time: the process stops, or the partition goes to another consumer. */
  readonly signal: AbortSignal;
  /** 1 the first time. */
  readonly attempt: number;
  readonly log: Logger;
}

/** Handles one record. */
export type Handler = (record: ConsumedRecord, context: HandlerContext) => Promise<void> | void;
/**
 * Handles records of one partition, in order, all or none: after an error they are handled again one by one, by the
 * default export if there is one.
 */
export type BatchHandler = (records: readonly ConsumedRecord[], context: HandlerContext) => Promise<void> | void;

/** A module that handles records: either export will do. */
export interface HandlerModule {
  readonly default?: Handler;
  readonly batch?: BatchHandler;
}

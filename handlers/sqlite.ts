/**
 * Appends records to a table, each exactly once.
 *
 *     SQLITE_FILE=orders.db deno run --allow-net --allow-read --allow-write --allow-env \
 *       consumer.ts --topic orders --group archive --handler ./handlers/sqlite.ts
 *
 * Kafka delivers at least once: after a crash some records come again. The table's transaction also stores how far
 * each partition was read, so that the file itself knows which records it has, whatever the group has committed.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { BatchHandler } from "./types.ts";

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS records (
    topic TEXT, partition INTEGER, "offset" INTEGER, timestamp INTEGER, key BLOB, value BLOB,
    PRIMARY KEY (topic, partition, "offset")
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS positions (
    topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition)
  ) WITHOUT ROWID;
`;

/** Makes the handler for a file, which is created if it does not exist. */
export function sqliteTable(file: string): BatchHandler {
  const database = new DatabaseSync(file);
  database.exec(SCHEMA);
  const position = database.prepare("SELECT next FROM positions WHERE topic = ? AND partition = ?");
  const insert = database.prepare("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)");
  const move = database.prepare("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)");
  return (records) => {
    const { topic, partition } = records[0];
    database.exec("BEGIN IMMEDIATE");
    try {
      const next = Number(position.get(topic, partition)?.next ?? 0);
      for (const { offset, timestamp, key, value } of records) {
        if (offset >= next) insert.run(topic, partition, offset, timestamp, key, value);
      }
      move.run(topic, partition, Math.max(next, records.at(-1)!.offset + 1));
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  };
}

let handler: BatchHandler | undefined;

/** The handler for the file in SQLITE_FILE. */
export const batch: BatchHandler = (records, context) => {
  handler ??= sqliteTable(Deno.env.get("SQLITE_FILE") ?? "records.db");
  return handler(records, context);
};

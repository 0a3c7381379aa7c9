/** The handler of a benchmark: counts records and their bytes, a batch at a time. */
import type { BatchHandler } from "../handlers/types.ts";

/** What it counted. */
export const counted = { records: 0, bytes: 0 };

export const batch: BatchHandler = (records) => {
  counted.records += records.length;
  for (const { value } of records) counted.bytes += value?.length ?? 0;
};

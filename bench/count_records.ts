/** The handler of a benchmark: counts records and their bytes, one at a time. */
import type { Handler } from "../handlers/types.ts";

/** What it counted. */
export const counted = { records: 0, bytes: 0 };

export default (({ value }) => {
  counted.records++;
  counted.bytes += value?.length ?? 0;
}) satisfies Handler;

/** Fails with every record whose text is "bad". */
import type { Handler } from "../../../handlers/types.ts";

export default ((record) => {
  if (record.text() === "bad") throw new RangeError("bad\x1b[31m news");
}) satisfies Handler;

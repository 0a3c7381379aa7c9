import type { LogRecord } from "./logger.ts";

/**
 * One line of JSON: `level`, `datetime` (milliseconds since 1970), `message`, and `args`: absent if there are none,
 * the argument itself if there is one, else an array.
 */
export function jsonFormatter(logRecord: LogRecord): string {
  const { levelName, datetime, msg, args } = logRecord;
  return JSON.stringify({
    level: levelName,
    datetime: datetime.getTime(),
    message: msg,
    args: args.length > 1 ? args : args[0],
  });
}

/** The formatters that come with the package. */
export const formatters = { jsonFormatter } as const;

import { state } from "./_state.ts";
import { Logger } from "./logger.ts";

export type { Logger };

/**
 * The logger of that name, or the default one. A name that was not configured gets a logger without handlers, which
 * logs nothing; the next `setup` forgets it. So ask for a logger when it is needed, not when a module is loaded.
 *
 * @throws {Error} If the default logger is asked for before `setup.ts` was loaded.
 */
export function getLogger(name?: string): Logger {
  const logger = state.loggers.get(name || "default");
  if (logger) return logger;
  if (!name) throw new Error(`"default" logger must be set for getting logger without name`);
  const silent = new Logger(name, "NOTSET", { handlers: [] });
  state.loggers.set(name, silent);
  return silent;
}

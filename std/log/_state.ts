import type { BaseHandler } from "./base_handler.ts";
import type { Logger } from "./logger.ts";

/** What the last `setup` brought into use, and the loggers that `getLogger` made since. */
export const state = {
  handlers: new Map<string, BaseHandler>(),
  loggers: new Map<string, Logger>(),
};

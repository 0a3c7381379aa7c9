import { state } from "./_state.ts";
import { ConsoleHandler } from "./console_handler.ts";
import { type LogConfig, Logger } from "./logger.ts";

const DEFAULTS = {
  handlers: { default: new ConsoleHandler("INFO") },
  loggers: { default: { level: "INFO", handlers: ["default"] } },
} satisfies LogConfig;

/**
 * Replaces all handlers and loggers. The handler and the logger named `default` are there even if `config` has none:
 * INFO and above, to stdout. Loggers that somebody got before keep the handlers and the level they had.
 *
 * @throws {Error} If a level does not exist.
 */
export function setup(config: LogConfig) {
  state.handlers.forEach((handler) => handler.destroy());
  state.handlers.clear();
  for (const [name, handler] of Object.entries({ ...DEFAULTS.handlers, ...config.handlers })) {
    handler.setup();
    state.handlers.set(name, handler);
  }

  state.loggers.clear();
  const loggers: LogConfig["loggers"] = { ...DEFAULTS.loggers, ...config.loggers };
  for (const [name, { level, handlers = [] }] of Object.entries(loggers)) {
    const known = handlers.flatMap((handler) => state.handlers.get(handler) ?? []);
    state.loggers.set(name, new Logger(name, level || "INFO", { handlers: known }));
  }
}

// Importing the package brings the default logger into use.
setup(DEFAULTS);

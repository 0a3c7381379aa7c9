import type { BaseHandler } from "./base_handler.ts";
import { getLevelByName, getLevelName, type LevelName, type LogLevel, LogLevels } from "./levels.ts";

/** A function of any kind. */
// deno-lint-ignore no-explicit-any
export type GenericFunction = (...args: any[]) => any;

/** What `setup` takes. */
export interface LogConfig {
  /** Where records go, by names that `loggers` refer to. */
  handlers?: { [name: string]: BaseHandler };
  /** Loggers by name; `default` is the one behind `getLogger()` and the functions `debug` to `critical`. */
  loggers?: { [name: string]: LoggerConfig };
}

/** One logger in a {@linkcode LogConfig}. */
export class LoggerConfig {
  /** The lowest level that is logged. Default: INFO. */
  level?: LevelName;
  /** Names of handlers. Names that nothing is configured for are passed over. Default: none. */
  handlers?: string[];
}

/** What a {@linkcode LogRecord} is made of. */
export interface LogRecordOptions {
  /** The message. */
  msg: string;
  /** What was logged besides the message. */
  args: unknown[];
  /** The level of the message. */
  level: LogLevel;
  /** The name of the logger. */
  loggerName: string;
}

/** One message on its way to the handlers. */
export class LogRecord {
  /** The message, as text. */
  readonly msg: string;
  /** The number of its level. */
  readonly level: number;
  /** The name of its level. */
  readonly levelName: string;
  /** The name of the logger that it was given to. */
  readonly loggerName: string;
  readonly #args: unknown[];
  readonly #datetime = new Date();

  /** Dates the record. @throws {Error} If there is no such level. */
  constructor(options: LogRecordOptions) {
    this.msg = options.msg;
    this.level = options.level;
    this.levelName = getLevelName(options.level);
    this.loggerName = options.loggerName;
    this.#args = [...options.args];
  }

  /** What was logged besides the message: a copy, so that no handler changes what the next one sees. */
  get args(): unknown[] {
    return [...this.#args];
  }

  /** When the record was made: a copy. */
  get datetime(): Date {
    return new Date(this.#datetime);
  }
}

/** Options of {@linkcode Logger}. */
export interface LoggerOptions {
  /** Where its records go. Default: nowhere. */
  handlers?: BaseHandler[];
}

/**
 * Turns what it is given into records, for its handlers. Every method returns the message it was given. A function
 * stands for a message that is costly to make: it is called only if the message is logged, and its result is
 * returned, else `undefined`.
 */
export class Logger {
  /** Where records go. */
  handlers: BaseHandler[];
  readonly #loggerName: string;
  #level: LogLevel;

  /** @throws {Error} If there is no such level. */
  constructor(loggerName: string, levelName: LevelName, options: LoggerOptions = {}) {
    this.#loggerName = loggerName;
    this.#level = getLevelByName(levelName);
    this.handlers = options.handlers ?? [];
  }

  /** The lowest level that is logged. @throws {TypeError} When set to a number that is no level. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    if (!Object.values(LogLevels).includes(level)) throw new TypeError(`Invalid log level: ${level}`);
    this.#level = level;
  }

  /** The name of {@linkcode level}. @throws {Error} When set to a name that is no level's. */
  get levelName(): LevelName {
    return getLevelName(this.#level);
  }
  set levelName(levelName: LevelName) {
    this.#level = getLevelByName(levelName);
  }

  /** The name that it was made with. */
  get loggerName(): string {
    return this.#loggerName;
  }

  #log<T>(level: LogLevel, msg: T | (() => T), args: unknown[]): T | undefined {
    const lazy = msg instanceof Function;
    if (this.level > level) return lazy ? undefined : msg;
    const value = lazy ? msg() : msg;
    const record = new LogRecord({ msg: toText(value), args, level, loggerName: this.loggerName });
    this.handlers.forEach((handler) => handler.handle(record));
    return value;
  }

  /** Logs for those who look for a fault. */
  debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
  debug<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  debug<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.DEBUG, msg, args);
  }

  /** Logs what happens in the normal course. */
  info<T>(msg: () => T, ...args: unknown[]): T | undefined;
  info<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  info<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.INFO, msg, args);
  }

  /** Logs what may become a fault. */
  warn<T>(msg: () => T, ...args: unknown[]): T | undefined;
  warn<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  warn<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.WARN, msg, args);
  }

  /** Logs a fault. */
  error<T>(msg: () => T, ...args: unknown[]): T | undefined;
  error<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  error<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.ERROR, msg, args);
  }

  /** Logs a fault that stops the program. */
  critical<T>(msg: () => T, ...args: unknown[]): T | undefined;
  critical<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  critical<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.CRITICAL, msg, args);
  }
}

/** Not JSON: strings are not escaped, arrays have their indices as keys, a function is "undefined". */
function toText(value: unknown, nested = false): string {
  if (typeof value === "string") return nested ? `"${value}"` : value;
  if (typeof value === "function") return "undefined";
  if (value instanceof Error) return value.stack!;
  if (typeof value !== "object" || value === null) return String(value);
  const members = Object.entries(value).map(([key, member]) => `"${key}":${toText(member, true)}`);
  return `{${members.join(",")}}`;
}

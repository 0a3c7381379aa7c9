import { getLevelByName, getLevelName, type LevelName, type LogLevel } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

export type { LevelName, LogLevel, LogRecord };

/** Turns a record into the text that is written. */
export type FormatterFunction = (logRecord: LogRecord) => string;

/** Options of {@linkcode BaseHandler}. */
export interface BaseHandlerOptions {
  /** How records become text. Default: `LEVEL message`. */
  formatter?: FormatterFunction;
}

/** Where records go. A subclass says with `log` how a line is written. */
export abstract class BaseHandler {
  /** How records become text. */
  formatter: FormatterFunction;
  #levelName: LevelName;
  #level: LogLevel;

  /** Lets records from `levelName` on pass. @throws {Error} If there is no such level. */
  constructor(levelName: LevelName, options?: BaseHandlerOptions) {
    this.#levelName = levelName;
    this.#level = getLevelByName(levelName);
    this.formatter = options?.formatter ?? (({ levelName, msg }) => `${levelName} ${msg}`);
  }

  /** The lowest level that passes. @throws {Error} When set to a number that is no level. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    this.#level = level;
    this.#levelName = getLevelName(level);
  }

  /** The name of {@linkcode level}. @throws {Error} When set to a name that is no level's. */
  get levelName(): LevelName {
    return this.#levelName;
  }
  set levelName(levelName: LevelName) {
    this.#levelName = levelName;
    this.#level = getLevelByName(levelName);
  }

  /** Formats and logs a record, unless its level is too low. */
  handle(logRecord: LogRecord) {
    if (this.level > logRecord.level) return;
    this.log(this.format(logRecord));
  }

  /** The text of a record. */
  format(logRecord: LogRecord): string {
    return this.formatter(logRecord);
  }

  /** Writes one line. */
  abstract log(msg: string): void;

  /** Called by the function `setup` that brings this handler into use. */
  setup() {}

  /** Called by the next `setup`, which takes this handler out of use; also at the end of a `using`. */
  destroy() {}

  /** Calls {@linkcode destroy}. */
  [Symbol.dispose]() {
    this.destroy();
  }
}

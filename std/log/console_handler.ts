import { BaseHandler, type BaseHandlerOptions } from "./base_handler.ts";
import { type LevelName, LogLevels } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

/** Options of {@linkcode ConsoleHandler}. */
export interface ConsoleHandlerOptions extends BaseHandlerOptions {
  /** Colours a line by its level, unless `NO_COLOR` is set. Default: true. */
  useColors?: boolean;
}

const RED = [31, 39];
const COLOURS = new Map<number, number[][]>([
  [LogLevels.INFO, [[34, 39]]],
  [LogLevels.WARN, [[33, 39]]],
  [LogLevels.ERROR, [RED]],
  [LogLevels.CRITICAL, [RED, [1, 22]]],
]);

/** Writes to stdout, with `console.log`: blue for INFO, yellow for WARN, red for ERROR, bold red for CRITICAL. */
export class ConsoleHandler extends BaseHandler {
  readonly #useColors: boolean;

  /** Lets records from `levelName` on pass. @throws {Error} If there is no such level. */
  constructor(levelName: LevelName, options: ConsoleHandlerOptions = {}) {
    super(levelName, options);
    this.#useColors = options.useColors ?? true;
  }

  /** The text of a record, coloured. */
  override format(logRecord: LogRecord): string {
    const text = super.format(logRecord);
    const colours = this.#useColors ? COLOURS.get(logRecord.level) ?? [] : [];
    return colours.reduce((text, [on, off]) => paint(text, `\x1b[${on}m`, `\x1b[${off}m`), text);
  }

  /** Writes one line to stdout. */
  log(msg: string) {
    console.log(msg);
  }
}

/** A colour inside the text that ends there must not end this one too. */
function paint(text: string, on: string, off: string): string {
  return Deno.noColor ? text : on + text.replaceAll(off, on) + off;
}

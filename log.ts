/**
 * Logging: one line per event on stderr, text for people, JSON for machines. stdout belongs to what a script makes.
 *
 * @module
 */
import { BaseHandler, getLogger, type Logger, type LogRecord, setup } from "@std/log";
import type { LogConfig } from "./config.ts";

/** The parts of the program that log. `kafkajs` is the client library's own voice. */
export const COMPONENTS = ["server", "producer", "consumer", "kafka", "kafkajs", "dev"] as const;
/** The logger of a component, as set up by {@linkcode setupLogging}; silent before that. */
export const loggerFor = (component: (typeof COMPONENTS)[number]): Logger => getLogger(component);

/** Facts beside the message: `log.info("listening", { port })`. */
export type Fields = Record<string, unknown>;

/** Writes to stderr; the package's own ConsoleHandler writes to stdout, where the consumer's payloads go. */
class StderrHandler extends BaseHandler {
  override log(line: string): void {
    console.error(line);
  }
}

/** Sends every component's log to stderr, at the level and in the format of the settings. */
export function setupLogging({ logLevel, logFormat }: LogConfig): void {
  const asText = logFormat ? logFormat === "text" : Deno.stderr.isTerminal();
  const handler = new StderrHandler("DEBUG", { formatter: asText ? formatText : formatJson });
  const logger = { level: logLevel, handlers: ["stderr"] };
  setup({
    handlers: { stderr: handler },
    loggers: Object.fromEntries(COMPONENTS.map((component) => [component, logger])),
  });
}

function fieldsOf(record: LogRecord): Fields {
  return Object.fromEntries(
    Object.entries((record.args[0] ?? {}) as Fields)
      .map(([name, value]) => [name, value instanceof Error ? describe(value) : value]),
  );
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `: ${describe(error.cause)}` : "";
  return error.message.includes(cause) ? error.message : error.message + cause;
}

/** One JSON object: time, level, component, message, then the fields. */
function formatJson(record: LogRecord): string {
  const { datetime, levelName, loggerName, msg } = record;
  return JSON.stringify({
    time: datetime.toISOString(),
    level: levelName,
    component: loggerName,
    message: msg,
    ...fieldsOf(record),
  });
}

/** Time, level, component, message, `field=value`. What came from outside cannot start a new line or move the cursor. */
function formatText(record: LogRecord): string {
  const fields = Object.entries(fieldsOf(record))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? quote(value) : JSON.stringify(value)}`);
  const head = `${record.datetime.toISOString().slice(11, 23)} ${record.levelName.padEnd(5)} ${record.loggerName}: `;
  return escapeControls(head + record.msg + fields.join(""));
}

function quote(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** Control characters, and the marks that reorder text, as `\u....`. */
export function escapeControls(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(
    /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

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
export function loggerFor(component: (typeof COMPONENTS)[number]): Logger {
  const logger = getLogger(component);
  // Where nobody listens, whoever asks for the level should not put lines together.
  if (logger.handlers.length === 0) logger.levelName = "CRITICAL";
  return logger;
}

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

function fieldsOf({ args: [given] }: LogRecord): Fields {
  return given instanceof Error ? { error: given } : (given ?? {}) as Fields;
}

/** A log line never fails: what JSON cannot hold is told in words. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_, inner) => {
      if (inner instanceof Error) return describe(inner);
      return typeof inner === "bigint" ? inner.toString() : inner;
    });
  } catch {
    return JSON.stringify(String(value)); // it contains itself
  }
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `: ${describe(error.cause)}` : "";
  return error.message.includes(cause) ? error.message : error.message + cause;
}

/** One JSON object: time, level, component, message, then the fields, none of which can pass for those. */
function formatJson(record: LogRecord): string {
  const { datetime, levelName, loggerName, msg } = record;
  const event = { time: datetime.toISOString(), level: levelName, component: loggerName, message: msg };
  const members = Object.entries({ ...event, ...fieldsOf(record), ...event })
    .map(([name, value]) => [JSON.stringify(name), toJson(value)])
    .filter(([, json]) => json !== undefined);
  return escapeControls(`{${members.map((member) => member.join(":")).join()}}`);
}

/** Time, level, component, message, `field=value`. What came from outside cannot start a new line or move the cursor. */
function formatText(record: LogRecord): string {
  const fields = Object.entries(fieldsOf(record))
    .map(([name, value]) => [name, fieldText(value)])
    .filter(([, text]) => text !== undefined)
    .map(([name, text]) => ` ${name}=${text}`);
  const head = `${record.datetime.toISOString().slice(11, 23)} ${record.levelName.padEnd(5)} ${record.loggerName}: `;
  return escapeControls(head + record.msg + fields.join(""));
}

function fieldText(value: unknown): string | undefined {
  const text = value instanceof Error ? describe(value) : value;
  return typeof text === "string" ? quote(text) : toJson(text);
}

function quote(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Control characters, and the marks that reorder text, as `\u....`. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0"));
}

/** A table of settings for the tests of how tables are read. */
import { ConfigError } from "../../errors.ts";
import {
  choice,
  file,
  integer,
  list,
  optional,
  readSettings,
  setting,
  type Settings,
  type Sources,
  text,
  toggle,
} from "../../settings.ts";

/** Every kind of setting. */
export const TABLE = {
  word: text("KAFKA_WORD", "hello", "a word"),
  maybe: optional("KAFKA_MAYBE", "perhaps a word"),
  on: toggle("KAFKA_ON", false, "on or off"),
  off: toggle("KAFKA_OFF", true, "off or on"),
  count: integer("HTTP_COUNT", 5, "how many", [1, 10]),
  limit: integer("HTTP_LIMIT", undefined, "at most", [1, 10]),
  mode: choice("LOG_MODE", "fast", "speed", ["fast", "Slow"]),
  items: list("KAFKA_ITEMS", "", "some"),
  names: list("KAFKA_NAMES", "a", "some", { kind: "repeated", least: 1, expected: "one or more names" }),
  pem: file("KAFKA_PEM", "a file"),
  password: optional("KAFKA_PASSWORD", "secret word", { secret: true }),
  place: setting((t) => t, ["KAFKA_PLACE", "here", "where"], { expected: "a place", alias: "KAFKA_WHERE" }),
  start: setting((t) => Number(t), ["--start", undefined, "command line only"], { expected: "a number" }),
} satisfies Settings;

/** Flags, variables and `.env` file. */
export type Given = Omit<Sources, "env"> & { env?: Record<string, string> };

/** Reads {@linkcode TABLE}. */
export function read({ args = [], env = {}, envFile = "" }: Given = {}) {
  return readSettings(TABLE, { args, envFile, env: (name) => env[name] }, () => []);
}

/** All that is said to be wrong with what is given. */
export function mistakesOf(given: Given): readonly string[] {
  try {
    read(given);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
}

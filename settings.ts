/**
 * How a table of settings is read: flags, then environment, then `.env`, then defaults. All mistakes come in one
 * message, and `--help` is printed from the table. The table itself is in `config.ts`.
 *
 * @module
 */
import { parseEnv } from "node:util";
import { parseArgs } from "@std/cli";
import { ConfigError } from "./errors.ts";

/** One row of the table. */
export interface Setting<T> {
  /** The environment variable, or `--flag` for what only the command line offers. */
  name: string;
  /** As a user would write it; `undefined` for none. */
  default: string | undefined;
  help: string;
  /** What a right value looks like, for messages. */
  expected: string;
  /** Throws when the text is not as expected. */
  parse: (text: string) => T;
  /** Without its dashes. Secrets have none: a list of processes would show them. */
  flag: string | undefined;
  /** Never shown. */
  secret?: boolean;
  kind: "value" | "switch" | "repeated";
  /** Another environment variable for the same thing. */
  alias?: string;
}

/** Rows by the name that the program uses. */
export type Settings = Record<string, Setting<unknown>>;
/** What reading a table gives. */
export type Values<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

type Extra = Partial<Pick<Setting<unknown>, "flag" | "kind" | "alias" | "expected" | "secret">>;

/** Flags are the kebab-case of the part after the prefix: KAFKA_LINGER_MS is --linger-ms. */
function flagOf(name: string): string {
  return name.replace(/^--|^KAFKA_|^HTTP_/, "").replaceAll("_", "-").toLowerCase();
}

/** A setting of any type; the functions below are the common ones. */
export function setting<T>(
  parse: (text: string) => T,
  [name, fallback, help]: [name: string, fallback: string | number | boolean | undefined, help: string],
  extra: Extra & { expected: string },
): Setting<T> {
  const flag = extra.secret ? undefined : flagOf(name);
  return { name, default: fallback?.toString(), help, parse, flag, kind: "value", ...extra };
}

function refuse(): never {
  throw new RangeError("not as expected");
}

/** A text that is not empty. */
export function text(name: string, fallback: string, help: string, extra: Extra = {}): Setting<string> {
  return setting((t) => t || refuse(), [name, fallback, help], { expected: "a text that is not empty", ...extra });
}

/** A text, or nothing. */
export function optional(name: string, help: string, extra: Extra = {}): Setting<string | undefined> {
  return setting((t) => t || undefined, [name, undefined, help], { expected: "a text", ...extra });
}

/** On or off. */
export function toggle(name: string, fallback: boolean, help: string): Setting<boolean> {
  const parse = (t: string) => t === "true" || t === "1" || (t === "false" || t === "0" ? false : refuse());
  return setting(parse, [name, fallback, help], { expected: "true or false", kind: "switch" });
}

/** A whole number within bounds, both included. */
export function integer<const F extends number | undefined>(
  name: string,
  fallback: F,
  help: string,
  [min, max]: [min: number, max: number],
): Setting<number | (undefined extends F ? undefined : never)> {
  const parse = (t: string) => /^\d+$/.test(t) && Number(t) >= min && Number(t) <= max ? Number(t) : refuse();
  return setting(parse, [name, fallback, help], { expected: `a whole number from ${min} to ${max}` });
}

/** One of a few words, in any case. */
export function choice<const T extends string, F extends T | undefined>(
  name: string,
  fallback: F,
  help: string,
  choices: readonly T[],
): Setting<T | (undefined extends F ? undefined : never)> {
  const parse = (t: string) => choices.find((c) => c.toLowerCase() === t.toLowerCase()) ?? refuse();
  return setting(parse, [name, fallback, help], { expected: `one of ${choices.join(", ")}` });
}

/** Items separated by commas; `least`, 0 by default, says how many there must be. */
export function list(
  name: string,
  fallback: string,
  help: string,
  { least = 0, ...extra }: Extra & { least?: number } = {},
): Setting<readonly string[]> {
  const parse = (t: string) => {
    const items = t.split(",").map((item) => item.trim()).filter((item) => item);
    return items.length < least ? refuse() : items;
  };
  return setting(parse, [name, fallback, help], { expected: "items separated by commas", ...extra });
}

/** A text file, read at start so that a wrong path is a mistake like any other; the value is its content. */
export function file(name: string, help: string): Setting<string | undefined> {
  const parse = (path: string) => path ? Deno.readTextFileSync(path) || refuse() : undefined;
  return setting(parse, [name, undefined, help], { expected: "the path of a readable PEM file" });
}

/** Where the texts come from; tests pass their own. */
export interface Sources {
  /** Default: `Deno.args`. */
  args?: readonly string[];
  /** Default: the process's environment. */
  env?: (name: string) => string | undefined;
  /** The content of the `.env` file. Default: `.env` in the current folder, if there is one. */
  envFile?: string;
}

/** A text and where it was found. */
interface Found {
  text: string;
  from: string;
}

/** Reads a table of settings. @throws {ConfigError} that names every mistake */
export function readSettings<S extends Settings>(
  settings: S,
  sources: Sources,
  crossCheck: (values: Values<S>, isSet: (name: string) => boolean) => string[],
): Values<S> {
  const rows = Object.values(settings);
  const mistakes: string[] = [];
  const flags = readFlags(rows, { args: sources.args ?? Deno.args, mistakes });
  const environment = readEnvironment(sources, mistakes);
  const values: Record<string, unknown> = {};
  const found = new Set<string>();
  const wrong: string[] = [];
  for (const [key, row] of Object.entries(settings)) {
    const best = flags.get(row.flag) ?? environment(row);
    if (best?.text) found.add(row.name);
    const source = best?.text ?? row.default;
    try {
      values[key] = source === undefined ? undefined : Object.freeze(row.parse(source));
    } catch (error) {
      wrong.push(row.name);
      const shown = row.secret ? "(secret)" : JSON.stringify(source);
      const why = error instanceof RangeError ? "" : ` (${(error as Error).message})`;
      mistakes.push(`${row.name} is ${shown}, from ${best?.from ?? "its default"}; expected ${row.expected}${why}`);
      values[key] = row.default === undefined ? undefined : row.parse(row.default);
    }
  }
  // How a setting that is wrong by itself goes with others cannot be said before it is right.
  const combined = crossCheck(values as Values<S>, (name) => found.has(name));
  mistakes.push(...combined.filter((mistake) => !wrong.some((name) => mistake.includes(name))));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return Object.freeze(values) as Values<S>;
}

type Mistakes = { mistakes: string[] };

/** What the command line says, by flag. */
function readFlags(rows: readonly Setting<unknown>[], { args, mistakes }: Mistakes & { args: readonly string[] }) {
  const words = joinValues(args);
  const flagged = rows.filter((row): row is Setting<unknown> & { flag: string } => row.flag !== undefined);
  const [switches, others] = [true, false].map((wanted) =>
    flagged.filter(({ kind }) => (kind === "switch") === wanted).map(({ flag }) => flag)
  );
  const unknown = new Set<string>(); // `-abc` is three flags, and one mistake
  const parsed: Record<string, unknown> = parseArgs(words, {
    string: others,
    collect: others,
    boolean: [...switches, "help"],
    negatable: switches,
    alias: { help: "h" },
    unknown: (arg) => (unknown.add(arg), false),
  });
  for (const arg of [...unknown, ...parsed._ as unknown[]]) mistakes.push(refuseArgument(String(arg), rows));
  const flags = new Map<string | undefined, Found>();
  for (const { flag, kind } of flagged) {
    const texts = kind === "switch" ? switchTexts(flag, words) : parsed[flag] as string[];
    if (texts.length === 0) continue;
    const once = texts.length === 1 || kind === "repeated";
    if (!once) mistakes.push(`--${flag} is given ${texts.length} times; expected once`);
    flags.set(flag, { text: once ? texts.join() : texts[0], from: `--${flag}` });
  }
  return flags;
}

/** `--from -5`, `--topic ""`: a number below zero and nothing at all are values, and not words of their own. */
function joinValues(args: readonly string[]): string[] {
  const words: string[] = [];
  for (const arg of args) {
    const isValue = /^(-\d.*)?$/s.test(arg) && /^--[\w-]+$/.test(words.at(-1) ?? "");
    if (isValue) words.push(`${words.pop()}=${arg}`);
    else words.push(arg);
  }
  return words[0] === "--" ? words.slice(1) : words; // `task produce -- --names 5`, by npm's habit
}

/** Each time that a switch is given. parseArgs takes `--ssl=maybe` for true: here the text is judged like any other. */
function switchTexts(flag: string, words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (word === `--${flag}`) return words[index + 1] === "false" ? "false" : "true";
    if (word === `--no-${flag}`) return "false";
    if (word.startsWith(`--${flag}=`)) return word.slice(flag.length + 3);
    return word.startsWith(`--no-${flag}=`) ? word : [];
  });
}

/** What is wrong with a word that belongs to no flag. Its value stays unseen: it may be a secret under a wrong name. */
function refuseArgument(arg: string, rows: readonly Setting<unknown>[]): string {
  const name = arg.startsWith("-") ? arg.replace(/=.*/s, "") : arg;
  const secret = rows.find((row) => row.secret && name === `--${flagOf(row.name)}`);
  if (secret) return `${name} would show a secret in the list of processes; expected ${secret.name} in the environment`;
  const near = nearest(name.replace(/^-+/, ""), rows.flatMap((row) => row.flag ?? []));
  return `${name} is not known here${near ? `, did you mean --${near}?` : ""}; expected a flag that --help lists`;
}

/** The flag that shares a beginning with, or is a letter or two away from, what was typed. */
function nearest(typed: string, flags: readonly string[]): string | undefined {
  const far = Math.min(2, typed.length / 2);
  const near = (flag: string) => flag.startsWith(typed) || typed.startsWith(flag) || distance(flag, typed) <= far;
  return typed.length < 2 ? undefined : flags.filter(near).sort((a, b) => distance(a, typed) - distance(b, typed))[0];
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** What environment and `.env` say of a setting. */
function readEnvironment(sources: Sources, mistakes: string[]): (row: Setting<unknown>) => Found | undefined {
  const env = sources.env ?? ((name: string) => Deno.env.get(name));
  const file = parseEnv(sources.envFile ?? readEnvFile(mistakes));
  const look = (name: string | undefined): Found | undefined => {
    if (name === undefined || name.startsWith("--")) return undefined;
    const set = env(name);
    if (set !== undefined) return { text: set, from: "the environment" };
    return file[name] === undefined ? undefined : { text: file[name], from: "the .env file" };
  };
  return ({ name, alias }) => {
    const [first, second] = [look(name), look(alias)];
    if (!second) return first;
    if (!first) return { ...second, from: `${alias} in ${second.from}` };
    if (first.text !== second.text) {
      const [one, other] = [first, second].map(({ text, from }) => `${JSON.stringify(text)}, from ${from}`);
      mistakes.push(`${name} is ${one}, and ${alias} is ${other}; expected one of them`);
    }
    return first;
  };
}

function readEnvFile(mistakes: string[]): string {
  try {
    return Deno.readTextFileSync(".env");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      mistakes.push(`.env cannot be read (${(error as Error).message}); expected a readable file, or none`);
    }
    return "";
  }
}

/** The text of `--help`. */
export function helpText(settings: Settings, usage: string): string {
  const rows = Object.values(settings).map(({ name, alias, flag, default: fallback, help }) => [
    flag === undefined ? "" : `--${flag}`,
    name.startsWith("--") ? "" : name,
    fallback || "-",
    alias ? `${help} (or ${alias})` : help,
  ]);
  const table = [["flag", "environment", "default", ""], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column].length)) + 2);
  const rules = "A flag wins over the environment, which wins over a .env file, which wins over the default.\n" +
    "What is true or false is turned on by its flag alone, and off by --no- before it, as in --no-ssl.";
  return `${usage}\n\n${rules}\n\n${
    table.map((row) => "  " + row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("").trimEnd()).join("\n")
  }`;
}

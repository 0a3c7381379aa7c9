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

/** Items separated by commas. */
export function list(name: string, fallback: string, help: string, extra: Extra = {}): Setting<readonly string[]> {
  const parse = (t: string) => Object.freeze(t.split(",").map((item) => item.trim()).filter((item) => item));
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
  const rows = Object.entries(settings);
  const { flags, mistakes } = readFlags(rows.map(([, row]) => row), sources.args ?? Deno.args);
  const environment = readEnvironment(sources);
  const values: Record<string, unknown> = {};
  const found = new Set<string>();
  for (const [key, row] of rows) {
    const fromFlag = row.flag === undefined ? undefined : flags.get(row.flag);
    const fromEnvironment = fromFlag ? [] : [row.name, row.alias].flatMap((n) => environment(n) ?? []);
    if (fromEnvironment.length > 1 && fromEnvironment[0].text !== fromEnvironment[1].text) {
      mistakes.push(`${row.name} and ${row.alias} are both set and differ; expected one of them`);
    }
    const best = fromFlag ?? fromEnvironment[0];
    if (best) found.add(row.name);
    const source = best?.text ?? row.default;
    try {
      values[key] = source === undefined ? undefined : row.parse(source);
    } catch (error) {
      const shown = row.secret ? "(secret)" : JSON.stringify(source);
      const why = error instanceof RangeError ? "" : ` (${(error as Error).message})`;
      mistakes.push(`${row.name} is ${shown}, from ${best?.from ?? "its default"}; expected ${row.expected}${why}`);
      values[key] = row.default === undefined ? undefined : row.parse(row.default);
    }
  }
  mistakes.push(...crossCheck(values as Values<S>, (name) => found.has(name)));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return Object.freeze(values) as Values<S>;
}

function readFlags(rows: readonly Setting<unknown>[], args: readonly string[]) {
  const mistakes: string[] = [];
  const known = rows.flatMap((row) => row.flag ?? []);
  const switches = rows.filter((row) => row.kind === "switch").flatMap((row) => row.flag ?? []);
  // `--from -5`: a number is a value and not a flag of its own.
  const joined = args.join("\0").replaceAll(/(--[\w-]+)\0(-\d)/g, "$1=$2").split("\0").filter((a) => a !== "");
  const parsed = parseArgs(joined, {
    string: known.filter((name) => !switches.includes(name)),
    boolean: [...switches, "help"],
    negatable: switches,
    collect: known.filter((name) => !switches.includes(name)),
    alias: { help: "h" },
    unknown: (arg) => {
      mistakes.push(`${arg} is not known here${suggest(arg, known)}; expected one of the flags below --help`);
      return false;
    },
  }) as Record<string, unknown>;
  const flags = new Map<string, Found>();
  for (const { flag, kind } of rows) {
    if (flag === undefined || parsed[flag] === undefined) continue;
    const given = parsed[flag];
    const texts = Array.isArray(given) ? given.map(String) : [switchText(flag, given, joined)];
    if (texts.length === 0 || (kind === "switch" && !joined.some((a) => a.match(`^--(no-)?${flag}(=|$)`)))) continue;
    if (texts.length > 1 && kind !== "repeated") {
      mistakes.push(`--${flag} is given ${texts.length} times; expected once`);
    }
    flags.set(flag, { text: texts.join(","), from: `--${flag}` });
  }
  return { flags, mistakes };
}

/** parseArgs takes `--ssl=maybe` for true; the text itself is judged like any other. */
function switchText(flag: string, parsed: unknown, args: readonly string[]): string {
  return args.findLast((a) => a.startsWith(`--${flag}=`))?.slice(flag.length + 3) ?? String(parsed);
}

/** A known flag that shares a beginning with, or is a letter or two away from, what was typed. */
function suggest(arg: string, known: readonly string[]): string {
  const typed = arg.replace(/^-+/, "").replace(/=.*/s, "");
  const near = known.find((name) => typed.length > 1 && (name.startsWith(typed) || distance(name, typed) <= 2));
  return near ? `, did you mean --${near}?` : "";
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

function readEnvironment(sources: Sources): (name: string | undefined) => Found | undefined {
  const env = sources.env ?? ((name: string) => Deno.env.get(name));
  const file = parseEnv(sources.envFile ?? readEnvFile());
  return (name) => {
    if (name === undefined || name.startsWith("--")) return undefined;
    const set = env(name);
    if (set !== undefined) return { text: set, from: "the environment" };
    return file[name] === undefined ? undefined : { text: file[name], from: "the .env file" };
  };
}

function readEnvFile(): string {
  try {
    return Deno.readTextFileSync(".env");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw new ConfigError([`.env cannot be read (${(error as Error).message}); expected a readable file, or none`]);
  }
}

/** The text of `--help`. */
export function helpText(settings: Settings, usage: string): string {
  const rows = Object.values(settings).map(({ name, flag, default: fallback, help }) => [
    flag === undefined ? "" : `--${flag}`,
    name.startsWith("--") ? "" : name,
    fallback || "-",
    help,
  ]);
  const table = [["flag", "environment", "default", ""], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column].length)) + 2);
  return `${usage}\n\nA flag wins over the environment, which wins over a .env file, which wins over the default.\n\n${
    table.map((row) => "  " + row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("").trimEnd()).join("\n")
  }`;
}

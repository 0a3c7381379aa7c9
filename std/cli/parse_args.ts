/**
 * `parseArgs` with the options, the result and the quirks of `jsr:@std/cli` 1.0.32. It follows minimist's
 * conventions, so what looks odd here (`-ab=c` is `{ a: "c" }`) is what the package does, and stays.
 *
 * @module
 */
import type { Aliases, Booleans, Flatten, Name, Values } from "./_types.ts";

/** What {@linkcode parseArgs} returns: one property per flag, and the words that belong to no flag. */
export type Args<
  // deno-lint-ignore no-explicit-any
  TArgs extends Record<string, unknown> = Record<string, any>,
  TDoubleDash extends boolean | undefined = undefined,
> = Flatten<
  & TArgs
  & {
    /** Words that belong to no flag; numbers where they read as numbers. */
    _: Array<string | number>;
  }
  & (boolean extends TDoubleDash ? { "--"?: Array<string> }
    : true extends TDoubleDash ? { "--": Array<string> }
    : Record<never, never>)
>;

/** Options of {@linkcode parseArgs}. Each that names flags takes one name or an array; `a.b` names a nested flag. */
export interface ParseOptions<
  TBooleans extends Booleans = Booleans,
  TStrings extends Name = Name,
  TCollectable extends Name = Name,
  TNegatable extends Name = Name,
  TDefault extends Record<string, unknown> | undefined =
    | Record<string, unknown>
    | undefined,
  TAliases extends Aliases | undefined = Aliases | undefined,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /** Keeps what follows `--` apart, in `result["--"]`; otherwise it joins `_`. Default: false. */
  "--"?: TDoubleDash;
  /** Other names of a flag. Every name of a flag that was given appears in the result. */
  alias?: TAliases;
  /** Flags that take no value; false when absent. `true`: all `--flag` without `=` are such. Default: false. */
  boolean?: TBooleans | ReadonlyArray<Extract<TBooleans, string>>;
  /** Values of flags that were not given. */
  default?: TDefault & { [K in Extract<TBooleans | TStrings, string>]?: unknown };
  /** Stops at the first word that belongs to no flag; it and all that follow go to `_`. Default: false. */
  stopEarly?: boolean;
  /** Flags whose value is never turned into a number. `_` means the words that belong to no flag. */
  string?: TStrings | ReadonlyArray<Extract<TStrings, string>>;
  /** Flags that may be repeated: their values become an array. Of other flags the last value counts. */
  collect?: TCollectable | ReadonlyArray<Extract<TCollectable, string>>;
  /** Flags that `--no-flag` sets to false; of any other flag it sets `no-flag` to true. */
  negatable?: TNegatable | ReadonlyArray<Extract<TNegatable, string>>;
  /** Called for each flag that no option names and for each word outside flags; `false` drops it. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Value = string | number | boolean;
type Tree = { [key: string]: unknown };

/** The options, in a form that can be asked about one flag. */
interface Rules {
  aliases: Map<string, Set<string>>;
  booleans: Set<string>;
  strings: Set<string>;
  collected: Set<string>;
  negatable: Set<string>;
  allBooleans: boolean;
  unknown?: ParseOptions["unknown"];
}

/**
 * Reads command line arguments.
 *
 * Without options `--flag word` and `-f word` take the word as value, a flag that no word follows is `true`, text
 * that reads as a number becomes one, and the result is `Record<string, any>`. Naming flags in `string`,
 * `boolean` or `collect` makes the result typed.
 *
 * @throws {TypeError} If an alias is `undefined`, or if a flag needs a nested value below a plain one (`--a --a.b`).
 */
export function parseArgs<
  TArgs extends Values<TBooleans, TStrings, TCollectable, TNegatable, TDefaults, TAliases>,
  TDoubleDash extends boolean | undefined = undefined,
  TBooleans extends Booleans = undefined,
  TStrings extends Name = undefined,
  TCollectable extends Name = undefined,
  TNegatable extends Name = undefined,
  TDefaults extends Record<string, unknown> | undefined = undefined,
  TAliases extends Aliases<TAliasArgNames, TAliasNames> | undefined = undefined,
  TAliasArgNames extends string = string,
  TAliasNames extends string = string,
>(
  args: string[],
  options?: ParseOptions<TBooleans, TStrings, TCollectable, TNegatable, TDefaults, TAliases, TDoubleDash>,
): Args<TArgs, TDoubleDash> {
  const { default: defaults = {}, stopEarly = false, "--": keepApart = false } = options ?? {};
  const rules = readRules((options ?? {}) as ParseOptions);
  const end = args.indexOf("--");
  const queue = end < 0 ? [...args] : args.slice(0, end);
  const rest = end < 0 ? [] : args.slice(end + 1);
  const result: Args = { _: [] };

  while (queue.length > 0) {
    const arg = queue.shift()!;
    if (arg.startsWith("--")) {
      readLong(arg, queue, rules, result);
    } else if (arg.startsWith("-") && arg !== "-") {
      readShort(arg, queue, rules, result);
    } else {
      if (rules.unknown?.(arg) !== false) {
        result._.push(rules.strings.has("_") ? arg : toNumber(arg));
      }
      if (stopEarly) result._.push(...queue.splice(0));
    }
  }

  addDefaults(defaults, rules, result);
  if (keepApart) result["--"] = rest;
  else result._.push(...rest);
  return result as Args<TArgs, TDoubleDash>;
}

function readRules(options: ParseOptions): Rules {
  const aliases: Rules["aliases"] = new Map();
  for (const [name, value] of Object.entries(options.alias ?? {})) {
    if (value === undefined) throw new TypeError("Alias value must be defined");
    const group = [name, ...[value].flat() as string[]];
    for (const each of group) aliases.set(each, new Set(group.filter((other) => other !== each)));
  }
  const withAliases = (names: boolean | string | readonly string[] | undefined) => {
    const list = [names].flat().filter((name) => name && name !== true) as string[];
    return new Set(list.flatMap((name) => [name, ...aliases.get(name) ?? []]));
  };
  return {
    aliases,
    booleans: withAliases(options.boolean),
    strings: withAliases(options.string),
    collected: withAliases(options.collect),
    negatable: withAliases(options.negatable),
    allBooleans: options.boolean === true,
    unknown: options.unknown,
  };
}

/** `--flag`, `--flag=value`, `--flag value`, `--no-flag`. */
function readLong(arg: string, queue: string[], rules: Rules, result: Tree) {
  const negated = /^--no-./s.test(arg);
  const text = arg.slice(negated ? "--no-".length : "--".length);
  const equals = text.indexOf("=", 1);
  if (equals > 0) {
    const key = text.slice(0, equals);
    const value = text.slice(equals + 1);
    store(result, rules, arg, key, rules.booleans.has(key) ? value !== "false" : value);
  } else if (negated && rules.negatable.has(text)) {
    store(result, rules, arg, text, false, false);
  } else {
    const key = negated ? `no-${text}` : text;
    const takesWord = !rules.allBooleans && !queue[0]?.startsWith("-");
    store(result, rules, arg, key, valueAfter(key, takesWord, queue, rules));
  }
}

/** `-f`, `-abc`, `-f value`, `-f5`, `-f/value`, `-f=value`. */
function readShort(arg: string, queue: string[], rules: Rules, result: Tree) {
  for (let at = 1; at < arg.length - 1; at++) {
    const value = attached(arg[at], arg.slice(at + 1));
    store(result, rules, arg, arg[at], value ?? withoutValue(arg[at], rules));
    if (value !== undefined) return;
  }
  const last = arg.slice(-1);
  const takesWord = !/^--?[^-]/.test(queue[0] ?? "");
  store(result, rules, arg, last, valueAfter(last, takesWord, queue, rules));
}

/** The value that is written against a short flag, if what follows it is not more flags. */
function attached(letter: string, tail: string): string | undefined {
  if (tail === "-") return tail;
  if (tail === "=") return "";
  if (/[A-Za-z]/.test(letter)) {
    const value = /=(.+)/.exec(tail)?.[1];
    if (value !== undefined) return value;
    if (/-?\d+(\.\d*)?(e-?\d+)?$/.test(tail)) return tail;
  }
  // A last character is a flag, whatever it is.
  return tail.length > 1 && /\W/.test(tail[0]) ? tail : undefined;
}

/** The next word if it is the value of the flag: `true` and `false` even of a boolean one. */
function valueAfter(key: string, takesWord: boolean, queue: string[], rules: Rules): Value {
  const names = [key, ...rules.aliases.get(key) ?? []];
  if (queue[0] && takesWord && !names.some((name) => rules.booleans.has(name))) {
    return queue.shift()!;
  }
  if (queue[0] === "true" || queue[0] === "false") return queue.shift() === "true";
  return withoutValue(key, rules);
}

function withoutValue(key: string, rules: Rules): Value {
  return rules.strings.has(key) ? "" : true;
}

function store(result: Tree, rules: Rules, arg: string, key: string, value: Value, mayCollect = true) {
  const known = [rules.booleans, rules.strings, rules.collected, rules.aliases].some((names) => names.has(key)) ||
    (rules.allBooleans && /^--[^=]+$/.test(arg));
  if (!known && rules.unknown?.(arg, key, value) === false) return;

  if (typeof value === "string" && !rules.strings.has(key)) value = toNumber(value);
  const collect = mayCollect && rules.collected.has(key);
  for (const name of [key, ...rules.aliases.get(key) ?? []]) assign(result, name, value, collect);
}

function addDefaults(defaults: Tree, rules: Rules, result: Tree) {
  for (const [key, value] of Object.entries(defaults)) {
    if (has(result, key)) continue;
    for (const name of [key, ...rules.aliases.get(key) ?? []]) assign(result, name, value);
  }
  for (const key of rules.booleans) {
    if (!has(result, key)) assign(result, key, rules.collected.has(key) ? [] : false);
  }
  for (const key of rules.strings) {
    if (!has(result, key) && rules.collected.has(key)) assign(result, key, []);
  }
}

function toNumber(text: string): string | number {
  return /\S/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

function assign(tree: Tree, path: string, value: unknown, collect = false) {
  const keys = path.split(".");
  const last = keys.pop()!;
  for (const key of keys) {
    if (reachesPrototype(tree, key)) return;
    tree = (tree[key] ??= {}) as Tree;
  }
  if (reachesPrototype(tree, last)) return;
  const old = tree[last];
  if (!collect) tree[last] = value;
  else if (Array.isArray(old)) old.push(value);
  else tree[last] = old ? [old, value] : [value];
}

/** Arguments come from outside: `--__proto__.x` must not change every object of the program. */
function reachesPrototype(tree: Tree, key: string): boolean {
  return key === "__proto__" || (key === "constructor" && typeof tree[key] === "function");
}

function has(tree: Tree, path: string): boolean {
  for (const key of path.split(".")) {
    if (!Object.hasOwn(tree, key)) return false;
    tree = tree[key] as Tree;
  }
  return true;
}

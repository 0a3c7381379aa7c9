/**
 * What the documentation of `@std/cli` says about `parseArgs`, as a table. The names are imported as everywhere, so
 * the same table judges the package itself when the `links` line of deno.json is gone.
 */
import assert from "node:assert/strict";
import { type Args, parseArgs, type ParseOptions } from "@std/cli";
import { parseArgs as bySubpath } from "@std/cli/parse-args";

type Case = [states: string, line: string | string[], gives: Record<string, unknown>, options?: ParseOptions];

const CASES: Case[] = [
  // The examples of the documentation.
  ["a flag without value is true, and what belongs to no flag is in _", "--foo --bar=baz ./quux.txt", {
    foo: true,
    bar: "baz",
    _: ["./quux.txt"],
  }],
  ["a boolean flag takes no word, a string flag takes the next", "--foo --bar baz", { foo: true, bar: "baz", _: [] }, {
    boolean: ["foo"],
    string: ["bar"],
  }],
  ["a collected flag is an array", "--foo bar --foo baz", { foo: ["bar", "baz"], _: [] }, { collect: ["foo"] }],
  ["a negatable flag is false after --no-", "--no-foo", { foo: false, _: [] }, {
    boolean: ["foo"],
    negatable: ["foo"],
  }],
  ["words after -- are not parsed", "-a -- b --c 5", { a: true, _: ["b", "--c", "5"] }],
  ["words after -- are kept apart on demand", "--name John before -- after 5", {
    name: "John",
    _: ["before"],
    "--": ["after", "5"],
  }, { "--": true }],
  ["without -- nothing is kept apart", "a", { _: ["a"], "--": [] }, { "--": true }],

  // Values and numbers.
  ["text that reads as a number becomes one", "-x 1234 -y 5.67 -z 1e7 -w 10f --hex 0xff 789", {
    x: 1234,
    y: 5.67,
    z: 1e7,
    w: "10f",
    hex: 255,
    _: [789],
  }],
  ["a string flag keeps its digits", "-s 0001234 --x 56", { s: "0001234", x: "56", _: [] }, { string: ["s", "x"] }],
  ["words outside flags keep their digits where _ is a string", "01 -f 2", { f: 2, _: ["01"] }, { string: "_" }],
  ["blank text is no number", ["-x", "\t", " "], { x: "\t", _: [" "] }],
  ["a string flag without value is empty", "--a -b", { a: "", b: "", _: [] }, { string: ["a", "b"] }],
  ["a value may be empty", "--foo= -f= -abc= word", { foo: "", f: "", a: true, b: true, c: "", _: ["word"] }],
  ["a value may hold anything after the first =", ["--a=b=c", "--d=-x", "--e=X\nY"], {
    a: "b=c",
    d: "-x",
    e: "X\nY",
    _: [],
  }],
  ["a flag never takes a word that starts with a hyphen", "--a -1 --b --c", {
    a: true,
    1: true,
    b: true,
    c: true,
    _: [],
  }],
  ["a hyphen alone is a value for a short flag, and a word after a long one", "-n - --m - -", {
    n: "-",
    m: true,
    _: ["-", "-"],
  }],
  ["of a repeated flag the last value counts", "-v a -v b --v=c", { v: "c", _: [] }],

  // Short flags.
  ["short flags can be joined, and the last may have a value", "-abc -de f", {
    a: true,
    b: true,
    c: true,
    d: true,
    e: "f",
    _: [],
  }],
  ["a number can be written against a short flag", "-n5 -m-3 -k1.5", { n: 5, m: -3, k: 1.5, _: [] }],
  ["digits alone are flags", "-123 456", { 1: true, 2: true, 3: 456, _: [] }],
  ["a path can be written against a short flag", "-I/foo/bar -xy/z", { I: "/foo/bar", x: true, y: "/z", _: [] }],
  ["a last character is a flag, whatever it is", "-a/", { a: true, "/": true, _: [] }],
  ["= gives a value to a short flag", "-b=123 -f=abc=def -e==", { b: 123, f: "abc=def", e: "=", _: [] }],
  ["= gives its value to the first of joined short flags", "-ab=c", { a: "c", _: [] }],
  ["a hyphen can be written against a short flag", "-f- -ab-", { f: "-", a: true, b: "-", _: [] }],
  ["short string flags that are joined are empty", "-art", { a: "", r: true, t: "", _: [] }, { string: ["a", "t"] }],

  // Booleans.
  ["an absent boolean flag is false", "moo", { t: false, verbose: false, _: ["moo"] }, { boolean: ["t", "verbose"] }],
  ["a boolean flag takes the words true and false", "--v false moo -t true", { v: false, t: true, _: ["moo"] }, {
    boolean: ["t", "v"],
    default: { v: true },
  }],
  ["a boolean flag takes no word that only starts like true", "-t true123", { t: true, _: ["true123"] }, {
    boolean: "t",
  }],
  ["only = and the text false make a long boolean flag false", "--a=false --b=no --c=", {
    a: false,
    b: true,
    c: true,
    _: [],
  }, { boolean: ["a", "b", "c"] }],
  ["= gives text to a short boolean flag", "-a=false", { a: "false", _: [] }, { boolean: "a" }],
  ["to any other flag true is a text", "--o=true --p true", {
    o: "true",
    p: "true",
    _: [],
  }],
  ["boolean: true is for long flags without =", "moo --honk cow -p 55 --tacos=good", {
    honk: true,
    tacos: "good",
    p: 55,
    _: ["moo", "cow"],
  }, { boolean: true }],

  // Negation.
  ["--no- of a flag that is not negatable is a flag of its own", "--no-moo", { "no-moo": true, _: [] }],
  ["--no- alone is a flag", "--no- 5", { "no-": 5, _: [] }, { negatable: "a", alias: { a: "" } }],
  ["--no- with a value sets the flag itself", "--no-moo=5", { moo: 5, _: [] }],
  ["of a flag and its negation the last counts", "--no-foo --foo --no-bar 123 --bar --no-bar", {
    foo: true,
    bar: false,
    _: [123],
  }, { boolean: ["foo", "bar"], negatable: ["foo", "bar"] }],
  ["negation discards what was collected", "--foo 123 -f 456 --no-foo", { foo: false, f: false, _: [] }, {
    string: ["foo"],
    collect: ["foo"],
    negatable: ["foo"],
    alias: { foo: "f" },
  }],

  // Aliases.
  ["each name of a flag is in the result", "-f 11 --zoom 55", { f: 11, z: 55, zm: 55, zoom: 55, _: [] }, {
    alias: { z: ["zm", "zoom"] },
  }],
  ["an alias of a boolean flag takes no word either", "-h derp", { h: true, herp: true, _: ["derp"] }, {
    boolean: "herp",
    alias: { h: "herp" },
  }],
  ["a flag takes no word if one of its aliases is boolean", "-a x", { a: true, b: true, c: false, _: ["x"] }, {
    boolean: "c",
    alias: { a: "b", b: "c" },
  }],
  ["an alias of an absent boolean flag is false too", "", { bar: false, b: false, _: [] }, {
    boolean: ["bar"],
    alias: { bar: "b" },
  }],
  ["an alias of a string flag keeps its digits", "-s 007", { s: "007", str: "007", _: [] }, {
    string: "str",
    alias: { str: "s" },
  }],

  // Collecting and defaults.
  ["collected flags that were declared are empty arrays when absent", "", { a: [], b: [], _: [] }, {
    string: ["a"],
    boolean: ["b"],
    collect: ["a", "b", "c"],
  }],
  ["every name of a collected flag collects", "-S x --strs y --flag --flag", {
    strs: ["x", "y"],
    S: ["x", "y"],
    flag: [true, true],
    _: [],
  }, { string: ["strs"], collect: ["strs", "flag"], alias: { strs: "S" } }],
  ["a default counts for absent flags, under every name", "--b 2", { a: 1, x: 1, b: 2, _: [] }, {
    default: { a: 1, b: 9 },
    alias: { a: "x" },
  }],
  ["a default may be null, also for a boolean flag", "", { maybe: null, _: [] }, {
    boolean: "maybe",
    default: { maybe: null },
  }],
  ["values are not added to the default of a collected flag", "--foo a", { foo: ["a"], bar: ["z"], _: [] }, {
    collect: ["foo", "bar"],
    default: { foo: ["x"], bar: ["z"] },
  }],

  // Names with dots.
  ["a dotted name is a nested value", "--foo.bar 3 --foo.baz.quux 4 --beep.boop", {
    foo: { bar: 3, baz: { quux: 4 } },
    beep: { boop: true },
    _: [],
  }],
  [
    "defaults, booleans and aliases may have dotted names",
    "",
    { a: { b: 11 }, aa: { bb: 11 }, x: { y: false }, _: [] },
    {
      boolean: ["x.y"],
      default: { "a.b": 11 },
      alias: { "a.b": "aa.bb" },
    },
  ],
  ["flags named like members of Object are flags", "--toString --valueOf foo", {
    toString: true,
    valueOf: "foo",
    _: [],
  }],

  // Stopping early.
  ["parsing can stop at the first word that belongs to no flag", "--aaa bbb ccc --ddd 5", {
    aaa: "bbb",
    _: ["ccc", "--ddd", "5"],
  }, { stopEarly: true }],
];

for (const [states, line, gives, options] of CASES) {
  Deno.test({
    name: `parseArgs: ${states}`,
    permissions: "none",
    fn() {
      const args = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
      assert.deepEqual(parseArgs(args, options), gives);
    },
  });
}

Deno.test({
  name: "parseArgs calls unknown for flags and words that no option names, and drops those it refuses",
  permissions: "none",
  fn() {
    const calls: unknown[][] = [];
    const args = "--str s -b -h x --col 1 --foo.x=3 --bar 5 -q word --no-z".split(" ");
    const result = parseArgs(args, {
      string: ["str"],
      boolean: ["b"],
      collect: ["col"],
      alias: { h: "help" },
      unknown: (...call) => {
        calls.push(call);
        return call[0] === "-q" ? undefined : false;
      },
    });
    assert.deepEqual(calls, [
      ["--foo.x=3", "foo.x", "3"],
      ["--bar", "bar", "5"],
      ["-q", "q", "word"],
      ["--no-z", "no-z", true],
    ]);
    assert.deepEqual(result, { str: "s", b: true, h: "x", help: "x", col: [1], q: "word", _: [] });
    assert.deepEqual(parseArgs(["a", "1", "b"], { unknown: (arg) => arg !== "a" }), { _: [1, "b"] });
  },
});

Deno.test({
  name: "parseArgs with boolean: true calls unknown for no long flag without =",
  permissions: "none",
  fn() {
    const calls: unknown[] = [];
    const unknown = (arg: string) => calls.push(arg) < 0;
    parseArgs(["--honk", "--tacos=good", "cow", "-p", "55"], { boolean: true, unknown });
    assert.deepEqual(calls, ["--tacos=good", "cow", "-p"]);
  },
});

Deno.test({
  name: "parseArgs leaves the prototype of objects and the arguments themselves alone",
  permissions: "none",
  fn() {
    const args = ["--__proto__.polluted", "1", "--a.constructor.prototype.polluted=1", "--__proto__", "x", "--b"];
    const before = [...args];
    const result = parseArgs(args);
    assert.deepEqual(args, before);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
    assert.equal(Object.getPrototypeOf(result), Object.prototype);
    assert.deepEqual(result, { a: {}, b: true, _: [] });
  },
});

Deno.test({
  name: "parseArgs refuses an alias that is undefined and a nested value below a plain one",
  permissions: "none",
  fn() {
    assert.throws(() => parseArgs([], { alias: { a: undefined } }), TypeError);
    assert.throws(() => parseArgs(["--a", "--a.b"]), TypeError);
  },
});

Deno.test({
  name: "@std/cli/parse-args has the same parseArgs",
  permissions: "none",
  fn: () => assert.equal(bySubpath, parseArgs),
});

// The types of the result are part of the documentation too. These lines are judged by `deno check`.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
type Open = { [name: string]: unknown; _: Array<string | number> };

function typesOfResults(names: string[], record: Record<string, unknown>) {
  const untyped = parseArgs([]);
  // deno-lint-ignore no-explicit-any
  true satisfies Same<typeof untyped, { [name: string]: any; _: Array<string | number> }>;

  const plain = parseArgs([], { string: ["port"], boolean: ["verbose"] });
  true satisfies Same<
    typeof plain,
    Open & { port?: string; verbose: boolean } extends infer T ? { [K in keyof T]: T[K] } : 0
  >;

  const all = parseArgs([], {
    string: ["brokers", "port", "file", "topics"],
    boolean: ["help", "colour", "loud"],
    collect: ["brokers", "other", "topics", "loud"],
    negatable: ["file", "colour", "topics"],
    alias: { help: "h", brokers: ["b", "B"] },
    default: { port: 8082, extra: 1 },
    "--": true,
  });
  true satisfies Same<typeof all, {
    [name: string]: unknown;
    _: Array<string | number>;
    "--": Array<string>;
    brokers: string[];
    b: string[];
    B: string[];
    port: string | number;
    file?: string | false;
    help: boolean;
    h: boolean;
    colour: boolean;
    other: unknown[];
    topics: string[] | false;
    loud: boolean[];
    extra: unknown;
  }>;

  const nested = parseArgs([], { string: ["a.b", "a.c.d"], boolean: ["a.c.e", "x.y"], default: { "a.b": 1 } });
  true satisfies Same<typeof nested, {
    [name: string]: unknown;
    _: Array<string | number>;
    a: { b: string | number; c: { d?: string; e: boolean } };
    x: { y: boolean };
  }>;

  const dynamic = parseArgs([], { string: names, boolean: ["help"], default: record });
  true satisfies Same<typeof dynamic._, Array<string | number>>;
  true satisfies Same<typeof dynamic["anything"], unknown>;

  const options: ParseOptions = { string: ["foo"] };
  const loose = parseArgs([], options);
  // deno-lint-ignore no-explicit-any
  true satisfies Same<typeof loose, { [name: string]: any; _: Array<string | number>; "--"?: string[] }>;

  const explicit = parseArgs<{ foo?: number } & { bar: string }, true>([]);
  true satisfies Same<typeof explicit, Args<{ foo?: number; bar: string }, true>>;
  true satisfies Same<typeof explicit, { foo?: number; bar: string; _: Array<string | number>; "--": string[] }>;

  // @ts-expect-error: a flag that may be absent is not always text
  plain.port.length;
  // @ts-expect-error: there is no such option
  parseArgs([], { strings: ["port"] });
}
void typesOfResults;

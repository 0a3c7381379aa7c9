/** How a table of settings is read, on a table of the tests' own. */
import assert from "node:assert/strict";
import { helpText, readSettings, setting, type Sources } from "../settings.ts";
import { mistakesOf, read, TABLE } from "./support/settings_table.ts";

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: "none", fn });
}

test("a flag wins over the environment, that over the .env file, and that over the default", () => {
  const envFile = 'KAFKA_WORD="from file"';
  const env = { KAFKA_WORD: "from env" };
  assert.equal(read().word, "hello");
  assert.equal(read({ envFile }).word, "from file");
  assert.equal(read({ envFile, env }).word, "from env");
  assert.equal(read({ envFile, env, args: ["--word", "from flag"] }).word, "from flag");
});

test("a variable that is set wins over the .env file even where it is wrong", () => {
  assert.match(
    mistakesOf({ envFile: "HTTP_COUNT=6", env: { HTTP_COUNT: "" } }).join(),
    /HTTP_COUNT is "", from the env/,
  );
});

test("what nobody sets is the default, or nothing where there is none", () => {
  const { maybe, on, off, count, limit, mode, items, names, pem, password, start } = read();
  assert.deepEqual({ maybe, on, off, count, limit, mode, items: [...items], names: [...names], pem, password, start }, {
    ...{ maybe: undefined, on: false, off: true, count: 5, limit: undefined, mode: "fast", items: [], names: ["a"] },
    ...{ pem: undefined, password: undefined, start: undefined },
  });
});

/** Kind of setting, texts that are right with what they mean, texts that are wrong. */
const KINDS: [key: keyof typeof TABLE, right: Record<string, unknown>, wrong: string[]][] = [
  ["word", { x: "x", " x ": " x ", "--": "--", "-5": "-5", "名字": "名字" }, [""]],
  ["maybe", { x: "x", "": undefined }, []],
  ["on", { true: true, 1: true, false: false, 0: false }, ["", "maybe", "yes", "on", "TRUE "]],
  ["count", { 1: 1, 10: 10, "007": 7 }, ["", "0", "11", "-5", "5.0", "1e1", "0x5", " 5", "abc", "５"]],
  ["limit", { 3: 3 }, ["0"]],
  ["mode", { fast: "fast", FAST: "fast", slow: "Slow" }, ["", "faster"]],
  ["items", { "": [], "a": ["a"], " a , b,,": ["a", "b"] }, []],
  ["names", { "a,b": ["a", "b"] }, ["", " , "]],
  ["password", { hunter2: "hunter2", "": undefined }, []],
];

for (const [key, right, wrong] of KINDS) {
  test(`"${key}" takes what is right from any source, and refuses the rest`, () => {
    const { name, flag } = TABLE[key];
    for (const [given, meant] of Object.entries(right)) {
      assert.deepEqual(read({ env: { [name]: given } })[key], meant, given);
      assert.deepEqual(read({ envFile: `${name}='${given}'` })[key], meant, given);
      if (flag) assert.deepEqual(read({ args: [`--${flag}=${given}`] })[key], meant, given);
    }
    for (const given of wrong) {
      const from = { env: { [name]: given } };
      assert.equal(mistakesOf(from).length, 1, given);
      assert.match(mistakesOf(from)[0], new RegExp(`^${name} is ".*", from the environment; expected `), given);
      assert.equal(mistakesOf({ args: [`--${flag}=${given}`] }).length, 1, given);
    }
  });
}

test("all mistakes come in one message that names setting, value, source and what was expected", () => {
  const given = {
    args: ["--start", "1", "--elephant", "--count", "99"],
    env: { KAFKA_ON: "perhaps", KAFKA_WORD: "" },
    envFile: "LOG_MODE=medium",
  };
  assert.throws(() => read(given), {
    name: "ConfigError",
    message: `Cannot start: 5 settings are wrong
  --elephant is not known here; expected a flag that --help lists
  KAFKA_WORD is "", from the environment; expected a text that is not empty
  KAFKA_ON is "perhaps", from the environment; expected true or false
  HTTP_COUNT is "99", from --count; expected a whole number from 1 to 10
  LOG_MODE is "medium", from the .env file; expected one of fast, Slow
(--help lists the settings)`,
  });
});

test("an alias stands for its setting; both are fine while they agree", () => {
  assert.equal(read({ env: { KAFKA_WHERE: "there" } }).place, "there");
  assert.equal(read({ envFile: "KAFKA_WHERE=there" }).place, "there");
  assert.equal(read({ env: { KAFKA_WHERE: "there", KAFKA_PLACE: "there" } }).place, "there");
  assert.equal(read({ env: { KAFKA_WHERE: "there", KAFKA_PLACE: "here" }, args: ["--place", "flag"] }).place, "flag");
});

test("a setting and its alias that differ are a mistake that shows both and where they come from", () => {
  assert.deepEqual(mistakesOf({ env: { KAFKA_WHERE: "there" }, envFile: "KAFKA_PLACE=elsewhere" }), [
    'KAFKA_PLACE is "elsewhere", from the .env file, and KAFKA_WHERE is "there", from the environment; expected one of them',
  ]);
});

test("what an alias says wrong is reported under the alias's name", () => {
  const table = { count: { ...TABLE.count, alias: "HTTP_NUMBER" } };
  const wrong = () => readSettings(table, { args: [], envFile: "", env: (n) => ({ HTTP_NUMBER: "x" })[n] }, () => []);
  assert.throws(wrong, /HTTP_COUNT is "x", from HTTP_NUMBER in the environment; expected/);
});

test("no message shows a secret, whichever way it was given", () => {
  const refuse = () => {
    throw new RangeError("hunter2");
  };
  const secret = { password: setting(refuse, ["KAFKA_PASSWORD", undefined, ""], { expected: "a word", secret: true }) };
  const wrong = (sources: Sources) => () => readSettings(secret, { env: () => undefined, ...sources }, () => []);
  assert.throws(wrong({ args: [], envFile: "", env: () => "hunter2" }), {
    mistakes: ["KAFKA_PASSWORD is (secret), from the environment; expected a word"],
  });
  assert.throws(wrong({ args: [], envFile: "KAFKA_PASSWORD=hunter2" }), {
    mistakes: ["KAFKA_PASSWORD is (secret), from the .env file; expected a word"],
  });
  for (const args of [["--password=hunter2"], ["--password", "hunter2"]]) {
    assert.throws(wrong({ args, envFile: "" }), {
      mistakes: [
        "--password would show a secret in the list of processes; expected KAFKA_PASSWORD in the environment",
      ],
    });
  }
  assert.throws(wrong({ args: ["--pasword=hunter2"], envFile: "" }), {
    mistakes: ["--pasword is not known here; expected a flag that --help lists"],
  });
});

test("a setting without a flag that is no secret is shown", () => {
  const table = { count: { ...TABLE.count, flag: undefined } };
  const wrong = () => readSettings(table, { args: [], envFile: "", env: () => "here" }, () => []);
  assert.throws(wrong, /HTTP_COUNT is "here"/);
});

test("control characters in a value cannot move the terminal's cursor", () => {
  assert.deepEqual(mistakesOf({ env: { LOG_MODE: "\x1b[2J\r\n" } }), [
    'LOG_MODE is "\\u001b[2J\\r\\n", from the environment; expected one of fast, Slow',
  ]);
});

test("checks of combinations are reported with the rest, but not about a setting that is wrong by itself", () => {
  const crossCheck = () => ["KAFKA_ON needs HTTP_COUNT", "KAFKA_WORD needs KAFKA_PLACE"];
  const wrong = () => readSettings(TABLE, { args: ["--count=x"], envFile: "", env: () => undefined }, crossCheck);
  assert.throws(wrong, {
    mistakes: ['HTTP_COUNT is "x", from --count; expected a whole number from 1 to 10', "KAFKA_WORD needs KAFKA_PLACE"],
  });
});

test("a check of combinations sees the values, and as set only what has a text", () => {
  let seen: unknown[] = [];
  readSettings(
    TABLE,
    { args: ["--start", "7"], envFile: "", env: (n) => n === "KAFKA_MAYBE" ? "" : undefined },
    (v, isSet) => {
      seen = [v.start, v.word, isSet("--start"), isSet("KAFKA_WORD"), isSet("KAFKA_MAYBE")];
      return [];
    },
  );
  assert.deepEqual(seen, [7, "hello", true, false, false]);
});

test("the result and all that its texts mean cannot be changed", () => {
  const values = read();
  for (const value of [values, values.items, values.names]) assert.ok(Object.isFrozen(value));
  const table = { object: setting((text) => ({ text }), ["KAFKA_OBJECT", "x", ""], { expected: "" }) };
  assert.ok(Object.isFrozen(readSettings(table, { args: [], envFile: "", env: () => undefined }, () => []).object));
});

test("the help has a line for each setting: flag, variable, default, and what it is", () => {
  const lines = helpText(TABLE, "Does things.").split("\n");
  assert.equal(lines[0], "Does things.");
  const rows = lines.slice(lines.findIndex((line) => /^\s+flag\s+environment\s+default$/.test(line)) + 1);
  assert.deepEqual(rows.map((row) => row.trim().split(/\s{2,}/)), [
    ["--word", "KAFKA_WORD", "hello", "a word"],
    ["--maybe", "KAFKA_MAYBE", "-", "perhaps a word"],
    ["--on", "KAFKA_ON", "false", "on or off"],
    ["--off", "KAFKA_OFF", "true", "off or on"],
    ["--count", "HTTP_COUNT", "5", "how many"],
    ["--limit", "HTTP_LIMIT", "-", "at most"],
    ["--log-mode", "LOG_MODE", "fast", "speed"],
    ["--items", "KAFKA_ITEMS", "-", "some"],
    ["--names", "KAFKA_NAMES", "a", "some"],
    ["--pem", "KAFKA_PEM", "-", "a file"],
    ["KAFKA_PASSWORD", "-", "secret word"],
    ["--place", "KAFKA_PLACE", "here", "where (or KAFKA_WHERE)"],
    ["--start", "-", "command line only"],
  ]);
});

Deno.test({
  name: "a file's content is the value, and a file that cannot be read or is empty is a mistake",
  permissions: { read: true, write: true },
  async fn() {
    const path = await Deno.makeTempFile();
    await using _ = { [Symbol.asyncDispose]: () => Deno.remove(path) };
    const env = { KAFKA_PEM: path };
    assert.match(
      mistakesOf({ env }).join(),
      /^KAFKA_PEM is ".+", from the environment; expected the path of a readable PEM/,
    );
    await Deno.writeTextFile(path, "PEM");
    assert.equal(read({ env }).pem, "PEM");
    assert.equal(read({ env: { KAFKA_PEM: "" } }).pem, undefined);
    assert.match(mistakesOf({ env: { KAFKA_PEM: `${path}-not` } }).join(), /expected the path of .* \(No such file/);
    assert.match(mistakesOf({ env: { KAFKA_PEM: "/" } }).join(), /expected the path of .* \(Is a directory/);
  },
});

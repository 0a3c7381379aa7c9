/** How the command line is read: flags, their values, switches, and what belongs to none of them. */
import assert from "node:assert/strict";
import { mistakesOf, read } from "./support/settings_table.ts";

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: "none", fn });
}

test("a flag's value follows it after a space or an equals sign, also when it is below zero or empty", () => {
  assert.equal(read({ args: ["--start=-5"] }).start, -5);
  assert.equal(read({ args: ["--start", "-5"] }).start, -5);
  assert.equal(read({ args: ["--start", "-5", "--word", "x"] }).word, "x");
  assert.equal(read({ args: ["--word", "a=b"] }).word, "a=b");
  assert.equal(read({ args: ["--word=a=b"] }).word, "a=b");
  assert.match(mistakesOf({ args: ["--word", "", "--on"] }).join(), /^KAFKA_WORD is "", from --word;/);
  assert.match(
    mistakesOf({ args: ["--word", "", "extra"] }).join("\n"),
    /^extra is not known here.*\nKAFKA_WORD is ""/,
  );
});

test("a flag without its value is a mistake", () => {
  for (const args of [["--count"], ["--count", "--on"], ["--word"], ["--word="]]) {
    assert.match(mistakesOf({ args }).join(), /is "", from --(count|word); expected/, args.join(" "));
  }
});

test("a switch is turned on by its flag and off by --no- before it, or takes true and false", () => {
  const cases: Record<string, [on: boolean, off: boolean]> = {
    "--on": [true, true],
    "--no-on": [false, true],
    "--no-off": [false, false],
    "--on=true --off=false": [true, false],
    "--on=1 --off=0": [true, false],
    "--on true": [true, true],
    "--off false --on": [true, false],
  };
  for (const [line, [on, off]] of Object.entries(cases)) {
    const values = read({ args: line.split(" ") });
    assert.deepEqual([values.on, values.off], [on, off], line);
  }
});

test("a switch with any other text is a mistake", () => {
  const cases: Record<string, RegExp> = {
    "--on=maybe": /^KAFKA_ON is "maybe", from --on; expected true or false$/,
    "--on=": /^KAFKA_ON is "", from --on;/,
    "--on=a\nb": /^KAFKA_ON is "a\\nb", from --on;/,
    "--no-on=true": /^KAFKA_ON is "--no-on=true", from --on;/,
    "--on maybe": /^maybe is not known here/,
    "--no-count": /^--no-count is not known here/,
  };
  for (const [line, expected] of Object.entries(cases)) {
    const mistakes = mistakesOf({ args: line.split(" ") });
    assert.equal(mistakes.length, 1, line);
    assert.match(mistakes[0], expected, line);
  }
});

test("a flag that is given twice is one mistake, unless it may be repeated", () => {
  const twice = ["--word a --word b", "--count=1 --count=20", "--on --on", "--on --no-on", "--on=true --no-on"];
  for (const line of twice) {
    const mistakes = mistakesOf({ args: line.split(" ") });
    assert.deepEqual(mistakes, [`${line.match(/--\w+/)} is given 2 times; expected once`], line);
  }
  assert.deepEqual([...read({ args: ["--names", "a,b", "--names=c"] }).names], ["a", "b", "c"]);
});

test("an unknown flag is a mistake, with the known one that was probably meant", () => {
  const cases: Record<string, string> = {
    "--wrod x": "--wrod is not known here, did you mean --word?",
    "--coun=5": "--coun is not known here, did you mean --count?",
    "--counter 5": "--counter is not known here, did you mean --count?",
    "--cout 5": "--cout is not known here, did you mean --count?",
    "--elephant": "--elephant is not known here;",
    "-x": "-x is not known here;",
    "-abc": "-abc is not known here;",
    "--__proto__=x": "--__proto__ is not known here;",
    "--constructor": "--constructor is not known here;",
  };
  for (const [line, expected] of Object.entries(cases)) {
    const mistakes = mistakesOf({ args: line.split(" ") });
    assert.equal(mistakes.length, 1, mistakes.join("\n"));
    assert.ok(mistakes[0].startsWith(expected), mistakes[0]);
    assert.match(mistakes[0], /; expected a flag that --help lists$/);
  }
});

test("a word that belongs to no flag is a mistake, wherever it stands", () => {
  for (const args of [["word"], ["--on", "word"], ["word", "--on"], ["--on", "--", "word"], ["12"]]) {
    assert.match(mistakesOf({ args }).join(), /^(word is not known here, did you mean --word|12 is not known here;)/);
  }
});

test("a first -- is passed over, as npm's users write it", () => {
  assert.equal(read({ args: ["--", "--word", "x"] }).word, "x");
});

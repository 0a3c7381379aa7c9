import assert from "node:assert/strict";
import { ConfigError } from "../../errors.ts";
import { configFor } from "./consumer_test_util.ts";

function config(...args: string[]) {
  return configFor("localhost:9092", args);
}

for (
  const [text, expected] of [
    ["beginning", { at: "beginning" }],
    ["end", { at: "end" }],
    ["committed", { at: "committed" }],
    ["offset:12", { at: "offset", offset: 12 }],
    ["-5", { at: "last", records: 5 }],
    ["time:2026-05-01T12:00:00Z", { at: "time", time: Date.UTC(2026, 4, 1, 12) }],
  ] as const
) {
  Deno.test(`--from ${text} is a place`, () => {
    assert.deepEqual(config("--from", text).from, expected);
  });
}

for (const text of ["", "5", "offset:", "offset:-1", "offset:1x", "-", "--5", "time:", "time:noon", "start"]) {
  Deno.test(`--from ${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => config(`--from=${text}`), ConfigError);
  });
}

Deno.test("combinations that would do something else than was meant are refused", () => {
  for (
    const args of [
      ["--group", "none", "--from", "committed"],
      ["--partition", "1"],
      ["--json", "--format", "%s"],
      ["--json", "--handler", "./x.ts"],
      ["--grep", "("],
      ["--partition", "a", "--group", "none"],
    ]
  ) assert.throws(() => config(...args), ConfigError, args.join(" "));
  assert.deepEqual(config("--partition", "1", "--partition", "2", "--group", "none").partitions, [1, 2]);
});

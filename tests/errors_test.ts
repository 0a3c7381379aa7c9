/** The errors that callers catch, and the way to what went wrong. */
import assert from "node:assert/strict";
import { ConfigError, DeliveryError, rootCause } from "../errors.ts";

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: "none", fn });
}

test("a ConfigError names one mistake as one, and several by their number, each on its line", () => {
  assert.equal(
    new ConfigError(["a is 1"]).message,
    "Cannot start: a setting is wrong\n  a is 1\n(--help lists the settings)",
  );
  const several = new ConfigError(["a is 1", "b is 2"]);
  assert.equal(several.message, "Cannot start: 2 settings are wrong\n  a is 1\n  b is 2\n(--help lists the settings)");
  assert.deepEqual(several.mistakes, ["a is 1", "b is 2"]);
  assert.equal(several.name, "ConfigError");
});

test("a DeliveryError keeps its reason, Kafka's code and its cause", () => {
  const cause = new Error("reset");
  const error = new DeliveryError("timed-out", "gone", { code: 7, cause });
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.failure, error.message, error.code, error.cause], [
    ...["DeliveryError", "timed-out", "gone", 7, cause],
  ]);
  assert.equal(new DeliveryError("closing", "closed").code, undefined);
});

test("the root cause is the innermost error's message, or the text of what is no error", () => {
  const inner = new Error("ECONNREFUSED");
  assert.equal(rootCause(new Error("a", { cause: new TypeError("b", { cause: inner }) })), "ECONNREFUSED");
  assert.equal(rootCause(inner), "ECONNREFUSED");
  assert.equal(rootCause(new AggregateError([inner, new Error("other")], "several")), "ECONNREFUSED");
  assert.equal(rootCause(new AggregateError([], "none of them")), "none of them");
  assert.equal(rootCause(new Error("a", { cause: "not an error" })), "a");
  assert.equal(rootCause("text"), "text");
  assert.equal(rootCause(undefined), "undefined");
});

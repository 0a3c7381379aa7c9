/** The tutorial's random names. */
import assert from "node:assert/strict";
import { randomName } from "../names.ts";

Deno.test({
  name: "a name is Chinese: a family name and a given name, two to four characters, and rarely the same twice",
  permissions: "none",
  fn() {
    const names = Array.from({ length: 1_000 }, randomName);
    for (const name of names) assert.match(name, /^\p{Script=Han}{2,4}$/u);
    assert.ok(new Set(names).size > 500, `${new Set(names).size} different names of 1000`);
  },
});

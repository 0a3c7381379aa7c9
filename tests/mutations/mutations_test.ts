import assert from "node:assert/strict";
import { join } from "node:path";
import { MUTATIONS } from "./mutations.ts";

const ROOT = join(import.meta.dirname!, "..", "..");

Deno.test({
  name: "every deliberate mistake can still be made, and is one",
  permissions: { read: true },
  fn() {
    for (const { name, file, from, to, tests } of MUTATIONS) {
      assert.equal(Deno.readTextFileSync(join(ROOT, file)).split(from).length - 1, 1, `${name}: ${file} has changed`);
      assert.notEqual(from, to, name);
      for (const test of tests) assert.ok(Deno.statSync(join(ROOT, test)), name);
    }
  },
});

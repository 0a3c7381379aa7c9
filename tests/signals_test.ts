/** What a real process does with real signals. */
import assert from "node:assert/strict";
import { type Script, startScript } from "./support/wait.ts";

/** Says when it is asked to stop, and again when the echo of that signal can no longer come. Then it goes on. */
const STOPPABLE = `
  import { stopSignal } from "${new URL("../signals.ts", import.meta.url)}";
  const signal = stopSignal();
  signal.addEventListener("abort", () => {
    console.log("asked:", signal.reason.message);
    setTimeout(() => console.log("the echo is over"), 300);
  });
  setInterval(() => {}, 1000);
  console.log("ready");
`;

async function stoppable(): Promise<Script> {
  const script = startScript(["eval", "--no-lock", STOPPABLE]);
  await script.line(/^ready$/);
  return script;
}

for (const name of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `the first ${name} asks to stop, and the next one ends the process at once with code 130`,
    permissions: { run: true, env: true, read: true },
    async fn() {
      await using script = await stoppable();
      script.signal(name);
      await script.line(/^asked: asked to stop$/);
      await script.line(/^the echo is over$/);
      script.signal(name);
      assert.equal((await script.exit).code, 130);
    },
  });
}

Deno.test({
  name: "a Ctrl-C that arrives twice, as under deno task, asks once and leaves the time to stop in order",
  permissions: { run: true, env: true, read: true },
  async fn() {
    await using script = await stoppable();
    script.signal("SIGINT");
    script.signal("SIGTERM");
    await script.line(/^the echo is over$/);
    assert.equal(script.stdoutLines.filter((line) => line.startsWith("asked")).length, 1);
  },
});

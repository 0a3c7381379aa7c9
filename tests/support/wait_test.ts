import assert from "node:assert/strict";
import { freePort, seededRandom, startScript, waitFor } from "./wait.ts";

Deno.test("waitFor returns what the condition returned", async () => {
  let asked = 0;
  assert.equal(await waitFor(() => ++asked === 3 && "yes", { what: "three" }), "yes");
});

Deno.test("waitFor says what it waited for, and why the condition failed", async () => {
  const options = { what: "the moon", timeout: 50 };
  await assert.rejects(waitFor(() => false, options), /waited 50 ms for the moon, in vain/);
  const failing = waitFor(() => Promise.reject(new Error("cloudy")), options);
  await assert.rejects(failing, { cause: new Error("cloudy") });
});

Deno.test("waitFor ends while its condition still waits", async () => {
  const { promise } = Promise.withResolvers<boolean>();
  await assert.rejects(waitFor(() => promise, { what: "nothing", timeout: 50 }), /50 ms/);
});

Deno.test("waitFor ends when its signal aborts", async () => {
  const controller = new AbortController();
  const waiting = waitFor(() => false, { what: "nothing", signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

Deno.test("a free port can be listened on", () => {
  const port = freePort();
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("random numbers are the same for the same seed, and spread evenly", () => {
  const draw = (seed: number) => {
    const { next } = seededRandom(seed);
    return Array.from({ length: 10_000 }, next);
  };
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  for (const seed of [0, 1, 2, 12345]) {
    const tenths = Object.groupBy(draw(seed), (it) => Math.floor(10 * it));
    for (let i = 0; i < 10; i++) {
      const count = tenths[i]!.length;
      assert.ok(count > 850 && count < 1150, `seed ${seed}: ${count} of 10,000 in tenth ${i}`);
    }
  }
});

Deno.test("random picks reach both ends and nothing beyond", () => {
  const random = seededRandom(1);
  const dice = Array.from({ length: 500 }, () => random.integer(1, 6));
  assert.deepEqual([...new Set(dice)].sort(), [1, 2, 3, 4, 5, 6]);
  const picks = Array.from({ length: 100 }, () => random.pick(["a", "b"]));
  assert.deepEqual([...new Set(picks)].sort(), ["a", "b"]);
  const halves = Array.from({ length: 100 }, () => random.between(1.5, 2));
  assert.ok(halves.every((it) => it >= 1.5 && it < 2));
});

/** Runs a line of TypeScript in a process of its own. */
function run(code: string, options?: Parameters<typeof startScript>[1]) {
  return startScript(["eval", "--no-config", code], options);
}

Deno.test("a script's lines are kept and can be awaited, past or to come", async () => {
  await using script = run(`
    console.log("one"); console.error("two");
    setTimeout(() => Deno.stdout.write(new TextEncoder().encode("three 3")), 100);
  `);
  assert.equal((await script.line(/three (\d)/))[1], "3");
  assert.equal((await script.line(/^one$/))[0], "one");
  assert.equal((await script.exit).code, 0);
  assert.deepEqual(script.stdoutLines, ["one", "three 3"]);
  assert.deepEqual(script.stderrLines, ["two"]);
});

Deno.test("a script gets its settings from the test alone", async () => {
  Deno.env.set("KAFKA_OF_THE_DEVELOPER", "x");
  await using script = run(`console.log(Deno.env.get("KAFKA_OF_THE_DEVELOPER"), Deno.env.get("KAFKA_OURS"));`, {
    env: { KAFKA_OURS: "1" },
  });
  Deno.env.delete("KAFKA_OF_THE_DEVELOPER");
  await script.line(/^undefined 1$/);
});

Deno.test("a script reads what is written to it", async () => {
  await using script = run(`console.log("got", await new Response(Deno.stdin.readable).text());`);
  await script.write("some text");
  await script.closeInput();
  await script.line(/got some text/);
});

Deno.test("waiting for a line fails with the output when the script ends first, or in time", async () => {
  await using ended = run(`console.error("a reason"); Deno.exit(3);`);
  await assert.rejects(ended.line(/never/), /ended \(code 3, signal null\) without a line like \/never\/.*\na reason/);
  await using silent = run(`console.log("started"); setInterval(() => {}, 1000);`);
  await silent.line(/started/);
  await assert.rejects(silent.line(/never/, { timeout: 50 }), /waited 50 ms .*never.* ends with:\nstarted/);
});

Deno.test("a script can be signalled, stopped, and is killed when disposed", async () => {
  const code = `Deno.addSignalListener("SIGTERM", () => console.log("term")); setInterval(() => {}, 1000);
    console.log("up");`;
  const script = run(code);
  await script.line(/up/);
  script.signal("SIGTERM");
  await script.line(/term/);
  script.signal("SIGSTOP");
  await script[Symbol.asyncDispose]();
  assert.equal((await script.exit).signal, "SIGKILL");
});

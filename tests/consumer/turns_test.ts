import assert from "node:assert/strict";
import { Turns } from "../../consumer/turns.ts";

function work(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

Deno.test("handlers that are slow let others run after each call", async () => {
  const turns = new Turns();
  for (let i = 0; i < 5; i++) {
    work(60);
    assert.equal(turns.due, true);
    await turns.give();
  }
});

Deno.test("handlers that were quick and become slow let others run after a few calls, then after each", async () => {
  const turns = new Turns();
  for (let i = 0; i < 10_000; i++) if (turns.due) await turns.give();
  let calls = 1;
  for (work(60); !turns.due; work(60)) calls++;
  assert.ok(calls <= 16, `${calls} calls`);
  await turns.give();
  work(60);
  assert.equal(turns.due, true);
});

Deno.test("others have their turn before it is given back", async () => {
  let ran = false;
  setTimeout(() => ran = true, 0);
  work(5);
  await new Turns().give();
  assert.ok(ran);
});

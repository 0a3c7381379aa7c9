import assert from "node:assert/strict";
import { DeliveryError } from "../../errors.ts";
import { notWritten, outcomeUnknown } from "../../http/errors.ts";
import { HttpError } from "../../http/errors.ts";
import { IdempotentAnswers } from "../../http/idempotency.ts";

const unit = { permissions: "none" } as const;
const request = (body: string, scope = "s") => ({ scope, content: [new TextEncoder().encode(body)] });

function setUp() {
  const answers = new IdempotentAnswers();
  let calls = 0;
  const run = (key: string, body: string, answer?: () => Promise<Response>, scope?: string) =>
    answers.run(key, request(body, scope), answer ?? (() => Promise.resolve(Response.json({ call: ++calls }))));
  return { run, calls: () => calls };
}

Deno.test("the same key and body get the first answer, and nothing is done again", unit, async () => {
  const { run, calls } = setUp();
  const first = await run("k", "a");
  const again = await run("k", "a");
  assert.deepEqual(await first.json(), { call: 1 });
  assert.deepEqual(await again.json(), { call: 1 });
  assert.equal(first.headers.get("idempotent-replayed"), null);
  assert.equal(again.headers.get("idempotent-replayed"), "true");
  assert.equal(again.headers.get("content-type"), first.headers.get("content-type"));
  assert.equal(calls(), 1);
});

Deno.test("another key, or the same key elsewhere, is another request", unit, async () => {
  const { run, calls } = setUp();
  await run("k", "a");
  await run("l", "a");
  await run("k", "a", undefined, "other");
  assert.equal(calls(), 3);
});

Deno.test("the same key with another body is refused", unit, async () => {
  const { run, calls } = setUp();
  await run("k", "a");
  await assert.rejects(run("k", "b"), { name: "HttpError", status: 422 });
  assert.equal(calls(), 1);
});

Deno.test("while the first is at work, the second is told to wait", unit, async () => {
  const { run } = setUp();
  const { promise, resolve } = Promise.withResolvers<Response>();
  const first = run("k", "a", () => promise);
  await assert.rejects(
    run("k", "a"),
    (error: HttpError) => error.status === 409 && error.headers["retry-after"] === "1",
  );
  resolve(Response.json("done"));
  assert.equal(await (await first).json(), "done");
  assert.equal(await (await run("k", "a")).json(), "done");
});

Deno.test(
  "what was not written may be tried again with its key; what may have been written may not",
  unit,
  async () => {
    const { run, calls } = setUp();
    const fail = (error: HttpError) => () => Promise.reject(error);
    await assert.rejects(run("k", "a", fail(notWritten(new DeliveryError("kafka", "down")))), { status: 503 });
    assert.equal((await run("k", "a")).status, 200);
    await assert.rejects(run("l", "a", fail(outcomeUnknown(new DeliveryError("timed-out", "late")))), { status: 504 });
    const again = await run("l", "a");
    assert.equal(again.status, 504);
    assert.equal((await again.json()).error_code, 50401);
    assert.equal(calls(), 1);
  },
);

Deno.test("keys that are none are refused", unit, async () => {
  const { run } = setUp();
  for (const key of ["", "a b", "x".repeat(256), "\u00e9"]) await assert.rejects(run(key, "a"), { status: 400 });
});

Deno.test("memory is bounded: the oldest answers are forgotten first", unit, async () => {
  const { run, calls } = setUp();
  const big = () => Promise.resolve(new Response("x".repeat(1 << 20)));
  await run("small", "a");
  for (let i = 0; i < 20; i++) await run(`big-${i}`, "a", big);
  await run("last", "a");
  await run("small", "a");
  assert.equal(calls(), 3); // "small" was done twice, "last" once
});

Deno.test("a request at work is not forgotten, however many come after it", unit, async () => {
  const { run, calls } = setUp();
  const { promise, resolve } = Promise.withResolvers<Response>();
  const slow = run("slow", "a", () => promise);
  for (let i = 0; i < 10_100; i++) await run(`quick-${i}`, "a");
  await assert.rejects(run("slow", "a"), { status: 409 });
  resolve(new Response("done"));
  await slow;
  assert.equal(await (await run("slow", "a")).text(), "done");
  assert.equal(calls(), 10_100);
});

Deno.test("an answer comes again with its media type, which nobody has looked at before", unit, async () => {
  const { run } = setUp();
  const headers = { "content-type": "application/json" };
  const answer = () => Promise.resolve(new Response("{}", { headers }));
  const first = await run("k", "a", answer);
  const again = await run("k", "a", answer);
  assert.equal(again.headers.get("content-type"), "application/json");
  assert.equal(first.headers.get("content-type"), "application/json");
  assert.deepEqual([await first.text(), await again.text()], ["{}", "{}"]);
});

Deno.test("an answer is forgotten after ten minutes, not before", unit, async () => {
  const { run, calls } = setUp();
  const { now } = Date;
  try {
    await run("k", "a");
    Date.now = () => now() + 590_000;
    await run("k", "a");
    assert.equal(calls(), 1);
    Date.now = () => now() + 610_000;
    await run("k", "a");
    assert.equal(calls(), 2);
  } finally {
    Date.now = now;
  }
});

import assert from "node:assert/strict";
import { FakeClient, startFakeBroker } from "./frame_peers.ts";
import { partsOf } from "./kafka_errors.ts";
import { decode, outcomes, PRODUCE, produced, request } from "./kafkajs_codec.ts";
import { startProxy } from "./proxy.ts";
import { waitFor } from "./wait.ts";

/** A broker for Produce, behind a proxy, and a client before it. */
async function producing() {
  const stack = new AsyncDisposableStack();
  const broker = stack.use(startFakeBroker(produced));
  const proxy = stack.use(await startProxy({ target: broker }));
  const client = stack.use(await FakeClient.connect(proxy.port));
  return {
    broker,
    proxy,
    async send(): Promise<Record<string, string>> {
      const it = await request("Produce", 7, PRODUCE);
      const before = client.frames.length;
      await client.send(it.frame);
      await waitFor(() => client.frames.length > before, { what: "an answer" });
      return outcomes(await decode(it, client.frames[before]));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("a Produce that is refused is not forwarded", async () => {
  await using test = await producing();
  const action = { do: "error", code: 6, forward: false } as const;
  const rule = test.proxy.rule({ api: "Produce", times: 1, action });
  const error = "6 at -1";
  assert.deepEqual(await test.send(), { a0: error, a1: error, b0: error });
  assert.equal(rule.hits, 1);
  assert.equal(test.broker.requests.length, 0);
  assert.equal((await test.send()).a0, "0 at 7");
});

Deno.test("a Produce refused for one partition is forwarded without it", async () => {
  await using test = await producing();
  const action = { do: "error", code: 19, forward: false } as const;
  test.proxy.rule({ api: "Produce", topic: "a", partition: 0, action });
  assert.deepEqual(await test.send(), {
    a0: "19 at -1",
    a1: "0 at 7",
    b0: "0 at 7",
  });
  const [forwarded] = test.broker.requests;
  assert.deepEqual(partsOf(forwarded).map((it) => it.topic + it.partition), ["a1", "b0"]);
  const { frame } = forwarded;
  assert.ok(frame.includes("a1") && frame.includes("b0"));
  assert.ok(!frame.includes("a0"));
});

Deno.test("a Produce that is forwarded and answered with an error was done", async () => {
  await using test = await producing();
  const action = { do: "error", code: 45, forward: true } as const;
  test.proxy.rule({ api: "Produce", partition: 0, action });
  assert.deepEqual(await test.send(), {
    a0: "45 at -1",
    a1: "0 at 7",
    b0: "45 at -1",
  });
  assert.equal(partsOf(test.broker.requests[0]).length, 3);
});

import assert from "node:assert/strict";
import { Client, requestBytes } from "../../bench/http_client.ts";
import { openLoop, wallClock } from "../../bench/open_loop.ts";

const LOAD = { contentType: "application/json", body: "{}" };

/** A server that answers at once, but for a while does not answer at all. */
function startStallingServer({ after, stallMs }: { after: number; stallMs: number }) {
  let requests = 0;
  let goesOn: Promise<void> | undefined;
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    if (++requests === after) goesOn = new Promise((resolve) => setTimeout(resolve, stallMs));
    await goesOn;
    return new Response("ok");
  });
}

Deno.test("requests that should have been sent while a server is stuck count with the time they had to wait", async () => {
  const [rate, seconds, stallMs] = [500, 1, 400];
  await using server = startStallingServer({ after: 100, stallMs });
  const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
  // With two connections only two requests can meet the stall. It hits 200 of 500 all the same.
  using clients = new DisposableStack();
  const senders = [1, 2].map(() => {
    const client = clients.use(new Client(url));
    return async () => void await client.send(requestBytes(url, LOAD));
  });

  const { count, answered } = await openLoop({ rate, seconds, senders });

  assert.deepEqual([count, answered.count], [rate * seconds, rate * seconds]);
  assert.ok(answered.at(0.99) > stallMs * 0.8, `p99 is ${answered.at(0.99)} ms; expected nearly all of the stall`);
  assert.ok(answered.at(0.75) > stallMs * 0.2, `p75 is ${answered.at(0.75)} ms; expected a part of the stall`);
});

Deno.test("requests are sent when they are due, each at its own time and none before", async () => {
  const [rate, seconds] = [1_000, 0.3];
  const due: number[] = [];
  const early: number[] = [];
  const sender = (at: number) => {
    due.push(at);
    if (wallClock() < at) early.push(at - wallClock());
    return Promise.resolve();
  };

  const { late } = await openLoop({ rate, seconds, senders: [sender, sender, sender] });

  assert.equal(due.length, 300);
  const steps = due.map((at, i) => Math.round((at - due[0] - i * 1_000 / rate) * 1_000));
  assert.ok(steps.every((step) => step === 0), "they are a thousandth of a second apart");
  // Clocks of two threads are the same to some microseconds.
  assert.deepEqual(early.filter((ms) => ms > 0.1), []);
  assert.ok(late.count > 0);
});

Deno.test("a sender that fails ends the load", async () => {
  const failing = () => Promise.reject(new Error("refused"));
  await assert.rejects(openLoop({ rate: 1_000, seconds: 0.05, senders: [failing] }), /refused/);
});

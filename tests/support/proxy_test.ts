import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import { FakeClient, requestFrame, startFakeBroker } from "./frame_peers.ts";
import { startProxy } from "./proxy.ts";
import { answersAre, endOf, faultsOf, setUp } from "./proxy_test_util.ts";
import { freePort, waitFor } from "./wait.ts";

Deno.test("the proxy passes frames on, however they are cut up", async () => {
  await using test = await setUp();
  const { client, proxy, broker, rule } = test;
  const bytes = Buffer.concat([2, 3].map((id) => requestFrame({ id })));
  for (const byte of bytes) await client.send(Uint8Array.of(byte));
  await client.send(Buffer.concat([4, 5].map((id) => requestFrame({ id }))));
  await answersAre(client, [1, 2, 3, 4, 5].map((id) => `echo ${id}`));
  assert.equal(broker.requests.length, 5);
  assert.equal(rule.hits, 4);
  assert.deepEqual(proxy.stats, {
    connections: { open: 1, total: 1 },
    requests: { Metadata: 5 },
    faults: [],
  });
});

Deno.test("the proxy passes on 8 MB responses unchanged", async () => {
  const body = Buffer.alloc(8_000_000, "0123456789");
  await using broker = startFakeBroker(() => body);
  await using proxy = await startProxy({ target: broker });
  await using client = await FakeClient.connect(proxy.port);
  await client.ask(1);
  await waitFor(() => client.frames.length > 0, { what: "8 MB" });
  assert.ok(client.frames[0].subarray(8).equals(body));
});

Deno.test("a dropped response is lost, its request done, and the connection goes on", async () => {
  await using test = await setUp({
    times: 1,
    action: { do: "drop", at: "response" },
  });
  const { client, broker, proxy, rule } = test;
  await client.ask(2);
  await rule.hit();
  await client.ask(3);
  await answersAre(client, ["echo 1", "echo 3"]);
  assert.deepEqual(broker.requests.map((it) => it.correlationId), [1, 2, 3]);
  assert.deepEqual(faultsOf(proxy), ["Metadata 2: drop response"]);
});

Deno.test("a dropped request does not reach the broker", async () => {
  await using test = await setUp({
    times: 1,
    action: { do: "drop", at: "request" },
  });
  const { client, broker } = test;
  await client.ask(2);
  await client.ask(3);
  await answersAre(client, ["echo 1", "echo 3"]);
  assert.deepEqual(broker.requests.map((it) => it.correlationId), [1, 3]);
});

for (const at of ["request", "response"] as const) {
  Deno.test(`a held ${at} holds up those behind it until it is released`, async () => {
    await using test = await setUp({ times: 1, action: { do: "hold", at } });
    const { client, broker, proxy, rule } = test;
    await client.ask(2);
    await rule.hit();
    await client.ask(3);
    await using other = await FakeClient.connect(proxy.port);
    await other.ask(9);
    await answersAre(other, ["echo 9"]); // other connections are not held up
    assert.deepEqual(client.answers, ["echo 1"]);
    const reached = broker.requests.map((it) => it.correlationId);
    assert.equal(reached.includes(2), at === "response");
    rule.release();
    await answersAre(client, ["echo 1", "echo 2", "echo 3"]);
  });

  Deno.test(`a delayed ${at} takes that much longer`, async () => {
    const action = { do: "delay", at, ms: 150, jitter: 50 } as const;
    await using test = await setUp({ times: 1, action });
    const { client } = test;
    const start = performance.now();
    await client.ask(2);
    await answersAre(client, ["echo 1", "echo 2"]);
    const took = performance.now() - start;
    assert.ok(took >= 99, `took ${took} ms`);
  });

  for (const ending of ["rst", "fin"] as const) {
    Deno.test(`a connection cut before a ${at} ends with ${ending}`, async () => {
      await using test = await setUp({
        action: { do: "cut", at, with: ending },
      });
      const { client, broker, proxy } = test;
      await client.ask(2);
      assert.equal(await endOf(client), ending);
      assert.deepEqual(client.answers, ["echo 1"]);
      await waitFor(() => broker.ends.length > 0, { what: "the broker's end" });
      assert.equal(broker.requests.length, at === "request" ? 1 : 2);
      assert.equal(broker.ends[0].rest.length, 0);
      await waitFor(() => proxy.stats.connections.open === 0, { what: "end" });
    });

    Deno.test(`a connection cut inside a ${at} ends with ${ending} after those bytes`, async () => {
      await using test = await setUp({
        action: { do: "cut", at, with: ending, bytes: 7 },
      });
      const { client, broker } = test;
      await client.ask(2);
      assert.equal(await endOf(client), ending);
      await waitFor(() => broker.ends.length > 0, { what: "the broker's end" });
      const [inside, other] = at === "request"
        ? [broker.ends[0].rest, client.rest]
        : [client.rest, broker.ends[0].rest];
      assert.equal(inside.length, 7);
      assert.equal(other.length, 0);
    });
  }
}

Deno.test("a node:net client sees the bytes before a reset, then ECONNRESET", async () => {
  await using broker = startFakeBroker(() => Buffer.alloc(4_000_000));
  await using proxy = await startProxy({ target: broker });
  proxy.rule({
    action: { do: "cut", at: "response", with: "rst", bytes: "half" },
  });
  const socket = net.connect(proxy.port, "127.0.0.1");
  let bytes = 0;
  socket.on("data", (chunk) => bytes += chunk.length);
  const ended = new Promise<string>((resolve) => {
    socket.on("end", () => resolve("FIN"));
    socket.on("error", (error) => resolve((error as { code?: string }).code!));
  });
  socket.write(requestFrame({ id: 1 }));
  assert.equal(await ended, "ECONNRESET");
  assert.equal(bytes, 2_000_004);
  socket.destroy();
});

Deno.test("a rule acts as often as asked, after as many as asked, on what it is for", async () => {
  await using test = await setUp({
    api: ["Metadata", "Heartbeat"],
    skip: 1,
    times: 2,
    when: ({ correlationId }) => correlationId !== 3,
    action: { do: "drop", at: "response" },
  });
  const { client, rule } = test;
  await client.send(requestFrame({ id: 99, key: 12 })); // skipped
  await client.send(requestFrame({ id: 2, key: 10 })); // another type
  for (const id of [3, 4, 5, 6]) await client.ask(id);
  await rule.hit(2);
  await answersAre(
    client,
    [1, 99, 2, 3, 6].map((id) => `echo ${id}`),
  );
});

Deno.test("only responses of a minimal size count for a rule that says so", async () => {
  await using broker = startFakeBroker(({ correlationId }) => Buffer.alloc(correlationId));
  await using proxy = await startProxy({ target: broker });
  await using client = await FakeClient.connect(proxy.port);
  const action = { do: "drop", at: "response" } as const;
  const rule = proxy.rule({ responseBytes: 100, times: 1, action });
  for (const id of [10, 200, 300]) await client.ask(id);
  await answersAre(client, [10, 300].map((size) => "\0".repeat(size)));
  assert.equal(rule.hits, 1);
});

Deno.test("a rule with a chance acts on that share, the same for the same seed", async () => {
  await using broker = startFakeBroker();
  const runs = [];
  for (const seed of [7, 7, 8]) {
    await using proxy = await startProxy({ target: broker, seed });
    await using client = await FakeClient.connect(proxy.port);
    const action = { do: "drop", at: "response" } as const;
    const rule = proxy.rule({ chance: 0.25, action });
    for (let id = 0; id < 200; id++) await client.ask(id);
    const sum = () => client.answers.length + rule.hits;
    await waitFor(() => sum() === 200, { what: "200 answered or dropped" });
    assert.ok(rule.hits > 25 && rule.hits < 75, `${rule.hits} hits`);
    runs.push(client.answers.join());
  }
  assert.equal(runs[0], runs[1]);
  assert.notEqual(runs[0], runs[2]);
});

Deno.test("a disposed rule acts no more, and lets go of what it held", async () => {
  const hold = { do: "hold", at: "response" } as const;
  await using test = await setUp({ action: hold });
  const { client, rule } = test;
  await client.ask(2);
  await rule.hit();
  const third = assert.rejects(
    rule.hit(3),
    /hit 3 .*had 1: the rule has ended/,
  );
  rule[Symbol.dispose]();
  await third;
  await client.ask(3);
  await answersAre(client, ["echo 1", "echo 2", "echo 3"]);
});

Deno.test("waiting for a hit that does not come ends with an error", async () => {
  await using test = await setUp({
    api: "Produce",
    action: { do: "drop", at: "request" },
  });
  await assert.rejects(
    test.rule.hit(1, { timeout: 30 }),
    /hit 1 of the rule Produce: drop request, had 0: 30 ms passed/,
  );
});

Deno.test("an answer of the proxy's own comes after those that were asked before", async () => {
  const { promise: mayAnswer, resolve } = Promise.withResolvers<void>();
  await using broker = startFakeBroker(async ({ correlationId }) => {
    await mayAnswer;
    return Buffer.from(`echo ${correlationId}`);
  });
  await using proxy = await startProxy({ target: broker });
  await using client = await FakeClient.connect(proxy.port);
  const own = proxy.rule({
    when: ({ correlationId }) => correlationId >= 2,
    action: { do: "answer", body: () => Buffer.from("own") },
  });
  for (const id of [1, 2, 3]) await client.ask(id);
  await own.hit(2);
  assert.deepEqual(client.answers, []);
  resolve();
  await answersAre(client, ["echo 1", "own", "own"]);
  await client.ask(4);
  await answersAre(client, ["echo 1", "own", "own", "own"]);
  assert.equal(broker.requests.length, 1);
});

Deno.test("a rewritten response has the new body", async () => {
  await using test = await setUp({
    action: {
      do: "rewrite",
      body: (body, { api }) => Buffer.from(`${api} not ${body}`),
    },
  });
  await test.client.ask(2);
  await answersAre(test.client, ["echo 1", "Metadata not echo 2"]);
});

Deno.test("the proxy frees its port and ends its connections when disposed", async () => {
  const port = freePort();
  await using broker = startFakeBroker();
  const proxy = await startProxy({ target: broker, port });
  assert.equal(proxy.port, port);
  await using client = await FakeClient.connect(port);
  proxy.blackhole();
  await client.ask(1);
  await proxy[Symbol.asyncDispose]();
  assert.equal(proxy.stats.connections.open, 0);
  await endOf(client);
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("what goes wrong inside the proxy fails the test that disposes it", async () => {
  await using broker = startFakeBroker();
  const proxy = await startProxy({ target: broker });
  proxy.rule({
    action: {
      do: "answer",
      body: () => {
        throw new Error("of the test");
      },
    },
  });
  await using client = await FakeClient.connect(proxy.port);
  await client.ask(1);
  assert.equal(await endOf(client), "rst");
  await assert.rejects(
    async () => await proxy[Symbol.asyncDispose](),
    /the proxy failed: Error: of the test/,
  );
});

import assert from "node:assert/strict";
import net from "node:net";
import { answersAre, endOf, setUp } from "./proxy_test_util.ts";
import { FakeClient, requestFrame, startFakeBroker } from "./frame_peers.ts";
import { startProxy } from "./proxy.ts";
import { freePort, waitFor } from "./wait.ts";

for (const direction of ["request", "response", "both"] as const) {
  Deno.test(`a black hole (${direction}) swallows all until it is healed, then nothing is lost`, async () => {
    await using test = await setUp();
    const { client, proxy, broker } = test;
    proxy.blackhole(direction);
    await client.ask(2);
    await client.ask(3);
    using later = proxy.rule({ action: { do: "count" } });
    await using other = await FakeClient.connect(proxy.port);
    await other.ask(9);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(client.answers, ["echo 1"]);
    assert.deepEqual(other.answers, []);
    assert.equal(broker.requests.length, direction === "response" ? 4 : 1);
    proxy.heal();
    await answersAre(client, ["echo 1", "echo 2", "echo 3"]);
    await answersAre(other, ["echo 9"]);
    await later.hit();
  });
}

Deno.test("what a client sent into a black hole before it closed arrives once healed, and so does its end", async () => {
  await using test = await setUp();
  const { client, proxy, broker } = test;
  proxy.blackhole();
  await client.ask(2);
  client.close();
  await using silent = await FakeClient.connect(proxy.port);
  silent.close();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(broker.requests.length, 1);
  assert.equal(broker.ends.length, 0);
  proxy.heal();
  await waitFor(() => broker.ends.length === 2, { what: "both ends at the broker" });
  assert.deepEqual(broker.requests.map((it) => it.correlationId), [1, 2]);
});

Deno.test("what a client sent into a black hole before a reset is lost", async () => {
  await using test = await setUp();
  const { proxy, broker } = test;
  const passed = proxy.rule({ action: { do: "count" } });
  const socket = net.connect(proxy.port, "127.0.0.1");
  socket.write(requestFrame({ id: 2 }));
  await passed.hit();
  proxy.blackhole();
  await new Promise((resolve) => socket.write(requestFrame({ id: 3 }), resolve));
  socket.resetAndDestroy();
  await waitFor(() => broker.ends.length > 0, { what: "the reset at the broker" });
  proxy.heal();
  assert.equal(broker.ends[0].how, "rst");
  assert.deepEqual(broker.requests.map((it) => it.correlationId), [1, 2]);
});

Deno.test("latency is added to each round trip, and several share it", async () => {
  await using test = await setUp();
  const { client, proxy } = test;
  proxy.latency(400, 80);
  const start = performance.now();
  for (let id = 2; id <= 20; id++) await client.ask(id);
  await answersAre(
    client,
    Array.from({ length: 20 }, (_, i) => `echo ${i + 1}`),
  );
  const took = performance.now() - start;
  assert.ok(took >= 319 && took < 3000, `took ${took} ms`);
  proxy.heal();
  const again = performance.now();
  await client.ask(21);
  await waitFor(() => client.answers.length === 21, { what: "the answer" });
  assert.ok(performance.now() - again < 300);
});

Deno.test("the bandwidth limit counts for each direction", async () => {
  await using broker = startFakeBroker(() => new Uint8Array(4992));
  await using proxy = await startProxy({ target: broker });
  await using client = await FakeClient.connect(proxy.port);
  proxy.bandwidth(10_000);
  const start = performance.now();
  await client.ask(1);
  await waitFor(() => client.answers.length > 0, { what: "5,000 bytes" });
  const took = performance.now() - start;
  assert.ok(took >= 490 && took < 3000, `took ${took} ms`);
});

Deno.test("connections old and new are cut after their life, until healed", async () => {
  await using broker = startFakeBroker();
  await using proxy = await startProxy({ target: broker, seed: 3 });
  await using old = await FakeClient.connect(proxy.port);
  await old.ask(1);
  await answersAre(old, ["echo 1"]);
  proxy.connectionLife({ min: 100, max: 200 });
  const endings = new Set([await endOf(old)]);
  for (let i = 0; i < 10 && endings.size < 2; i++) {
    const start = performance.now();
    await using client = await FakeClient.connect(proxy.port);
    endings.add(await endOf(client));
    const lived = performance.now() - start;
    assert.ok(lived >= 95 && lived < 1500, `lived ${lived} ms`);
  }
  assert.deepEqual([...endings].sort(), ["fin", "rst"]);
  await using last = await FakeClient.connect(proxy.port);
  await last.ask(1);
  proxy.heal();
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal(last.ended, undefined);
});

for (const ending of ["rst", "fin"] as const) {
  Deno.test(`all connections are cut at once (${ending})`, async () => {
    await using test = await setUp();
    const { client, proxy, broker } = test;
    await using other = await FakeClient.connect(proxy.port);
    await other.ask(2);
    await answersAre(other, ["echo 2"]);
    proxy.cutAll(ending);
    assert.equal(await endOf(client), ending);
    assert.equal(await endOf(other), ending);
    await waitFor(() => broker.ends.length === 2, { what: "both ends" });
    assert.deepEqual(proxy.stats.connections, { open: 0, total: 2 });
    assert.deepEqual(
      proxy.stats.faults.map(({ what }) => what),
      [`cut all 2 connections (${ending})`],
    );
  });
}

Deno.test("an orderly end on one side becomes one on the other", async () => {
  await using test = await setUp();
  const { client, broker, proxy } = test;
  client.close();
  await waitFor(() => broker.ends.length > 0, { what: "the broker's end" });
  assert.equal(broker.ends[0].how, "fin");
  await waitFor(() => proxy.stats.connections.open === 0, { what: "no link" });
});

Deno.test("without a broker, connections are cut, and come through when it is back", async () => {
  const port = freePort();
  const hostname = "127.0.0.1";
  await using proxy = await startProxy({ target: { hostname, port } });
  await using early = await FakeClient.connect(proxy.port);
  assert.equal(await endOf(early), "rst");
  await using broker = startFakeBroker();
  proxy.target = broker;
  await using client = await FakeClient.connect(proxy.port);
  await client.ask(1);
  await answersAre(client, ["echo 1"]);
});

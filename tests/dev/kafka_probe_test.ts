import assert from "node:assert/strict";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { freePort } from "../support/wait.ts";

/** Something that listens, and does with each connection what a test wants. */
function listen(behaviour: (connection: Deno.TcpConn) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.TcpConn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      behaviour(connection).catch(() => {});
    }
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of connections) {
        try {
          connection.close();
        } catch {
          // The test's behaviour has closed it.
        }
      }
    },
  };
}

/** Answers each request with the next of these bodies. */
function answering(...bodies: number[][]) {
  return listen(async (connection) => {
    const request = new Uint8Array(1000);
    for (const body of bodies) {
      await connection.read(request);
      await connection.write(Uint8Array.from([0, 0, 0, 4 + body.length, ...request.subarray(8, 12), ...body]));
    }
    await connection.read(request);
  });
}

const API_VERSIONS = [0, 0, 0, 0, 0, 0];
/** Broker 1, `a:1`, no rack; the rest of the answer is not read. */
const ONE_BROKER = [0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 97, 0, 0, 0, 1, 255, 255];
/** No throttling, one topic, its name, an error code, no message. */
const created = (code: number) => [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 116, 0, code, 255, 255];

Deno.test("where nothing listens there is nothing", async () => {
  const found = await probeKafka(`127.0.0.1:${freePort()}`);
  assert.equal(found.kind, "nothing");
});

Deno.test("an HTTP server is another program", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("hello"));
  const found = await probeKafka(`127.0.0.1:${server.addr.port}`, { timeout: 500 });
  assert.equal(found.kind, "other");
});

Deno.test("what answers in plain text is another program, whatever length its first letters spell", async () => {
  await using greeter = listen(async (connection) => {
    await connection.write(new TextEncoder().encode("220 mail.example ESMTP\r\n"));
  });
  const found = await probeKafka(greeter.address, { timeout: 5000 });
  assert.deepEqual(found, { kind: "other", reason: "the answer is not in Kafka's protocol" });
});

Deno.test("what closes the connection, or says nothing in time, is another program", async () => {
  await using closing = listen((connection) => Promise.resolve(connection.close()));
  assert.equal((await probeKafka(closing.address)).kind, "other");
  await using silent = listen(() => Promise.resolve());
  assert.deepEqual(await probeKafka(silent.address, { timeout: 200 }), {
    kind: "other",
    reason: "no answer within 200 ms",
  });
});

Deno.test("a Kafka whose controller does not answer is not ready", async () => {
  await using kafka = answering(API_VERSIONS, ONE_BROKER, created(7));
  assert.deepEqual(await probeKafka(kafka.address), { kind: "not ready", reason: "no controller answers" });
  await using hanging = answering(API_VERSIONS, ONE_BROKER);
  assert.deepEqual(await probeKafka(hanging.address, { timeout: 200 }), {
    kind: "not ready",
    reason: "no controller answers within 200 ms",
  });
});

Deno.test("a Kafka that would refuse this very topic is ready: its controller said so", async () => {
  for (const code of [0, 29, 36, 44]) {
    await using kafka = answering(API_VERSIONS, ONE_BROKER, created(code));
    assert.deepEqual(await probeKafka(kafka.address), { kind: "kafka", brokers: ["a:1"] });
  }
});

Deno.test("a probe ends with its signal, with the signal's reason", async () => {
  await using silent = listen(() => Promise.resolve());
  const reason = new Error("enough");
  const controller = new AbortController();
  const probe = probeKafka(silent.address, { signal: controller.signal, timeout: 60_000 });
  setTimeout(() => controller.abort(reason), 50);
  await assert.rejects(probe, reason);
});

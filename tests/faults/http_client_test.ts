import assert from "node:assert/strict";
import { freePort } from "../support/wait.ts";
import { HttpClient, NotSentError } from "./http_client.ts";

const REQUEST = { type: "text/plain", body: "名字", timeoutMs: 5_000 };

/** A server that answers each connection's bytes with what `answer` makes of their number; undefined: it hangs up. */
function serve(answer: (request: number) => string | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const seen = { connections: 0, requests: 0 };
  const serveOne = async (connection: Deno.TcpConn) => {
    seen.connections++;
    const buffer = new Uint8Array(1 << 16);
    for (let text = "";;) {
      const count = await connection.read(buffer);
      if (count === null) return connection.close();
      text += new TextDecoder().decode(buffer.subarray(0, count));
      if (!text.endsWith("名字")) continue;
      text = "";
      const said = answer(++seen.requests);
      if (said === undefined) return connection.close();
      for (const part of said.match(/[^]{1,7}/g) ?? []) await connection.write(new TextEncoder().encode(part));
    }
  };
  const serving = (async () => {
    for await (const connection of listener) serveOne(connection).catch(() => {});
  })();
  return {
    port: listener.addr.port,
    seen,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Deno.test("one connection carries request after request, however the answers are cut up", async () => {
  await using server = serve(() => OK);
  const client = new HttpClient(server.port);
  for (let i = 0; i < 3; i++) assert.deepEqual(await client.post("/", REQUEST), { status: 200, text: "ok" });
  assert.deepEqual(server.seen, { connections: 1, requests: 3 });
  client.close();
});

Deno.test("a request whose connection ends is not sent again", async () => {
  await using server = serve((n) => n === 2 ? undefined : OK);
  const client = new HttpClient(server.port);
  await client.post("/", REQUEST);
  await assert.rejects(client.post("/", REQUEST), (error) => !(error instanceof NotSentError));
  assert.equal(server.seen.requests, 2);
  assert.equal((await client.post("/", REQUEST)).status, 200, "the next one has a new connection");
  assert.deepEqual(server.seen, { connections: 2, requests: 3 });
  client.close();
});

Deno.test("a connection that was idle for a while is not used again", async () => {
  await using server = serve(() => OK);
  const client = new HttpClient(server.port);
  const { now } = Date;
  await client.post("/", REQUEST);
  try {
    Date.now = () => now() + 501;
    await client.post("/", REQUEST);
  } finally {
    Date.now = now;
  }
  assert.equal(server.seen.connections, 2);
  client.close();
});

Deno.test("a request that nobody can have seen says so", async () => {
  await assert.rejects(new HttpClient(freePort()).post("/", REQUEST), NotSentError);
});

Deno.test("a request has an end when no answer comes", async () => {
  await using server = serve(() => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
  await assert.rejects(new HttpClient(server.port).post("/", { ...REQUEST, timeoutMs: 100 }));
});

import assert from "node:assert/strict";
import { Client, type Load, requestBytes } from "../../bench/http_client.ts";

const LOAD: Load = { contentType: "application/json", body: '{"name":"唐"}' };

/** Answers as the path says, and counts connections by the client's port. */
function startServer() {
  const ports = new Set<number>();
  const bodies: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request, { remoteAddr }) => {
    ports.add(remoteAddr.port);
    bodies.push(await request.text());
    const { pathname } = new URL(request.url);
    if (pathname === "/streamed") return new Response(ReadableStream.from([bytes("a".repeat(70_000)), bytes("b")]));
    return new Response("c".repeat(70_000), { status: pathname === "/refused" ? 503 : 200 });
  });
  const client = (path: string) => {
    const url = new URL(`http://127.0.0.1:${server.addr.port}${path}`);
    return { url, client: new Client(url) };
  };
  return { client, ports, bodies, [Symbol.asyncDispose]: () => server.shutdown() };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

for (const [path, status] of [["/whole", 200], ["/streamed", 200], ["/refused", 503]] as const) {
  Deno.test(`${path}: each answer is read to its end, and its connection is used again`, async () => {
    await using server = startServer();
    const { url, client } = server.client(path);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push(await client.send(requestBytes(url, LOAD)));
    client[Symbol.dispose]();
    assert.deepEqual([statuses, server.ports.size], [[status, status, status], 1]);
    assert.deepEqual(new Set(server.bodies), new Set([LOAD.body]));
  });
}

Deno.test("a load that reconnects takes a connection for each request", async () => {
  await using server = startServer();
  const { url, client } = server.client("/whole");
  for (let i = 0; i < 3; i++) assert.equal(await client.send(requestBytes(url, { ...LOAD, reconnect: true })), 200);
  assert.equal(server.ports.size, 3);
});

Deno.test("a connection that breaks is an error, and the next request has a new one", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/`);
  using client = new Client(url);
  for (
    const answer of ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"]
  ) {
    const sent = client.send(requestBytes(url, LOAD)).catch((error: Error) => error.message);
    const connection = await listener.accept();
    await connection.read(new Uint8Array(1_000));
    await connection.write(bytes(answer));
    connection.close();
    assert.equal(await sent, answer.endsWith("5\r\n\r\nab") ? "the connection ended after 40 bytes of an answer" : 200);
  }
  listener.close();
});

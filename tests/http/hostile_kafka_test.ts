// Requests that nobody should send. Each has a definite answer, and a good request is served after it.

import assert from "node:assert/strict";
import fc from "fast-check";
import { readTopic } from "../support/reader.ts";
import { refused, startApp, type TestApp } from "./app_test_util.ts";
import {
  BAD_BODIES,
  BODY,
  check,
  FRAMING,
  HOST,
  isAlive,
  JSON_TYPE,
  LENGTH,
  postTo,
  TARGETS,
} from "./hostile_cases.ts";
import { raw } from "./raw_util.ts";

/** The app behind a port. */
function listen(t: TestApp) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, t.app.fetch);
  return {
    address: server.addr,
    topic: t.topic,
    post: postTo(t.topic),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("framing that could be read in two ways is refused", async () => {
  await using t = await startApp();
  await using server = listen(t);
  await check(server, FRAMING);
});

Deno.test("methods and targets that are not ours are refused", async () => {
  await using t = await startApp();
  await using server = listen(t);
  await check(server, TARGETS);
});

Deno.test("HTTP/2 without TLS is served by the same rules", async () => {
  await using t = await startApp();
  await using server = listen(t);
  const { default: http2 } = await import("node:http2");
  const statusOf = (path: string, host: string) =>
    new Promise<number>((resolve, reject) => {
      const session = http2.connect(`http://127.0.0.1:${server.address.port}`);
      session.on("error", reject);
      const request = session.request({ ":path": path, ":authority": host });
      request.on("response", (headers) => {
        resolve(Number(headers[":status"]));
        session.close();
      });
      request.on("error", reject);
      request.end();
    });
  assert.equal(await statusOf("/healthz", "localhost"), 200);
  assert.equal(await statusOf("/nothing", "localhost"), 404);
  assert.equal(await statusOf("/healthz", "evil.example"), 403);
});

Deno.test("bodies that are no records are refused, whatever they are", async () => {
  await using t = await startApp();
  const post = (body: string | Uint8Array, type = "application/json") =>
    t.post(`/topics/${t.topic}`, body, { "content-type": type });
  for (const [status, body] of BAD_BODIES) {
    const response = await post(body);
    assert.equal(response.status, status, await response.text());
  }
  await refused(post(new Uint8Array([0x1f, 0x8b, 8, 0])), [400, 400], /not valid UTF-8/);
  assert.deepEqual(await readTopic(t.bootstrap, t.topic), []);
  assert.equal((await post(`{"records":[{"value":"\\ud800"}]}`)).status, 200);
  assert.equal((await post(`{"records":[${Array(100_000).fill('{"value":1}').join()}]}`)).status, 413);
});

Deno.test("100,000 records in one body are one request like others", async () => {
  await using t = await startApp({ env: { HTTP_MAX_BODY_BYTES: "4000000" } });
  const response = await t.post(`/topics/${t.topic}`, `{"records":[${Array(100_000).fill('{"value":1}').join()}]}`);
  assert.equal(response.status, 200);
  assert.equal((await response.json()).offsets.length, 100_000);
});

Deno.test("any bytes as path, query and body get an answer of the table, never 500", async () => {
  await using t = await startApp();
  const allowed = new Set([200, 400, 403, 404, 405, 406, 413, 415, 422]);
  const segment = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("topics", "partitions", "names", "groups", "lag", "events", "%", ".."),
  );
  const text = fc.array(segment, { maxLength: 5 }).map((parts) => parts.map((p) => p.toWellFormed()).join("/"));
  const methods = fc.constantFrom("GET", "POST", "PUT", "OPTIONS", "HEAD");
  await fc.assert(
    fc.asyncProperty(methods, text, text, fc.uint8Array({ maxLength: 40 }), async (method, path, query, body) => {
      const request = new Request("http://localhost/", {
        method,
        headers: { "content-type": "application/json" },
        ...(method === "GET" || method === "HEAD" ? {} : { body: body as BodyInit }),
      });
      Object.defineProperty(request, "url", { value: `http://localhost/${path}?${query}` });
      const response = await t.app.fetch(request);
      await response.body?.cancel();
      assert.ok(
        allowed.has(response.status) || response.status === 204,
        `${method} /${path}?${query}: ${response.status}`,
      );
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("a client that goes in the middle of its request leaves nothing behind", async () => {
  await using t = await startApp();
  await using server = listen(t);
  const head = server.post + HOST + JSON_TYPE + LENGTH + "\r\n";
  for (let i = 0; i < 500; i++) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await connection.write(new TextEncoder().encode((head + BODY).slice(0, (i * 7) % (head.length + BODY.length))));
  }
  await isAlive(server);
  assert.equal(t.app.atWork, 0);
});

Deno.test("a body that does not come is given up; its connection is Deno's, and stays", async () => {
  await using t = await startApp({ env: { HTTP_BODY_TIMEOUT_MS: "300" } });
  await using server = listen(t);
  const { statuses, text } = await raw(
    server.address,
    server.post + HOST + JSON_TYPE + LENGTH + "\r\n" + BODY.slice(0, 5),
  );
  assert.deepEqual(statuses, [408], text);
  assert.match(text, /HTTP_BODY_TIMEOUT_MS/);
  await isAlive(server);
});

Deno.test("headers that come slowly hold up nobody else; their connections are Deno's, and stay", async () => {
  await using t = await startApp();
  await using server = listen(t);
  const request = new TextEncoder().encode(
    server.post + HOST + JSON_TYPE + LENGTH + "Connection: close\r\n\r\n" + BODY,
  );
  const { port } = server.address;
  const slow = await Promise.all(Array.from({ length: 50 }, () => Deno.connect({ hostname: "127.0.0.1", port })));
  for (const byte of request.subarray(0, 30)) {
    await Promise.all(slow.map((connection) => connection.write(Uint8Array.of(byte))));
  }
  await isAlive(server);
  assert.equal(t.app.atWork, 0);
  for (const connection of slow) {
    await connection.write(request.subarray(30));
    assert.match(await new Response(connection.readable).text(), /^HTTP\/1.1 200 /);
  }
});

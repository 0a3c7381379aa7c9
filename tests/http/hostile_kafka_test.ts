// Requests that nobody should send. Each has a definite answer, and a good request is served after it.

import assert from "node:assert/strict";
import fc from "fast-check";
import { readTopic } from "../support/reader.ts";
import { refused, startApp, type TestApp } from "./app_test_util.ts";
import { raw } from "./raw_util.ts";

const HOST = "Host: localhost\r\n";
const JSON_TYPE = "Content-Type: application/json\r\n";
const BODY = '{"records":[{"value":1}]}';
const LENGTH = `Content-Length: ${BODY.length}\r\n`;
const CHUNK = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;

/** The app behind a port. */
function listen(t: TestApp) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, t.app.fetch);
  const post = `POST /topics/${t.topic} HTTP/1.1\r\n`;
  return {
    address: server.addr,
    post,
    async isAlive() {
      const { statuses } = await raw(server.addr, post + HOST + JSON_TYPE + LENGTH + "\r\n" + BODY);
      assert.deepEqual(statuses, [200], "a good request is served");
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

/** Statuses that are expected, or that the connection is closed without one. */
type Expected = number[] | "closed";

async function check(t: TestApp, cases: Record<string, [request: string, expected: Expected]>) {
  await using server = await listen(t);
  for (const [name, [request, expected]] of Object.entries(cases)) {
    const answers = expected === "closed" ? 1 : expected.filter((status) => status >= 200).length;
    const { statuses, closed, text } = await raw(server.address, request.replace(POST, server.post), {
      answers,
    });
    if (expected === "closed") assert.deepEqual([statuses, closed], [[], true], `${name}: ${text}`);
    else assert.deepEqual(statuses, expected, `${name}: ${text}`);
    await server.isAlive();
  }
}

const POST = "POST / HTTP/1.1\r\n"; // becomes that of the topic
const chunked = (body: string, more = "") =>
  POST + HOST + JSON_TYPE + more + "Transfer-Encoding: chunked\r\n\r\n" + body;
const get = (target: string, more = HOST) => `GET ${target} HTTP/1.1\r\n${more}\r\n`;

Deno.test("framing that could be read in two ways is refused", async () => {
  await using t = await startApp();
  await check(t, {
    "both a length and chunks": [chunked(CHUNK, LENGTH), [400]],
    "two lengths that differ": [POST + HOST + JSON_TYPE + LENGTH + "Content-Length: 5\r\n\r\n" + BODY, [400]],
    "a negative length": [POST + HOST + JSON_TYPE + "Content-Length: -1\r\n\r\n" + BODY, [400]],
    "a length with a sign": [POST + HOST + JSON_TYPE + `Content-Length: +${BODY.length}\r\n\r\n` + BODY, [400]],
    "a length beyond all numbers": [POST + HOST + JSON_TYPE + `Content-Length: ${"9".repeat(20)}\r\n\r\n`, [400]],
    "a length that is too small": [POST + HOST + JSON_TYPE + "Content-Length: 5\r\n\r\n" + BODY, [400]],
    "another transfer coding": [POST + HOST + JSON_TYPE + "Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNK, [415]],
    "identity as a transfer coding": [
      POST + HOST + JSON_TYPE + "Transfer-Encoding: identity\r\n" + LENGTH + "\r\n" + BODY,
      [400],
    ],
    "a chunk size that is none": [chunked(`zz\r\n${BODY}\r\n0\r\n\r\n`), "closed"],
    "a chunk size beyond all numbers": [chunked(`${"f".repeat(17)}\r\n${BODY}\r\n0\r\n\r\n`), "closed"],
    "a chunk without its end": [chunked(`${BODY.length.toString(16)}\r\n${BODY}0\r\n\r\n`), "closed"],
    "a chunk extension of 20 kB": [chunked(CHUNK.replace("\r\n", `;${"x".repeat(20_000)}\r\n`)), [400]],
    "chunks with trailers": [chunked(CHUNK.replace(/\r\n$/, "X-Trailer: 1\r\n\r\n")), [200]],
    "two hosts": [get("/healthz", HOST + "Host: evil.example\r\n"), [400]],
    "a folded header": [get("/healthz", HOST + "X-A: 1\r\n 2\r\n"), [400]],
    "a space before a colon": [get("/healthz", "Host : localhost\r\n"), [400]],
    "a header with NUL": [get("/healthz", HOST + "X-A: a\0b\r\n"), [400]],
    "a header with CR": [get("/healthz", HOST + "X-A: a\rb\r\n"), [400]],
    "200 headers": [get("/healthz", HOST + "X-A: 1\r\n".repeat(200)), [400]],
    "a header of 70 kB": [get("/healthz", HOST + `X-A: ${"a".repeat(70_000)}\r\n`), [400]],
    "four requests at once": [get("/healthz").repeat(3) + POST + HOST + JSON_TYPE + LENGTH + "\r\n" + BODY, [
      200,
      200,
      200,
      200,
    ]],
    "a body with GET": [get("/healthz", HOST + LENGTH).concat(BODY, get("/healthz")), [200, 200]],
    "no HTTP at all": ["\x16\x03\x01\x02\x00\x01garbage\r\n\r\n", [400]],
    "HTTP of the future": ["GET /healthz HTTP/3.0\r\n" + HOST + "\r\n", [400]],
    "an unknown expectation": [POST + HOST + JSON_TYPE + LENGTH + "Expect: foo\r\n\r\n" + BODY, [200]],
    "an expected 100": [POST + HOST + JSON_TYPE + LENGTH + "Expect: 100-continue\r\n\r\n" + BODY, [100, 200]],
    "an upgrade to WebSocket": [
      get("/healthz", HOST + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
      [200],
    ],
    "an upgrade to HTTP/2": [get("/healthz", HOST + "Connection: Upgrade\r\nUpgrade: h2c\r\n"), [200]],
  });
});

Deno.test("methods and targets that are not ours are refused", async () => {
  await using t = await startApp();
  const target = (target: string) => get(target);
  await check(t, {
    "HEAD where there is GET": [`HEAD /healthz HTTP/1.1\r\n${HOST}\r\n`, [200]],
    "HEAD where there is none": [`HEAD /names HTTP/1.1\r\n${HOST}\r\n`, [405]],
    "HEAD that says it is POST": [`HEAD /healthz HTTP/1.1\r\n${HOST}X-HTTP-Method-Override: POST\r\n\r\n`, [200]],
    "GET that says it is POST": [get("/names", HOST + "X-HTTP-Method-Override: POST\r\n"), [405]],
    OPTIONS: [`OPTIONS /names HTTP/1.1\r\n${HOST}\r\n`, [204]],
    "OPTIONS *": [`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, [404]],
    TRACE: [`TRACE /names HTTP/1.1\r\n${HOST}\r\n`, [405]],
    CONNECT: [`CONNECT localhost:80 HTTP/1.1\r\n${HOST}\r\n`, [405]],
    FOO: [`FOO /names HTTP/1.1\r\n${HOST}\r\n`, [405]],
    "a method in small letters": [`post /names HTTP/1.1\r\n${HOST}\r\n`, [405]],
    "dots": [target("/../healthz"), [404]],
    "encoded dots": [target("/%2e%2e/healthz"), [404]],
    "two slashes": [target("//evil.example/healthz"), [404]],
    "an encoding that is none": [target("/topics/%zz"), [400]],
    "NUL, encoded": [target("/topics/%00"), [404]],
    "NUL": [target("/topics/\0"), [400]],
    "raw UTF-8": [target("/中"), [404]],
    "70 kB": [target("/" + "a".repeat(70_000)), [400]],
    "a query with a key twice": [`POST /names?count=1&count=2 HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`, [400]],
    "an absolute target of ours": [target("http://localhost/healthz"), [200]],
    "an absolute target of others": [target("http://evil.example/healthz"), [403]],
    "a host of others": [get("/healthz", "Host: evil.example\r\n"), [403]],
    "a host that is none": [get("/healthz", "Host: a b/..%00\r\n"), [404]],
    "an empty host": [get("/healthz", "Host: \r\n"), [403]],
    "no host in HTTP/1.0": ["GET /healthz HTTP/1.0\r\n\r\n", [200]],
  });
});

Deno.test("HTTP/2 without TLS is served by the same rules", async () => {
  await using t = await startApp();
  await using server = await listen(t);
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
  const cases: [status: number, body: string | Uint8Array][] = [
    [400, "1"],
    [400, "null"],
    [400, '{"records":[{"value":1}'],
    [400, `${BODY}x`],
    [400, `\ufeff${BODY}`],
    [400, new Uint8Array([...new TextEncoder().encode('{"records":[{"value":"'), 0xc3, 0x28, 0x22, 0x7d, 0x5d, 0x7d])],
    [400, "[".repeat(500_000)],
    [400, `{"records":[{"value":${"[".repeat(2_000)}${"]".repeat(2_000)}}]}`],
    [400, '{"records":[{"value":NaN}]}'],
    [400, "\0"],
    [422, '{"__proto__":{"records":[]}}'],
    [422, '{"records":[{"value":1,"constructor":1}]}'],
  ];
  for (const [status, body] of cases) {
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
  await using server = await listen(t);
  const head = server.post + HOST + JSON_TYPE + LENGTH + "\r\n";
  for (let i = 0; i < 500; i++) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await connection.write(new TextEncoder().encode((head + BODY).slice(0, (i * 7) % (head.length + BODY.length))));
  }
  await server.isAlive();
  assert.equal(t.app.atWork, 0);
});

Deno.test("a body that does not come is given up; its connection is Deno's, and stays", async () => {
  await using t = await startApp({ env: { HTTP_BODY_TIMEOUT_MS: "300" } });
  await using server = await listen(t);
  const { statuses, text } = await raw(
    server.address,
    server.post + HOST + JSON_TYPE + LENGTH + "\r\n" + BODY.slice(0, 5),
  );
  assert.deepEqual(statuses, [408], text);
  assert.match(text, /HTTP_BODY_TIMEOUT_MS/);
  await server.isAlive();
});

Deno.test("headers that come slowly hold up nobody else; their connections are Deno's, and stay", async () => {
  await using t = await startApp();
  await using server = await listen(t);
  const request = new TextEncoder().encode(
    server.post + HOST + JSON_TYPE + LENGTH + "Connection: close\r\n\r\n" + BODY,
  );
  const { port } = server.address;
  const slow = await Promise.all(Array.from({ length: 50 }, () => Deno.connect({ hostname: "127.0.0.1", port })));
  for (const byte of request.subarray(0, 30)) {
    await Promise.all(slow.map((connection) => connection.write(Uint8Array.of(byte))));
  }
  await server.isAlive();
  assert.equal(t.app.atWork, 0);
  for (const connection of slow) {
    await connection.write(request.subarray(30));
    assert.match(await new Response(connection.readable).text(), /^HTTP\/1.1 200 /);
  }
});

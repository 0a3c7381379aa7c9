import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { AccessLog } from "../../http/access_log.ts";
import { App, type AppConfig, type AppParts } from "../../http/app.ts";
import { unavailable } from "../../http/errors.ts";
import { plainTokens, Tokens } from "../../http/tokens.ts";
import type { HandledRoute } from "../../http/types.ts";
import { loggerFor } from "../../log.ts";
import { createHttpMetrics } from "../../metrics.ts";
import { answer, refused } from "./app_test_util.ts";

const unit = { permissions: "none" } as const;
const say = (text: string) => new Response(JSON.stringify(text), { headers: { "content-type": "application/json" } });
const ROUTES: HandledRoute[] = [
  { method: "GET", path: "/open", access: "open", handle: () => say("open") },
  { method: "GET", path: "/things/{id}", access: "read", handle: ({ parameters }) => say(parameters.join()) },
  { method: "POST", path: "/things", access: "write", handle: ({ token }) => say(token?.name ?? "anybody") },
  { method: "GET", path: "/broken", access: "open", handle: () => Promise.reject(new Error("secret detail")) },
  { method: "GET", path: "/quiet", access: "open", handle: () => say("quiet"), quiet: true },
  { method: "GET", path: "/unready", access: "open", handle: () => Promise.reject(unavailable("later")), quiet: true },
  { method: "GET", path: "/down", access: "open", handle: () => Promise.reject(unavailable("later")) },
];

function setUp(config: Partial<AppConfig> = {}, parts: Partial<AppParts> = {}) {
  const registry = new Registry();
  const all = { allowedHosts: ["localhost"], allowedOrigins: [], maxConnections: 10, ...config };
  const app = new App(all, {
    routes: ROUTES,
    tokens: new Tokens([]),
    log: loggerFor("server"),
    metrics: createHttpMetrics(registry),
    ...parts,
  });
  const request = (path: string, init?: RequestInit, address = "10.0.0.1") =>
    app.fetch(
      new Request(new URL(path, "http://localhost:8082"), init),
      { remoteAddr: { transport: "tcp", hostname: address, port: 1 } } as Deno.ServeHandlerInfo,
    );
  return { app, request, registry };
}

Deno.test("without tokens everybody may call", unit, async () => {
  const { request } = setUp();
  assert.equal(await answer(request("/things", { method: "POST" }), 200), "anybody");
});

Deno.test("with tokens only who has one may call, and open routes need none", unit, async () => {
  const { request } = setUp({}, { tokens: new Tokens(plainTokens(["first-token", "second.token=="])) });
  const post = (authorization?: string) =>
    request("/things?token=first-token&access_token=first-token", {
      method: "POST",
      headers: authorization === undefined ? {} : { authorization },
    });
  assert.equal(await answer(post("Bearer first-token"), 200), "token 1");
  assert.equal(await answer(post("bearer second.token=="), 200), "token 2");
  await answer(request("/open"), 200);
  const wrong: [string | undefined, RegExp][] = [
    [undefined, /There is no Authorization header/],
    ["", /There is no Authorization header/],
    ["Basic Zmlyc3QtdG9rZW4=", /another scheme/],
    ["first-token", /another scheme/],
    ["Bearer", /another scheme/],
    ["Bearer first-toke", /not known/],
    ["Bearer first-token-", /not known/],
    ["Bearer FIRST-TOKEN", /not known/],
    ["Bearer first-token, Bearer first-token", /not known/], // two headers come as one
  ];
  for (const [authorization, message] of wrong) {
    const response = await refused(post(authorization), [401, 40101], message);
    assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer realm="kafka-deno"/);
  }
});

Deno.test("a token that gives one right does not give the other", unit, async () => {
  const token = { name: "reader", secret: "s", rights: new Set(["read"] as const), topics: undefined };
  const { request } = setUp({}, { tokens: new Tokens([token]) });
  const headers = { authorization: "Bearer s" };
  await answer(request("/things/1", { headers }), 200);
  await refused(
    request("/things", { method: "POST", headers }),
    [403, 40301],
    /"reader" does not give the right to write/,
  );
});

Deno.test("only our own names are served", unit, async () => {
  const { app, request } = setUp({ allowedHosts: ["localhost", "Kafka.Example"] });
  const from = (url: string, host?: string) =>
    app.fetch(new Request(url, host === undefined ? {} : { headers: { host } }));
  for (
    const url of [
      "http://localhost/open",
      "http://KAFKA.example:80/open",
      "http://127.0.0.1:8082/open",
      "http://[::1]:1/open",
    ]
  ) {
    await answer(from(url), 200);
  }
  await refused(
    from("http://evil.example/open"),
    [403, 403],
    /Host is "evil.example"; expected one of HTTP_ALLOWED_HOSTS/,
  );
  await refused(from("http://localhost.evil.example/open"), [403, 403], /Host is/);
  await refused(from("http://evil.example/open", "localhost"), [403, 403], /"evil.example"/);
  await refused(from("http://localhost/open", "evil.example"), [403, 403], /"evil.example"/);
  await answer(request("/open"), 200);
  await answer(setUp({ allowedHosts: ["*"] }).app.fetch(new Request("http://any.example/open")), 200);
});

Deno.test("other sites' pages may not call, our own may", unit, async () => {
  const { request } = setUp();
  const headers = (origin: string) => ({ headers: { origin, host: "localhost:8082" } });
  await answer(request("/open", headers("http://localhost:8082")), 200);
  for (
    const origin of [
      "https://evil.example",
      "null",
      "http://localhost:1",
      "http://localhost:8082.evil.example",
      "file://",
    ]
  ) {
    const response = await refused(request("/open", headers(origin)), [403, 403], /^Origin is/);
    assert.equal(response.headers.get("access-control-allow-origin"), null);
  }
  const fetchSite = (site: string, mode = "cors") => ({ headers: { "sec-fetch-site": site, "sec-fetch-mode": mode } });
  for (const site of ["cross-site", "same-site"]) {
    await refused(request("/open", fetchSite(site)), [403, 403], /Sec-Fetch-Site is/);
    await refused(
      request("/things", { method: "POST", ...fetchSite(site, "navigate") }),
      [403, 403],
      /Sec-Fetch-Site is/,
    );
    await answer(request("/open", fetchSite(site, "navigate")), 200);
  }
  for (const site of ["same-origin", "none"]) await answer(request("/open", fetchSite(site)), 200);
});

Deno.test("allowed origins may ask first, call, and read the answer, errors included", unit, async () => {
  const { request } = setUp({ allowedOrigins: ["https://app.example"] }, { tokens: new Tokens(plainTokens(["t"])) });
  const origin = "https://app.example";
  const preflight = await request("/things", {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
  assert.equal(preflight.headers.get("access-control-allow-methods"), "POST, OPTIONS");
  assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /authorization, content-type/);
  const refusal = await refused(
    request("/things", { method: "POST", headers: { origin } }),
    [401, 40101],
    /Authorization/,
  );
  assert.equal(refusal.headers.get("access-control-allow-origin"), origin);
  assert.equal(refusal.headers.get("vary"), "origin");
  const foreign = await request("/things", { method: "OPTIONS", headers: { origin: "https://evil.example" } });
  assert.equal(foreign.status, 403);
});

Deno.test("OPTIONS tells the methods; unknown methods and paths are refused", unit, async () => {
  const { request } = setUp();
  const options = await request("/things/1", { method: "OPTIONS" });
  assert.deepEqual([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
  assert.equal((await request("/things/1", { method: "HEAD" })).status, 200);
  for (const method of ["POST", "DELETE", "FOO", "PROPFIND"]) {
    const response = await refused(request("/things/1", { method }), [405, 405], /is not for/);
    assert.equal(response.headers.get("allow"), "GET, HEAD, OPTIONS");
  }
  await refused(request("/nothing", { method: "OPTIONS" }), [404, 404], /There is nothing at "\/nothing"/);
});

Deno.test("what nobody foresaw is a 500 that keeps its details to itself", unit, async () => {
  const { request } = setUp();
  const body = await answer(request("/broken"), 500);
  assert.equal(body.error_code, 500);
  assert.ok(!body.message.includes("secret"));
});

Deno.test("a caller that sends too much is told when to go on; others don't notice", unit, async () => {
  const { request } = setUp({ rateLimit: 3 });
  const statuses = [];
  for (let i = 0; i < 5; i++) statuses.push(await request("/things/1"));
  assert.deepEqual(statuses.map(({ status }) => status), [200, 200, 200, 429, 429]);
  assert.deepEqual(statuses.map(({ headers }) => headers.get("ratelimit-remaining")), ["2", "1", "0", "0", "0"]);
  assert.equal(statuses[4].headers.get("retry-after"), "1");
  assert.equal(statuses[0].headers.get("ratelimit-limit"), "3");
  await answer(request("/things/1", {}, "10.0.0.2"), 200);
  await answer(request("/open"), 200);
});

Deno.test("wrong tokens count for the address that they come from, right ones for their token", unit, async () => {
  const { request } = setUp({ rateLimit: 3 }, { tokens: new Tokens(plainTokens(["right"])) });
  const send = async (token: string, address?: string) =>
    (await request("/things/1", { headers: { authorization: `Bearer ${token}` } }, address)).status;
  const tries = [];
  for (let i = 0; i < 5; i++) tries.push(await send("wrong"));
  assert.deepEqual(tries, [401, 401, 401, 429, 429]);
  assert.equal(await send("wrong", "10.0.0.2"), 401);
  const good = [];
  for (let i = 0; i < 5; i++) good.push(await send("right", `10.0.0.${i}`));
  assert.deepEqual(good, [200, 200, 200, 429, 429]);
});

Deno.test("a request's id is taken over if it is harmless, else made, and comes back", unit, async () => {
  const { request } = setUp();
  const idOf = async (given?: string, path = "/open") =>
    (await request(path, given === undefined ? {} : { headers: { "x-request-id": given } })).headers.get(
      "x-request-id",
    );
  assert.equal(await idOf("abc-1:2"), "abc-1:2");
  assert.equal(await idOf("mine", "/nothing"), "mine");
  const made = await Promise.all([undefined, undefined, "a b", "<b>", "x".repeat(129), ""].map((id) => idOf(id)));
  assert.equal(new Set(made).size, made.length);
  for (const id of made) assert.match(id!, /^[0-9a-f]{8}-\w+$/);
});

Deno.test("a failed request is told, a probe's answer that we are not ready is not", unit, async () => {
  const told: unknown[] = [];
  const tell = (level: string) => (message: string, { path }: { path: string }) => told.push([level, message, path]);
  const log = { debug: tell("debug"), warn: tell("warn"), error: tell("error") } as unknown as AppParts["log"];
  const { request } = setUp({}, { log });
  await refused(request("/unready"), [503, 50301], /later/);
  await refused(request("/down"), [503, 50301], /later/);
  await refused(request("/broken"), [500, 500], /./);
  const failed = "a request failed";
  assert.deepEqual(told, [["debug", failed, "/unready"], ["warn", failed, "/down"], ["error", failed, "/broken"]]);
});

Deno.test("a request is one line in the access log, whatever is in its path", unit, async () => {
  for (const format of ["json", "text"] as const) {
    let written = "";
    const sink = {
      write: (bytes: Uint8Array) => (written += new TextDecoder().decode(bytes), Promise.resolve(bytes.length)),
    };
    const accessLog = new AccessLog(sink, format);
    const { app, request } = setUp({}, { accessLog, tokens: new Tokens(plainTokens(["t"])) });
    const headers = { authorization: "Bearer t", "x-request-id": "id-1" };
    await request("/things/1?secret=1", { headers });
    await request("/quiet");
    const odd = new Request("http://localhost/");
    Object.defineProperty(odd, "url", { value: 'http://localhost/a\x1b[31m"\u202e\r\nb' });
    await app.fetch(odd);
    await accessLog.flush();
    const lines = written.split("\n");
    assert.equal(lines.length, 3, written);
    assert.match(lines[1], /^[\x20-\x7e]*$/);
    if (format === "json") {
      const { time, ms, ...rest } = JSON.parse(lines[0]);
      assert.ok(Date.now() - Date.parse(time) < 5_000 && ms >= 0);
      assert.deepEqual(rest, {
        level: "INFO",
        component: "http",
        message: "GET /things/1 200",
        status: 200,
        id: "id-1",
        client: "10.0.0.1",
        token: "token 1",
      });
      assert.equal(JSON.parse(lines[1]).message, 'GET /a\x1b[31m"\u202e\r\nb 404');
    } else {
      assert.match(
        lines[0],
        /^\d\d:\d\d:\d\d\.\d{3} INFO {2}http: GET \/things\/1 200 ms=\d+\.\d\d id=id-1 client=10.0.0.1 token="token 1"$/,
      );
    }
  }
});

Deno.test("each line tells of its own request, however many come in a millisecond", unit, async () => {
  for (const format of ["json", "text"] as const) {
    let written = "";
    const accessLog = new AccessLog({
      write: (bytes) => (written += new TextDecoder().decode(bytes), Promise.resolve(bytes.length)),
    }, format);
    const expected: string[] = [];
    const kinds = [["GET", "/a", 200], ["PUT", "/a", 200], ["PUT", "/c", 200], ["PUT", "/c", 500]] as const;
    for (let i = 0; i < 400; i++) { // from one to the next one thing differs, or nothing, or all
      const [method, path, status] = kinds[(i >> 1) % kinds.length];
      accessLog.add({ method, path, status, ms: i, id: `i${i}`, client: "c", token: undefined });
      expected.push(`${method} ${path} ${status} ${i}.00 i${i}`);
    }
    await accessLog.flush();
    const line = format === "json"
      ? /"message":"(\S+ \S+ \d+)","status":\d+,"ms":([\d.]+),"id":"(\w+)"/
      : /http: (\S+ \S+ \d+) ms=([\d.]+) id=(\w+)/;
    assert.deepEqual(written.trimEnd().split("\n").map((text) => line.exec(text)!.slice(1).join(" ")), expected);
    if (format === "text") continue;
    for (const text of written.trimEnd().split("\n")) {
      const { message, status } = JSON.parse(text);
      assert.equal(message.split(" ")[2], String(status));
    }
  }
});

Deno.test("lines that nobody reads are counted, not kept", unit, async () => {
  const blocked = Promise.withResolvers<number>();
  const chunks: string[] = [];
  const accessLog = new AccessLog({
    write(bytes) {
      chunks.push(new TextDecoder().decode(bytes));
      return chunks.length === 1 ? blocked.promise.then(() => bytes.length) : Promise.resolve(bytes.length);
    },
  }, "text");
  const entry = {
    method: "GET",
    path: "/" + "x".repeat(1000),
    status: 200,
    ms: 1,
    id: "i",
    client: "c",
    token: undefined,
  };
  for (let i = 0; i < 5_000; i++) accessLog.add(entry);
  blocked.resolve(0);
  await accessLog.flush();
  const text = chunks.join("");
  const listed = text.match(/ 200 /g)!.length;
  const [, dropped] = text.match(/^(\d+) requests are not listed/m)!;
  assert.equal(listed + Number(dropped), 5_000);
  assert.ok(text.length < 3_000_000);
});

Deno.test("too many requests at once are refused, and draining waits for those at work", unit, async () => {
  const gate = Promise.withResolvers<void>();
  const routes: HandledRoute[] = [
    ...ROUTES,
    { method: "GET", path: "/slow", access: "read", handle: () => gate.promise.then(() => say("done")) },
  ];
  const { app, request } = setUp({ maxConnections: 2 }, { routes });
  const atWork = [request("/slow"), request("/slow")];
  const refusal = await refused(request("/slow"), [503, 50301], /3 requests are at work; expected at most 2/);
  assert.equal(refusal.headers.get("retry-after"), "1");
  await answer(request("/open"), 200);
  let drained = false;
  const draining = app.drain().then(() => drained = true);
  await refused(request("/things/1"), [503, 50301], /The server is stopping/);
  assert.equal((await request("/open")).headers.get("connection"), "close");
  assert.equal(drained, false);
  gate.resolve();
  for (const response of atWork) await answer(response, 200);
  await draining;
});

Deno.test("requests are counted by route and status, never by what clients write", unit, async () => {
  const { request, registry } = setUp();
  for (const path of ["/things/1", "/things/2", "/nothing-1", "/nothing-2"]) await request(path);
  await request("/things/3", { method: "FOO" });
  const text = await registry.metrics();
  assert.match(text, /kafka_deno_http_request_seconds_count\{method="GET",route="\/things\/\{id\}",status="200"\} 2/);
  assert.match(text, /kafka_deno_http_request_seconds_count\{method="other",route="none",status="404"\} 2/);
  assert.match(text, /kafka_deno_http_request_seconds_count\{method="other",route="none",status="405"\} 1/);
  assert.ok(!text.includes("nothing"));
});

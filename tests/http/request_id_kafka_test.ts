// Who asks about a request that failed names its id: every error has it, and so has what is logged of it.

import assert from "node:assert/strict";
import { AccessLog } from "../../http/access_log.ts";
import { unavailable } from "../../http/errors.ts";
import type { Logger } from "@std/log";
import { refused, startApp, type TestAppOptions } from "./app_test_util.ts";

/** An error, and the request that gets it. */
type Case = [status: number, code: number, target: string, init?: RequestInit];

const json = { "content-type": "application/json" };
const ndjson = { "content-type": "application/x-ndjson" };
const post = (headers: Record<string, string>, body: string): RequestInit => ({ method: "POST", headers, body });
const GOOD = post(json, '{"records":[{"value":1}]}');

/** An app whose logs can be looked at. */
async function setUp(options: TestAppOptions = {}) {
  const told: Record<string, unknown>[] = [];
  const tell = (_message: string, fields: Record<string, unknown>) => void told.push(fields);
  const log = { debug: tell, info: tell, warn: tell, error: tell } as unknown as Logger;
  let written = "";
  const sink = {
    write: (bytes: Uint8Array) => (written += new TextDecoder().decode(bytes), Promise.resolve(bytes.length)),
  };
  const accessLog = new AccessLog(sink, "json");
  const t = await startApp({ ...options, parts: { log, accessLog } });
  const lineOf = async (id: string) => {
    await accessLog.flush();
    return written.trimEnd().split("\n").map((line) => JSON.parse(line)).find((line) => line.id === id);
  };
  return { t, told, lineOf, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose]() };
}

async function checkAll(
  { t, told, lineOf }: Awaited<ReturnType<typeof setUp>>,
  cases: (topic: string) => Case[],
) {
  for (const [index, [status, code, target, init]] of cases(t.topic).entries()) {
    const id = `id-${index}`;
    const request = new Request("http://localhost/", init);
    request.headers.set("x-request-id", id);
    Object.defineProperty(request, "url", { value: `http://localhost${target}` }); // as it is
    const { headers } = await refused(t.app.fetch(request), [status, code], /./);
    const what = `${init?.method ?? "GET"} ${target} ${status}`;
    assert.equal(headers.get("x-request-id"), id, what);
    if (status >= 500) assert.ok(told.some((fields) => fields.id === id), `${what} in the log`);
    if (target !== "/readyz") assert.equal((await lineOf(id))?.status, status, what); // probes come every second
  }
}

Deno.test("every error has the id of its request, and so has its line in the log", async () => {
  await using app = await setUp({ env: { HTTP_BODY_TIMEOUT_MS: "300" }, eventParts: { maxStreams: 0 } });
  const silent = () => new ReadableStream<Uint8Array>();
  await checkAll(app, (topic) => [
    [400, 400, "/topics/%zz"],
    [400, 400, `/topics/${topic}`, post(json, "{")],
    [400, 400, `/topics/${topic}`, post(json, "")],
    [400, 400, `/topics/${topic}`, post(ndjson, "{")],
    [400, 400, `/topics/${topic}/events`, { headers: { "last-event-id": "x" } }],
    [403, 403, "/brokers", { headers: { origin: "https://evil.example" } }],
    [403, 40301, "/topics/__consumer_offsets", GOOD],
    [404, 404, "/nothing"],
    [404, 40401, "/topics/never-there", GOOD],
    [404, 40403, "/topics/never-there"],
    [404, 40402, `/topics/${topic}/partitions/7`, GOOD],
    [404, 40401, "/topics/never-there/events"],
    [405, 405, "/names"],
    [406, 406, `/topics/${topic}`, post({ ...json, accept: "text/html" }, "")],
    [406, 406, `/topics/${topic}/events`, { headers: { accept: "text/html" } }],
    [408, 408, `/topics/${topic}`, { method: "POST", headers: json, body: silent() }],
    [408, 408, `/topics/${topic}`, { method: "POST", headers: ndjson, body: silent() }],
    [413, 413, `/topics/${topic}`, post({ ...json, "content-length": "2000000" }, "")],
    [413, 413, `/topics/${topic}`, post(json, "x".repeat(2_000_000))],
    [413, 413, `/topics/${topic}`, post(ndjson, "x".repeat(2_000_000))],
    [415, 415, `/topics/${topic}`, post({ "content-type": "text/plain" }, "")],
    [415, 415, `/topics/${topic}`, post({ ...ndjson, "content-encoding": "gzip" }, "")],
    [422, 422, `/topics/${topic}`, post(json, "{}")],
    [422, 422, `/topics/${topic}`, post(ndjson, "{}")],
    [503, 50301, `/topics/${topic}/events`],
  ]);
});

Deno.test("so has one that comes before the handler, or from beneath it", async () => {
  await using limited = await setUp({ env: { HTTP_TOKENS: "secret-token", HTTP_RATE_LIMIT: "2" } });
  await checkAll(limited, (topic) => [
    [401, 40101, `/topics/${topic}`, GOOD],
    [401, 40101, `/topics/${topic}/events`],
    [429, 429, `/topics/${topic}`, GOOD],
    [429, 429, `/topics/${topic}/events`],
  ]);
  await using full = await setUp({ env: { KAFKA_BATCH_BYTES: "2000", KAFKA_BUFFER_BYTES: "2000" } });
  const many = JSON.stringify({ records: Array(10).fill({ value: "x".repeat(500) }) });
  await checkAll(full, (topic) => [[503, 50301, `/topics/${topic}`, post(json, many)]]);
  await using broken = await setUp({ routes: { problem: () => "not now", randomName: () => fail(new Error("oops")) } });
  await checkAll(broken, () => [[503, 50301, "/readyz"], [500, 500, "/names", { method: "POST" }]]);
  await using down = await setUp({ eventParts: { tails: { follow: () => Promise.reject(unavailable("gone")) } } });
  await checkAll(down, (topic) => [[503, 50301, `/topics/${topic}/events`]]);
  await using stopping = await setUp();
  await stopping.t.app.drain();
  await checkAll(stopping, (topic) => [
    [503, 50301, `/topics/${topic}`, GOOD],
    [503, 50301, `/topics/${topic}`, post(ndjson, '{"value":1}')],
    [503, 50301, `/topics/${topic}/events`],
    [503, 50301, "/page/feed"],
  ]);
});

function fail(error: Error): never {
  throw error;
}

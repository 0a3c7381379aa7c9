// Requests that nobody should send, and what a server answers to each.

import assert from "node:assert/strict";
import { raw } from "./raw_util.ts";

export const HOST = "Host: localhost\r\n";
export const JSON_TYPE = "Content-Type: application/json\r\n";
/** One record, and what goes before it. */
export const BODY = '{"records":[{"value":1}]}';
export const LENGTH = `Content-Length: ${BODY.length}\r\n`;

const CHUNK = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
const POST = "POST / HTTP/1.1\r\n"; // becomes that of the topic
const chunked = (body: string, more = "") =>
  POST + HOST + JSON_TYPE + more + "Transfer-Encoding: chunked\r\n\r\n" + body;
const get = (target: string, more = HOST) => `GET ${target} HTTP/1.1\r\n${more}\r\n`;

/** Statuses that are expected, or that the connection is closed without one. */
type Expected = number[] | "closed";

/** Requests by what is wrong with them. */
export type Cases = Record<string, [request: string, expected: Expected]>;

/** Where a server listens, and a topic that it writes to. */
export interface Target {
  address: Deno.NetAddr;
  topic: string;
}

/** The first line of a produce request. */
export function postTo(topic: string): string {
  return `POST /topics/${topic} HTTP/1.1\r\n`;
}

/** Sends a good request. @throws {assert.AssertionError} when it is not served */
export async function isAlive({ address, topic }: Target): Promise<void> {
  const { statuses } = await raw(address, postTo(topic) + HOST + JSON_TYPE + LENGTH + "\r\n" + BODY);
  assert.deepEqual(statuses, [200], "a good request is served");
}

/** Sends each, and a good request after it. @throws {assert.AssertionError} when an answer is another */
export async function check(target: Target, cases: Cases): Promise<void> {
  for (const [name, [request, expected]] of Object.entries(cases)) {
    const answers = expected === "closed" ? 1 : expected.filter((status) => status >= 200).length;
    const bytes = request.replace(POST, postTo(target.topic));
    const { statuses, closed, text } = await raw(target.address, bytes, { answers });
    if (expected === "closed") assert.deepEqual([statuses, closed], [[], true], `${name}: ${text}`);
    else assert.deepEqual(statuses, expected, `${name}: ${text}`);
    await isAlive(target);
  }
}

/** Framing that could be read in two ways, or in none. */
export const FRAMING: Cases = {
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
};

/** Methods and targets that are not ours. */
export const TARGETS: Cases = {
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
  "dots": [get("/../healthz"), [404]],
  "encoded dots": [get("/%2e%2e/healthz"), [404]],
  "two slashes": [get("//evil.example/healthz"), [404]],
  "an encoding that is none": [get("/topics/%zz"), [400]],
  "NUL, encoded": [get("/topics/%00"), [404]],
  "NUL": [get("/topics/\0"), [400]],
  "raw UTF-8": [get("/中"), [404]],
  "70 kB": [get("/" + "a".repeat(70_000)), [400]],
  "a query with a key twice": [`POST /names?count=1&count=2 HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`, [400]],
  "an absolute target of ours": [get("http://localhost/healthz"), [200]],
  "an absolute target of others": [get("http://evil.example/healthz"), [403]],
  "a host of others": [get("/healthz", "Host: evil.example\r\n"), [403]],
  "a host that is none": [get("/healthz", "Host: a b/..%00\r\n"), [404]],
  "an empty host": [get("/healthz", "Host: \r\n"), [403]],
  "no host in HTTP/1.0": ["GET /healthz HTTP/1.0\r\n\r\n", [200]],
};

/** Bodies that are no records. */
export const BAD_BODIES: readonly [status: number, body: string | Uint8Array][] = [
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

// Requests that are meant to take memory or sockets. The server is a process of its own, so that one can look at what it
// takes.

import assert from "node:assert/strict";
import { concat } from "../../http/body.ts";
import { waitFor } from "../support/wait.ts";
import { BAD_BODIES, check, FRAMING, HOST, isAlive, JSON_TYPE, LENGTH, postTo, TARGETS } from "./hostile_cases.ts";
import { raw } from "./raw_util.ts";
import {
  connect,
  descriptors,
  megabytes,
  metrics,
  peakMegabytes,
  type Server,
  startServer,
  writeAll,
} from "./server_util.ts";

const encoder = new TextEncoder();

Deno.test("a megabyte that would inflate to a gigabyte is refused as it is", async () => {
  await using server = await startServer();
  const bomb = await gzipBomb();
  assert.ok(bomb.length < 1 << 20); // no body that is too large as it is
  const length = `Content-Length: ${bomb.length}\r\n`;
  const chunks = join(bomb.length.toString(16), "\r\n", bomb, "\r\n0\r\n\r\n");
  const ndjson = "Content-Type: application/x-ndjson\r\n";
  const cases: [headers: string, body: Uint8Array][] = [
    [JSON_TYPE + "Content-Encoding: gzip\r\n" + length, bomb],
    [JSON_TYPE + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", chunks],
    [JSON_TYPE + "Transfer-Encoding: gzip, chunked\r\n", chunks],
    [ndjson + "Content-Encoding: gzip\r\n" + length, bomb],
    [ndjson + "Transfer-Encoding: gzip, chunked\r\n", chunks],
  ];
  await isAlive(server);
  const before = peakMegabytes(server);
  for (const [headers, body] of cases) {
    const request = join(postTo(server.topic), HOST, headers, "\r\n", body);
    const { statuses, text } = await raw(server.address, request);
    assert.deepEqual(statuses, [415], `${headers}: ${text}`);
    assert.match(text, /(Content|Transfer)-Encoding is \\?"gzip.*expected/);
    await isAlive(server);
  }
  const most = peakMegabytes(server);
  assert.ok(most < before + 64, `${before} MB before, up to ${most} MB`);
});

/** A produce request's body with a value of a gigabyte, compressed. */
function gzipBomb(): Promise<Uint8Array> {
  const piece = encoder.encode("x".repeat(10_000_000));
  const [begin, end] = ['{"records":[{"value":"', '"}]}'].map((text) => encoder.encode(text));
  const text = ReadableStream.from<BufferSource>([begin, ...Array(100).fill(piece), end]);
  return new Response(text.pipeThrough(new CompressionStream("gzip"))).bytes();
}

function join(...parts: (string | Uint8Array)[]): Uint8Array {
  const pieces = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  return concat(pieces, pieces.reduce((sum, { length }) => sum + length, 0));
}

Deno.test("what nobody should send leaves no socket open, and no memory taken", async () => {
  await using server = await startServer({ HTTP_BODY_TIMEOUT_MS: "300" });
  await sendAll(server); // what is made once is made now
  const [sockets, memory] = [descriptors(server), megabytes(server)];
  for (let i = 0; i < 3; i++) await sendAll(server);
  // One more, if each time left one, would be three. Kafka may have got another connection meanwhile, and that is all.
  await waitFor(() => descriptors(server) <= sockets + 2, { what: `${sockets} descriptors, as before` });
  assert.ok(megabytes(server) < memory + 60, `${memory} MB before, ${megabytes(server)} MB after`);
});

/** All of it: whole requests, bodies, one that does not come, and some that break off. */
async function sendAll(server: Server): Promise<void> {
  await check(server, FRAMING);
  await check(server, TARGETS);
  for (const [status, body] of BAD_BODIES) {
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    const request = join(postTo(server.topic), HOST, JSON_TYPE, `Content-Length: ${bytes.length}\r\n\r\n`, bytes);
    const { statuses, text } = await raw(server.address, request);
    assert.deepEqual(statuses, [status], text);
  }
  const head = postTo(server.topic) + HOST + JSON_TYPE + LENGTH + "\r\n";
  assert.deepEqual((await raw(server.address, head)).statuses, [408]);
  for (let length = 1; length < head.length; length++) (await connect(server, head.slice(0, length))).close();
  await isAlive(server);
}

Deno.test("what a client sends while it follows an event stream is kept, until the client has gone", async () => {
  await using server = await startServer();
  await isAlive(server);
  const piece = new Uint8Array(1 << 20);
  for (const [what, length] of [["requests", ""], ["a body", "Content-Length: 1000000000\r\n"]]) {
    const before = megabytes(server);
    using connection = await connect(server, `GET /topics/${server.topic}/events HTTP/1.1\r\n${HOST}${length}\r\n`);
    await connection.read(new Uint8Array(4096));
    for (let i = 0; i < 64; i++) await writeAll(connection, piece);
    // That is Deno.serve (2.9); no program can limit it, and docs/http.md says what to do. Once this fails, it need not.
    await waitFor(() => megabytes(server) > before + 48, { what: `${what} to be in memory` });
    await isAlive(server);
    assert.match(await metrics(server), /event_streams 1\n/);
    connection.close();
    await waitFor(() => megabytes(server) < before + 32, { what: `the memory of ${what} to be given back` });
    await waitFor(async () => /event_streams 0\n/.test(await metrics(server)), { what: "the stream to be ended" });
  }
});

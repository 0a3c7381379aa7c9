// A client that sends a stream of records and goes: what was accepted is delivered, and the log says how much that was.

import assert from "node:assert/strict";
import type { Logger } from "@std/log";
import { readTopic } from "../support/reader.ts";
import { waitFor } from "../support/wait.ts";
import { startApp } from "./app_test_util.ts";
import { writeAll } from "./server_util.ts";

const encoder = new TextEncoder();

/** Lines in a chunk of HTTP's. */
function chunkOf(lines: string): Uint8Array {
  return encoder.encode(`${encoder.encode(lines).length.toString(16)}\r\n${lines}\r\n`);
}

/** An app behind a port, whose log can be looked at, and a client that has begun a stream with the id `cut`. */
async function setUp() {
  const stack = new AsyncDisposableStack();
  const told: [level: string, message: string, fields: Record<string, unknown>][] = [];
  const tell = (level: string) => (message: string, fields: Record<string, unknown>) =>
    void told.push([level, message, fields]);
  const log = { debug: tell("debug"), warn: tell("warn"), error: tell("error") } as unknown as Logger;
  const t = stack.use(await startApp({ partitions: 3, parts: { log }, routes: { log } }));
  const server = stack.use(Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, t.app.fetch));
  const client = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  await writeAll(
    client,
    encoder.encode(
      `POST /topics/${t.topic} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n` +
        "X-Request-Id: cut\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
  );
  return {
    t,
    write: (lines: string) => writeAll(client, chunkOf(lines)),
    client,
    /** The line of the log that tells of the end of the stream. */
    end: () => waitFor(() => told.find(([, message]) => message === "a stream of records ended"), { what: "its end" }),
    values: async () => (await readTopic(t.bootstrap, t.topic)).map(({ value }) => Number(value)).sort((a, b) => a - b),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Lines from one number to before another. */
function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `{"value":${from + i}}\n`).join("");
}

Deno.test("of a stream whose client goes before it is answered, all that came is in Kafka and in the log", async () => {
  await using s = await setUp();
  await s.write(lines(0, 700) + "broken\n" + lines(700, 1_200) + '{"value":"half');
  // It has been sent nothing, so that what it sent is not thrown away when it closes: all of it arrives before its end.
  await waitFor(() => s.t.app.atWork === 1, { what: "the request to be at work" });
  s.client.close();
  const [level, , fields] = await s.end();
  assert.equal(level, "warn");
  assert.deepEqual(fields, {
    id: "cut",
    topic: s.t.topic,
    lines: 1_201,
    brokeOff: "the client broke off, or its body was malformed",
    acknowledged: 1_200,
    rejected: 0,
    unknown: 0,
    broken: 1,
  });
  assert.deepEqual(await s.values(), Array.from({ length: 1_200 }, (_, i) => i));
});

Deno.test("of a stream whose client goes while it is answered, what is logged as acknowledged is in Kafka", async () => {
  await using s = await setUp();
  await s.write(lines(0, 10));
  await s.client.read(new Uint8Array(4096)); // it has begun to get results
  const sent = 40_000;
  for (let from = 10; from < sent; from += 1_000) await s.write(lines(from, from + 1_000));
  s.client.close(); // with results unread: how much of what it has sent still arrives, nobody knows
  const [, , { acknowledged, rejected, unknown, broken, lines: count, id }] = await s.end();
  assert.equal(id, "cut");
  assert.deepEqual([rejected, unknown, broken], [0, 0, 0]);
  assert.equal(acknowledged, count);
  const values = await s.values();
  assert.deepEqual(values, Array.from({ length: Number(acknowledged) }, (_, i) => i));
  assert.ok(values.length >= 10);
});

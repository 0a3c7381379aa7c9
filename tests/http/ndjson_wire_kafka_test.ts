// Streams of records as they are on the wire: what Deno.serve does with them is not ours, but must not hurt.

import assert from "node:assert/strict";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { residentBytes } from "../support/process_stats.ts";
import { waitFor } from "../support/wait.ts";
import { connect, type Server, startServer } from "./server_util.ts";

/** A stream of records over HTTP/2, without TLS. */
function openHttp2({ url, topic }: Server) {
  const session = http2.connect(url);
  const stream = session.request({
    ":method": "POST",
    ":path": `/topics/${topic}`,
    "content-type": "application/x-ndjson",
  });
  let text = "";
  stream.setEncoding("utf8");
  const ended = new Promise<void>((resolve, reject) => stream.on("end", resolve).on("error", reject));
  return {
    stream,
    ended,
    read: () => void stream.on("data", (chunk: string) => text += chunk),
    results: () => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)),
    [Symbol.dispose]: () => session.destroy(),
  };
}

Deno.test("over HTTP/2 results come while the client sends without a pause", async () => {
  await using server = await startServer();
  using upload = openHttp2(server);
  upload.read();
  let sent = 0;
  while (upload.results().length === 0 && sent < 200) {
    upload.stream.write(`{"value":${sent++}}\n`);
    await sleep(20); // much shorter than the pause that begins an answer over HTTP/1.1
  }
  assert.ok(upload.results().length > 0, `no result after ${sent} lines`);
  upload.stream.end(`{"value":"last"}`);
  await upload.ended;
  const failed = upload.results().filter(({ error_code }) => error_code !== null);
  assert.deepEqual([upload.results().length, failed], [sent + 1, []]);
});

Deno.test("over HTTP/2 an upload whose results nobody reads stands still, and goes on when they are", async () => {
  await using server = await startServer();
  using upload = openHttp2(server);
  const lines = 1_000;
  const piece = `{"value":"${"x".repeat(50)}"}\n`.repeat(lines);
  let [taken, offered] = [0, 0];
  const before = residentBytes(server.script.pid);
  await waitFor(async () => {
    const known = taken;
    while (offered < taken + 4) {
      offered++;
      upload.stream.write(piece, () => taken++);
    }
    await sleep(500);
    return taken > 0 && taken === known;
  }, { what: "the upload to stand still" });
  const grown = residentBytes(server.script.pid) - before;
  assert.ok(grown < 100 << 20, `${grown} bytes more after ${taken} pieces`);
  upload.read();
  upload.stream.end();
  await upload.ended;
  assert.equal(upload.results().length, offered * lines);
});

Deno.test("over HTTP/1.1 a client that sends much faster than Kafka takes it is stopped, and told after which line", async () => {
  await using server = await startServer();
  using connection = await connect(server, "");
  const writer = connection.writable.getWriter();
  const encoder = new TextEncoder();
  const chunk = (text: string) => encoder.encode(`${text.length.toString(16)}\r\n${text}\r\n`);
  const line = `{"value":"${"x".repeat(1_000)}"}\n`;
  await writer.write(encoder.encode(
    `POST /topics/${server.topic} HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/x-ndjson\r\n` +
      `transfer-encoding: chunked\r\n\r\n`,
  ));
  await writer.write(chunk(line)); // and a pause: the answer begins
  const pieces: string[] = [];
  const reader = connection.readable.pipeThrough(new TextDecoderStream()).getReader();
  const readUntil = async (what: string) => {
    for (let tail = ""; !tail.includes(what);) {
      const { value = "" } = await reader.read();
      pieces.push(value);
      tail = tail.slice(-what.length) + value;
    }
  };
  await readUntil('"offset"');
  const before = residentBytes(server.script.pid);
  const flood = chunk(line.repeat(1_000));
  let peak = 0;
  const sending = (async () => {
    for (let sent = 0; sent < 300; sent++) {
      await writer.write(flood);
      if (sent % 50 === 0) peak = Math.max(peak, residentBytes(server.script.pid));
    }
    await writer.write(encoder.encode("0\r\n\r\n"));
  })().catch(() => {}); // the server takes no more
  await readUntil("\r\n0\r\n\r\n");
  connection.close();
  await sending;
  const answer = pieces.join("");
  const last = /The stream ended after line (\d+): it was sent much faster than Kafka takes it/.exec(answer);
  assert.ok(last, answer.slice(-200));
  assert.ok(peak - before < 300 << 20, `${peak - before} bytes more`);
  assert.equal(answer.match(/"offset":\d+,"error_code":null/g)!.length, Number(last[1]));
});

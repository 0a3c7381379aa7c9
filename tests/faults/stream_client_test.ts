import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import { postStream } from "./stream_client.ts";

/** A server whose answer to its one connection is what `serve` makes of it. */
function serve(serve: (connection: Deno.TcpConn, received: () => string) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let text = "";
  const done = (async () => {
    using connection = await listener.accept();
    const reading = (async () => {
      const buffer = new Uint8Array(1 << 16);
      for (let count; (count = await connection.read(buffer)) !== null;) {
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
    })().catch(() => {});
    await serve(connection, () => text);
    await connection.closeWrite().catch(() => {});
    await reading;
  })();
  return {
    port: listener.addr.port,
    received: () => text,
    async [Symbol.asyncDispose]() {
      await done;
      listener.close();
    },
  };
}

const say = (connection: Deno.TcpConn, text: string) => connection.write(new TextEncoder().encode(text));
const HEAD = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const options = () => {
  let time = 0;
  return { timeoutMs: 5_000, now: () => ++time };
};

Deno.test("lines go out piece by piece, and answers are taken in while others are still being sent", async () => {
  await using server = serve(async (connection, received) => {
    await waitFor(() => received().includes("first"), { what: "the first line" });
    await say(connection, HEAD + '8\r\n{"a":1}\n\r\n');
    await waitFor(() => received().endsWith("0\r\n\r\n"), { what: "the end of the upload" });
    for (const part of ['9\r\n{"b"', ":22}\n", "\r\n0\r\n\r\n"]) await say(connection, part);
  });
  const pieces = [{ lines: ["first"], pauseMs: 100 }, { lines: ["名字", "third"], pauseMs: 0 }];
  const answer = await postStream({ port: server.port, path: "/topics/t", pieces }, options());
  assert.deepEqual(answer.answered.map(({ text }) => text), ['{"a":1}', '{"b":22}']);
  assert.deepEqual([answer.status, answer.written.length, answer.failure], [200, 3, undefined]);
  assert.ok(answer.written[0] < answer.written[1]);
  assert.ok(answer.answered.at(-1)!.at > answer.uploadedAt);
  assert.match(server.received(), /\r\n\r\n6\r\nfirst\n\r\nd\r\n名字\nthird\n\r\n0\r\n\r\n$/);
});

Deno.test("an error is an answer of one line, and ends the upload", async () => {
  await using server = serve(async (connection) => {
    await say(connection, 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 18\r\n\r\n{"error_code":503}');
  });
  const pieces = [{ lines: ["a"], pauseMs: 10_000 }, { lines: ["b"], pauseMs: 0 }];
  const answer = await postStream({ port: server.port, path: "/", pieces }, options());
  assert.deepEqual([answer.status, answer.answered[0].text, answer.written.length], [503, '{"error_code":503}', 1]);
});

Deno.test("an answer that breaks off says so, and keeps what came before", async () => {
  await using server = serve(async (connection, received) => {
    await waitFor(() => received().includes("a\n"), { what: "the line" });
    await say(connection, HEAD + '8\r\n{"a":1}\n\r\n9\r\n{"b"');
  });
  const answer = await postStream({ port: server.port, path: "/", pieces: [{ lines: ["a"], pauseMs: 0 }] }, options());
  assert.deepEqual(answer.answered.map(({ text }) => text), ['{"a":1}']);
  assert.match(answer.failure!, /ended before the answer did/);
});

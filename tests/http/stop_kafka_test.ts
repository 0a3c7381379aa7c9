// SIGTERM: what the server has begun it finishes, and what it tells is so.

import assert from "node:assert/strict";
import { readTopic } from "../support/reader.ts";
import { waitFor } from "../support/wait.ts";
import { connect, startServer } from "./server_util.ts";

Deno.test("asked to stop under load, every 200 is in Kafka, and whoever was cut off had not been taken in", async () => {
  await using server = await startServer();
  const written: string[] = [];
  const others: number[] = [];
  const cutOff: string[] = [];
  let stopped = false;
  const client = async (name: number) => {
    for (let i = 0; !stopped; i++) {
      const value = `${name}-${i}`;
      try {
        const response = await fetch(`${server.url}/topics/${server.topic}`, {
          method: "POST",
          headers: { "content-type": "application/vnd.kafka.text.v2+json" },
          body: JSON.stringify({ records: [{ value }] }),
        });
        await response.text();
        if (response.status === 200) written.push(value);
        else others.push(response.status);
      } catch (error) {
        // Refused: the port is closed. Else the request crossed the closing of its idle connection, as HTTP/1.1 lets
        // happen: then it must not have been taken in.
        if (!String((error as Error).cause ?? error).includes("refused")) cutOff.push(value);
        return;
      }
    }
  };
  const clients = Array.from({ length: 30 }, (_, name) => client(name));
  await waitFor(() => written.length > 1_000, { what: "some load" });
  server.script.signal("SIGTERM");
  assert.equal((await server.script.exit).code, 0, server.script.tail());
  stopped = true;
  await Promise.all(clients);
  assert.ok(others.every((status) => status === 503), others.join());
  const stored = new Set((await readTopic(server.bootstrap, server.topic)).map(({ value }) => value?.toString()));
  assert.deepEqual(written.filter((value) => !stored.has(value)), []);
  assert.deepEqual(cutOff.filter((value) => stored.has(value)), [], "taken in, and not answered");
});

Deno.test("asked to stop in the middle of a request, the server takes the rest of it and answers", async () => {
  await using server = await startServer();
  using connection = await connect(server, "");
  const send = (text: string) => connection.write(new TextEncoder().encode(text));
  await send(
    `POST /topics/${server.topic} HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n` +
      "Expect: 100-continue\r\nContent-Length: 25\r\n\r\n",
  );
  const buffer = new Uint8Array(1_000);
  const read = async () => new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
  assert.match(await read(), /^HTTP\/1.1 100 /); // it is at work: somebody reads its body
  await send('{"records":[');
  server.script.signal("SIGTERM");
  await waitFor(async () => {
    const response = await fetch(`${server.url}/readyz`);
    return (await response.text()).includes("stopping");
  }, { what: "the server to say that it stops" });
  await send('{"value":1}]}');
  assert.match(await read(), /^HTTP\/1.1 200 .*"offset":0/s);
  assert.equal((await server.script.exit).code, 0, server.script.tail());
  const stored = await readTopic(server.bootstrap, server.topic);
  assert.deepEqual(stored.map(({ value }) => value?.toString()), ["1"]);
});

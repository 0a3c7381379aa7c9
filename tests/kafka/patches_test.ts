/** kafkajs's own classes, mended: against servers that cut, and with methods missing. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import type { Kafka } from "kafkajs";
import Connection from "kafkajs/src/network/connection.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import { applyPatches, clusterFactory } from "../../kafka/patches.ts";
import { startScript, waitFor } from "../support/wait.ts";

// deno-lint-ignore no-explicit-any
type Any = any; // kafkajs has no types for its internals

applyPatches();

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, read: true };

/** A server whose connections, in the order they came, are given to `serve`. */
async function startServer(serve: (socket: net.Socket, number: number) => void) {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    serve(socket, sockets.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Answers every request with its correlation id and `text`. The requests of these tests come in whole. */
function echo(socket: net.Socket, text: string): void {
  socket.on("data", (requests: Buffer) => {
    for (let at = 0; at < requests.length; at += 4 + requests.readInt32BE(at)) {
      socket.write(responseTo(requests.subarray(at), text));
    }
  });
}

/** The same for one request at a time, the first two bytes of each answer alone. */
function echoInPieces(socket: net.Socket, text: string): void {
  socket.setNoDelay();
  socket.on("data", (request: Buffer) => {
    const response = responseTo(request, text);
    socket.write(response.subarray(0, 2));
    setTimeout(() => socket.write(response.subarray(2)), 60);
  });
}

function responseTo(request: Buffer, text: string): Buffer {
  const response = Buffer.alloc(8 + text.length);
  response.writeInt32BE(4 + text.length, 0);
  request.copy(response, 4, 8, 12); // the correlation id
  response.write(text, 8);
  return response;
}

/** A real connection of kafkajs's to that port. */
function connectionTo(port: number) {
  const silent: Any = { namespace: () => silent, debug() {}, info() {}, warn() {}, error() {} };
  const connection = new (Connection as Any)({
    ...{ host: "127.0.0.1", port, logger: silent, clientId: "test", connectionTimeout: 2_000, requestTimeout: 2_000 },
    socketFactory: ({ host, port, onConnect }: Any) => net.connect({ host, port }, onConnect),
  });
  return Object.assign(connection, {
    async [Symbol.asyncDispose]() {
      const { socket } = connection;
      connection.rejectRequests(new Error("the test is over"));
      await connection.disconnect();
      socket?.destroy();
      if (socket && !socket.closed) await once(socket, "close");
    },
  });
}

/** Sends a request, connecting first where needed, and returns the answer's text. */
async function ask(connection: Any): Promise<string> {
  await connection.connect();
  return await connection.send({
    request: {
      apiKey: 18,
      apiVersion: 0,
      apiName: "ApiVersions",
      encode: () => Promise.resolve(new (Encoder as Any)()),
    },
    response: { decode: (raw: Buffer) => Promise.resolve(raw), parse: (raw: Buffer) => Promise.resolve(String(raw)) },
    logResponseError: false,
  });
}

for (const cut of [2, 4, 9]) {
  Deno.test({
    name: `a reset ${cut} bytes into a response is forgotten by the next connection`,
    permissions,
    async fn() {
      await using server = await startServer((socket, number) => {
        if (number > 1) return echoInPieces(socket, "whole");
        socket.once("data", (request: Buffer) => {
          socket.write(responseTo(request, "cut off").subarray(0, cut), () => socket.resetAndDestroy());
        });
      });
      await using connection = connectionTo(server.port);
      await assert.rejects(ask(connection), { name: "KafkaJSConnectionError" });
      await waitFor(() => !connection.isConnected(), { what: "kafkajs to notice" });
      assert.equal(await ask(connection), "whole");
      assert.equal(await ask(connection), "whole");
    },
  });
}

Deno.test({
  name: "answers are put together from pieces of any size, also where one ends and the next begins in the same piece",
  permissions: "none",
  fn() {
    const lengths = [0, 1, 3, 100, 5_000, 70_000, 2, 300_000];
    const bodies = lengths.map((length, i) => Buffer.alloc(length, `${i} and so on `));
    const stream = Buffer.concat(bodies.flatMap((body, i) => {
      const head = Buffer.alloc(8);
      head.writeInt32BE(4 + body.length, 0);
      head.writeInt32BE(i, 4);
      return [head, body];
    }));
    for (const size of [1, 3, 7, 1_000, 65_536, stream.length]) {
      const got: Any[] = [];
      const connection = Object.assign(Object.create((Connection as Any).prototype), {
        ...{ chunks: [], bytesBuffered: 0, bytesNeeded: 4, authHandlers: null },
        requestQueue: { fulfillRequest: (answer: Any) => got.push(answer) },
      });
      for (let at = 0; at < stream.length; at += size) {
        connection.processData(Buffer.from(stream.subarray(at, at + size)));
      }
      assert.deepEqual(got.map(({ correlationId }) => correlationId), bodies.map((_, i) => i), `pieces of ${size}`);
      bodies.forEach((body, i) => assert.ok(body.equals(got[i].payload), `answer ${i} in pieces of ${size}`));
    }
  },
});

Deno.test({
  name: "requests that find the connection closed at the same time share one socket",
  permissions,
  async fn() {
    await using server = await startServer((socket) => echo(socket, "hello"));
    await using connection = connectionTo(server.port);
    assert.deepEqual(await Promise.all([ask(connection), ask(connection), ask(connection)]), [
      "hello",
      "hello",
      "hello",
    ]);
    assert.equal(server.sockets.length, 1);
    await connection.connect();
    assert.equal(server.sockets.length, 1, "connected already");
  },
});

Deno.test({
  name: "connecting again while connected forgets nothing of a response that is under way",
  permissions,
  async fn() {
    await using server = await startServer((socket) => echoInPieces(socket, "hello"));
    await using connection = connectionTo(server.port);
    const answer = ask(connection);
    await waitFor(() => connection.bytesBuffered === 2, { what: "the first two bytes" });
    await connection.connect();
    assert.equal(await answer, "hello");
  },
});

Deno.test({
  name: "a failed attempt to connect fails all who waited for it, and the next attempt is a new one",
  permissions,
  async fn() {
    let port: number;
    {
      await using server = await startServer(() => {});
      port = server.port;
    }
    await using connection = connectionTo(port);
    const results = await Promise.allSettled([connection.connect(), connection.connect()]);
    assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
    const server = net.createServer((socket) => echo(socket, "back")).listen(port, "127.0.0.1");
    await once(server, "listening");
    assert.equal(await ask(connection), "back");
    server.close();
  },
});

Deno.test({
  name: "a connection on which nothing is throttled schedules no check for what is",
  permissions,
  async fn() {
    await using server = await startServer((socket) => echo(socket, "hello"));
    await using connection = connectionTo(server.port);
    await ask(connection);
    assert.equal(connection.requestQueue.throttleCheckTimeoutId, null);
  },
});

Deno.test({
  name: "a request that a throttle holds back is sent when that ends, and then nothing is scheduled any more",
  permissions,
  async fn() {
    await using server = await startServer((socket) => echo(socket, "hello"));
    await using connection = connectionTo(server.port);
    await ask(connection);
    connection.requestQueue.maybeThrottle(150);
    const began = performance.now();
    assert.equal(await ask(connection), "hello");
    assert.ok(performance.now() - began > 140, "not before");
    assert.equal(connection.requestQueue.throttleCheckTimeoutId, null);
  },
});

Deno.test({
  name: "applying the repairs again changes nothing",
  permissions: "none",
  fn() {
    const { connect } = (Connection as Any).prototype;
    applyPatches();
    assert.equal((Connection as Any).prototype.connect, connect);
  },
});

const LACKING: Record<string, string[]> = {
  "network/connection.js": ["connect", "disconnect", "processData", "send"],
  "network/requestQueue/index.js": ["scheduleCheckPendingRequests", "checkPendingRequests"],
};

for (const [file, methods] of Object.entries(LACKING)) {
  Deno.test({
    name: `another kafkajs, whose ${file} lacks a method, is refused by that method's name`,
    permissions: { run: true, env: true, read: true },
    async fn() {
      const root = new URL("../../", import.meta.url);
      const program = `
        import Class from "kafkajs/src/${file}";
        import { applyPatches } from "${root}kafka/patches.ts";
        for (const method of ${JSON.stringify(methods)}) {
          const kept = Class.prototype[method];
          delete Class.prototype[method];
          try { applyPatches(); } catch (error) { console.log(error.message); }
          Class.prototype[method] = kept;
        }
      `;
      await using script = startScript([
        "eval",
        "--no-lock",
        `--config=${new URL("deno.json", root).pathname}`,
        program,
      ]);
      assert.equal((await script.exit).code, 0, script.tail());
      const name = file.includes("Queue") ? "RequestQueue" : "Connection";
      assert.deepEqual(
        script.stdoutLines,
        methods.map((method) =>
          `kafkajs has no ${name}.${method}; kafka-deno is written for kafkajs 2.2.4, which deno.json pins`
        ),
      );
    },
  });
}

Deno.test({
  name: "a client without a maker of clusters, or whose clusters are others, is refused",
  permissions: "none",
  fn() {
    const wanted = /kafkajs has no Kafka\[private:Kafka:createCluster\]; kafka-deno is written for kafkajs 2\.2\.4/;
    assert.throws(() => clusterFactory({} as Kafka), wanted);
    const make = (cluster: unknown) => ({ [Symbol("private:Kafka:createCluster")]: () => cluster }) as unknown as Kafka;
    const f = () => {};
    const methods = { connect: f, refreshMetadata: f, disconnect: f };
    assert.throws(() => clusterFactory(make(methods))({}), /kafkajs has no Cluster\.findBroker;/);
    assert.throws(() => clusterFactory(make({ ...methods, findBroker: f }))({}), /kafkajs has no BrokerPool\./);
  },
});

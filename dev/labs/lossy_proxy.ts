/**
 * A network that loses one answer: a TCP proxy before all brokers that can let Kafka write a batch, and cut the
 * connection in place of the answer.
 *
 * Clients stay on it because it puts its own ports into the answers to Metadata requests. Connections without TLS only.
 * Frames: https://kafka.apache.org/protocol#protocol_common
 *
 * @module
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { once } from "node:events";

const PRODUCE = 0;
const METADATA = 3;
/** Where answers to Metadata have the throttle time in front, and no tagged fields: what kafkajs asks for is 6. */
const METADATA_VERSIONS = { min: 3, max: 8 };

interface Address {
  host: string;
  port: number;
}

/** Requests without an answer yet: type and version by correlation id. */
type Pending = Map<number, { api: number; version: number }>;

/** The proxy. Disposing of it cuts all connections. */
export class LossyProxy implements AsyncDisposable {
  /** Answers to Produce requests that were lost. */
  lost = 0;
  #toLose = 0;
  readonly #listeners = new Map<string, Promise<number>>();
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<net.Socket>();

  /** Where clients are to begin instead of at this broker, `host:port`. */
  async before(broker: string): Promise<string> {
    const at = broker.lastIndexOf(":");
    const port = await this.#listenBefore({ host: broker.slice(0, at), port: Number(broker.slice(at + 1)) });
    return `127.0.0.1:${port}`;
  }

  /** Loses the next answer to a Produce request, once the broker has given it. */
  loseNext(): void {
    this.#toLose = 1;
  }

  #listenBefore(target: Address): Promise<number> {
    const key = `${target.host}:${target.port}`;
    const listening = this.#listeners.get(key) ?? this.#listen(target);
    this.#listeners.set(key, listening);
    return listening;
  }

  async #listen(target: Address): Promise<number> {
    const server = net.createServer((client) => this.#connect(client, target));
    this.#servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as net.AddressInfo).port;
  }

  #connect(client: net.Socket, target: Address): void {
    const broker = net.connect(target);
    const pending: Pending = new Map();
    for (const [socket, other] of [[client, broker], [broker, client]]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => (this.#sockets.delete(socket), other.destroy()));
    }
    onFrames(client, (frame) => {
      pending.set(frame.readInt32BE(8), { api: frame.readInt16BE(4), version: frame.readInt16BE(6) });
      broker.write(frame);
    });
    let turn = Promise.resolve();
    onFrames(broker, (frame) => {
      turn = turn.then(() => this.#answer(frame, { client, pending })).catch(() => void client.destroy());
    });
  }

  async #answer(frame: Buffer, { client, pending }: { client: net.Socket; pending: Pending }): Promise<void> {
    const id = frame.readInt32BE(4);
    const request = pending.get(id);
    pending.delete(id);
    if (request?.api === PRODUCE && this.#toLose > 0) {
      this.#toLose--;
      this.lost++;
      client.destroy();
      return;
    }
    client.write(request?.api === METADATA ? await this.#redirect(frame, request.version) : frame);
  }

  /** Names our ports in place of the brokers'. */
  async #redirect(frame: Buffer, version: number): Promise<Buffer> {
    if (version < METADATA_VERSIONS.min || version > METADATA_VERSIONS.max) {
      throw new RangeError(`Metadata ${version} cannot be read; expected version 3 to 8`);
    }
    let at = 12; // size, correlation id, throttle time
    const count = frame.readInt32BE(at);
    at += 4;
    const parts = [frame.subarray(4, at)];
    for (let i = 0; i < count; i++) {
      const id = frame.subarray(at, at + 4);
      const hostEnd = at + 6 + frame.readInt16BE(at + 4);
      const host = frame.toString("utf8", at + 6, hostEnd);
      const rackEnd = hostEnd + 6 + Math.max(0, frame.readInt16BE(hostEnd + 4));
      const ours = Buffer.from("127.0.0.1");
      const head = Buffer.alloc(2);
      head.writeInt16BE(ours.length);
      const port = Buffer.alloc(4);
      port.writeInt32BE(await this.#listenBefore({ host, port: frame.readInt32BE(hostEnd) }));
      parts.push(id, head, ours, port, frame.subarray(hostEnd + 4, rackEnd));
      at = rackEnd;
    }
    const body = Buffer.concat([...parts, frame.subarray(at)]);
    const size = Buffer.alloc(4);
    size.writeInt32BE(body.length);
    return Buffer.concat([size, body]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#listeners.values());
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Calls back with each frame, its size in front. */
function onFrames(socket: net.Socket, onFrame: (frame: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      onFrame(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  });
}

/**
 * The two sockets of one connection through the fault proxy, and between them
 * a lane for requests and one for responses. A lane does one thing after the
 * other, so whatever holds a message up holds up all behind it, as TCP does.
 *
 * node:net and not Deno.connect, because only its sockets can send a reset.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FrameSplitter } from "./kafka_frames.ts";
import type { Direction, Ending } from "./proxy_rules.ts";

/** What all connections of a proxy have in common. */
export interface WireHost {
  readonly target: { hostname: string; port: number };
  /** Bytes per second, for each direction of each connection. */
  readonly rate: number;
  /** The delay of a message that arrives now, in ms. */
  delay(): number;
  /** What to wait for while there is a black hole in this direction. */
  healed(direction: Direction): Promise<void> | undefined;
  /** Something went wrong inside the proxy itself. */
  failed(error: unknown): void;
}

/** Thrown inside a lane when the connection is gone; never seen outside. */
class Gone extends Error {}

/** Steps that run one after the other. */
class Lane {
  #tail: Promise<void> = Promise.resolve();
  /** Bytes that wait. */
  backlog = 0;

  add(bytes: number, step: () => Promise<void>): void {
    this.backlog += bytes;
    this.#tail = this.#tail.then(step).finally(() => this.backlog -= bytes);
  }

  get idle(): Promise<void> {
    return this.#tail;
  }
}

/** Above it the proxy stops reading, and TCP pushes back on the sender. */
const MAX_BACKLOG = 64 * 2 ** 20;

/** One client's socket, tied to one of the broker's. */
export class Wire {
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<void>;
  #host: WireHost;
  #onFrame: (direction: Direction, frame: Buffer) => Promise<void>;
  #client: net.Socket;
  #broker: net.Socket;
  #gone = new AbortController();
  #lanes = { request: new Lane(), response: new Lane() };

  /** `onFrame` is called in the order of each lane, which waits for it. */
  constructor(
    client: net.Socket,
    host: WireHost,
    onFrame: (direction: Direction, frame: Buffer) => Promise<void>,
  ) {
    this.#host = host;
    this.#onFrame = onFrame;
    this.#client = client;
    const { hostname, port } = host.target;
    this.#broker = net.connect({ host: hostname, port, allowHalfOpen: true });
    const sockets = [this.#client, this.#broker];
    this.closed = Promise.all(
      sockets.map((it) => new Promise((resolve) => it.once("close", resolve))),
    ).then(() => this.#gone.abort(new Gone()));
    this.#carry("request", this.#client, this.#broker);
    this.#carry("response", this.#broker, this.#client);
  }

  /** Ends both sides now, whatever is on its way. */
  cut(ending: Ending): void {
    this.#gone.abort(new Gone());
    for (const socket of [this.#client, this.#broker]) {
      if (ending === "rst") socket.resetAndDestroy();
      else socket.destroySoon();
    }
  }

  #carry(direction: Direction, from: net.Socket, to: net.Socket): void {
    const splitter = new FrameSplitter();
    const lane = this.#lanes[direction];
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      for (const frame of this.#split(splitter, chunk)) {
        this.enqueue(
          direction,
          frame.length,
          () => this.#onFrame(direction, frame),
        );
      }
      if (lane.backlog < MAX_BACKLOG || from.isPaused()) return;
      from.pause();
      lane.idle.then(() => from.resume());
    });
    from.on("end", () =>
      this.enqueue(direction, 0, async () => {
        await this.write(direction, splitter.rest());
        to.end();
      }));
    from.on("error", () => {
      // What the broker sent before it broke off still arrives; what a client
      // had to send is lost with it.
      if (direction === "request") return this.cut("rst");
      this.enqueue(direction, 0, () => Promise.resolve(this.cut("rst")));
    });
  }

  #split(splitter: FrameSplitter, chunk: Buffer): Buffer[] {
    try {
      return splitter.push(chunk);
    } catch (error) {
      this.#fail(error);
      return [];
    }
  }

  #fail(error: unknown): void {
    this.#host.failed(error);
    this.cut("rst");
  }

  /** Does `step` when its turn in the lane, and the latency, has come. */
  enqueue(
    direction: Direction,
    bytes: number,
    step: () => Promise<void>,
  ): void {
    const due = performance.now() + this.#host.delay();
    this.#lanes[direction].add(bytes, async () => {
      try {
        this.#gone.signal.throwIfAborted();
        await this.sleep(due - performance.now());
        await this.unlessGone(this.#host.healed(direction));
        await step();
      } catch (error) {
        if (!this.#gone.signal.aborted) this.#fail(error);
      }
    });
  }

  /** Writes at the rate that is set; returns when the kernel has all of it. */
  async write(direction: Direction, bytes: Buffer): Promise<void> {
    const to = direction === "request" ? this.#broker : this.#client;
    for (let at = 0; at < bytes.length;) {
      await this.unlessGone(this.#host.healed(direction));
      const { rate } = this.#host;
      const size = Math.min(bytes.length - at, Math.ceil(rate / 20));
      const chunk = bytes.subarray(at, at + size);
      if (rate < Infinity) await this.sleep(1000 * size / rate);
      await this.unlessGone(
        new Promise<void>((resolve) => to.write(chunk, () => resolve())),
      );
      at += size;
    }
  }

  async sleep(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#gone.signal });
  }

  /** Waits, but not longer than the connection lives. */
  async unlessGone(promise: Promise<void> | undefined): Promise<void> {
    if (!promise) return;
    const { signal } = this.#gone;
    signal.throwIfAborted();
    const { promise: gone, reject } = Promise.withResolvers<never>();
    const leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave);
    try {
      await Promise.race([promise, gone]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}

/**
 * Listens, and goes on listening: where a process runs out of file descriptors, Deno.serve (2.9) gives up its port.
 *
 * @module
 */
import type { Logger } from "@std/log";

/** How long to wait before the port is taken again, in ms. */
const AGAIN_MS = 200;

/** Where to listen, and with which certificate. */
export interface ListenOptions {
  host: string;
  port: number;
  tlsCert?: string;
  tlsKey?: string;
}

/** A port that is listened on. */
export class Listener {
  readonly #options: ListenOptions;
  readonly #handler: Deno.ServeHandler<Deno.NetAddr>;
  readonly #log: Logger;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #timer?: ReturnType<typeof setTimeout>;
  #stopped = false;

  /** Begins to listen. @throws {Deno.errors.AddrInUse} when the port is taken, with what to do about it */
  constructor(options: ListenOptions, handler: Deno.ServeHandler<Deno.NetAddr>, log: Logger) {
    this.#options = options;
    this.#handler = handler;
    this.#log = log;
    this.#server = this.#listen(options.port);
    const { hostname, port } = this.#server.addr;
    const name = hostname.includes(":") ? `[${hostname}]` : hostname;
    log.info(`listening on http${options.tlsCert ? "s" : ""}://${name}:${port}`, { pid: Deno.pid });
  }

  /** Where it listens. */
  get address(): Deno.NetAddr {
    return this.#server.addr;
  }

  /** Listens no longer. Resolves when all connections are closed, which may be never: give it a deadline. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#server.shutdown();
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { host, tlsCert: cert, tlsKey: key } = this.#options;
    const options = { hostname: host, port, onListen() {} };
    try {
      const server = Deno.serve(cert && key ? { ...options, cert, key } : options, this.#handler);
      server.finished.catch((error) => this.#again(error));
      return server;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      const remedy = "stop the program that has it, or choose another with --port or HTTP_PORT (0: any free one)";
      throw new Deno.errors.AddrInUse(`port ${port} is taken; ${remedy}`);
    }
  }

  /** Connections that were accepted before are served on. */
  #again(error: unknown): void {
    if (this.#stopped) return;
    this.#log.error("connections cannot be accepted; trying again", { error });
    const { port } = this.#server.addr;
    this.#timer = setTimeout(() => {
      try {
        this.#server = this.#listen(port);
        this.#log.info("connections are accepted again");
      } catch (error) {
        this.#again(error);
      }
    }, AGAIN_MS);
  }
}

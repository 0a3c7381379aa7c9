/**
 * A TCP proxy that understands Kafka's frames, to put faults between a client
 * and one broker. The broker must advertise the proxy's port, else clients
 * bypass it after their first metadata request.
 *
 *   await using proxy = await startProxy({ target: broker, port: advertised });
 *   using lost = proxy.rule({
 *     api: "Produce",
 *     times: 1,
 *     action: { do: "drop", at: "response" },
 *   });
 *   ... send ...
 *   await lost.hit();
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import net from "node:net";
import { once } from "node:events";
import type { Request } from "./kafka_frames.ts";
import { Link, type LinkHost } from "./proxy_link.ts";
import { describeAction, Rule } from "./proxy_rules.ts";
import type { Direction, Ending, RuleOptions } from "./proxy_rules.ts";
import { type Random, seededRandom } from "./wait.ts";

export type { Action, Direction, Ending } from "./proxy_rules.ts";
export type { Rule, RuleOptions } from "./proxy_rules.ts";
export type { Request } from "./kafka_frames.ts";

/** An address to connect to. */
export interface Address {
  hostname: string;
  port: number;
}

/** Where {@linkcode startProxy} listens, and where it leads. */
export interface ProxyOptions {
  /** The broker. It need not be there yet. */
  target: Address;
  /** Where to listen on 127.0.0.1: what the broker advertises. Any by default. */
  port?: number;
  /** For everything random; 1 by default. */
  seed?: number;
}

/** Something that the proxy did to somebody. */
export interface Fault {
  /** Milliseconds since the proxy was started. */
  at: number;
  /** The connection, counted from 1; none for those that concern all. */
  connection?: number;
  /** For people: `Produce 17: drop response`. */
  what: string;
}

/** What went through a proxy. */
export interface ProxyStats {
  connections: { open: number; total: number };
  /** Requests as they came in, by type. */
  requests: Record<string, number>;
  /** In the order of time. */
  faults: Fault[];
}

/** Starts a proxy; disposing it cuts everything and frees the port. */
export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options);
  await proxy.listen(options.port ?? 0);
  return proxy;
}

/** A proxy in front of one broker. */
export class FaultProxy implements AsyncDisposable {
  /** For new connections; a broker that restarts elsewhere is set here. */
  target: Address;
  readonly hostname = "127.0.0.1";
  #port = 0;
  #seed: number;
  #random: Random;
  #server: net.Server;
  #links = new Set<Link>();
  #rules: Rule[] = [];
  #modes = {
    latency: { ms: 0, jitter: 0 },
    rate: Infinity,
    life: undefined as { min: number; max: number } | undefined,
  };
  #holes: Partial<Record<Direction, PromiseWithResolvers<void>>> = {};
  #started = performance.now();
  #total = 0;
  #requests: Record<string, number> = {};
  #faults: Fault[] = [];
  #failures: unknown[] = [];

  /** Use {@linkcode startProxy}. */
  constructor({ target, seed = 1 }: ProxyOptions) {
    this.target = target;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#server = net.createServer(
      { allowHalfOpen: true },
      (client) => this.#accept(client),
    );
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, this.hostname);
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as net.AddressInfo).port;
  }

  get port(): number {
    return this.#port;
  }

  get stats(): ProxyStats {
    return {
      connections: { open: this.#links.size, total: this.#total },
      requests: { ...this.#requests },
      faults: [...this.#faults],
    };
  }

  /**
   * Adds a rule. Of several that match a message the oldest acts, alone; its
   * request and its response are two messages.
   */
  rule(options: RuleOptions): Rule {
    // Its own numbers, so that what it hits does not hang on what others do.
    const seed = this.#seed + 1_000_003 * this.#rules.length;
    const rule = new Rule(options, seededRandom(seed));
    this.#rules.push(rule);
    return rule;
  }

  /**
   * Nothing comes through, closed connections included, until
   * {@linkcode heal}: then all of it does, in order, as TCP would send it
   * again. New connections are still accepted, but get no answer.
   */
  blackhole(direction: Direction | "both" = "both"): void {
    this.#note(`black hole (${direction})`);
    for (const it of ["request", "response"] as const) {
      if (direction === it || direction === "both") {
        this.#holes[it] ??= Promise.withResolvers();
      }
    }
  }

  /**
   * Adds `ms`, give or take up to `jitter`, to each round trip (half on either
   * way), on all connections. Messages still arrive in order.
   */
  latency(ms: number, jitter = 0): void {
    this.#note(`latency ${ms} ms, jitter ${jitter} ms`);
    this.#modes.latency = { ms, jitter };
  }

  /** Limits each direction of each connection to so many bytes a second. */
  bandwidth(bytesPerSecond: number): void {
    this.#note(`bandwidth ${bytesPerSecond} bytes/s`);
    this.#modes.rate = bytesPerSecond;
  }

  /**
   * Cuts each connection, old or new, after `min` to `max` ms: half of them
   * with a reset, half with an orderly end.
   */
  connectionLife(life: { min: number; max: number }): void {
    this.#note(`connections live ${life.min} to ${life.max} ms`);
    this.#modes.life = life;
    for (const link of this.#links) this.#limitLife(link);
  }

  /** Ends black holes, latency, bandwidth and connection life; not rules. */
  heal(): void {
    this.#note("healed");
    this.#modes.latency = { ms: 0, jitter: 0 };
    this.#modes.rate = Infinity;
    this.#modes.life = undefined;
    for (const link of this.#links) this.#limitLife(link);
    for (const hole of Object.values(this.#holes)) hole.resolve();
    this.#holes = {};
  }

  /** Cuts all open connections now. */
  cutAll(ending: Ending = "rst"): void {
    this.#note(`cut all ${this.#links.size} connections (${ending})`);
    for (const link of this.#links) link.cut(ending);
  }

  #accept(client: net.Socket): void {
    const link = new Link(++this.#total, client, this.#host());
    this.#links.add(link);
    link.closed.then(() => this.#links.delete(link));
    this.#limitLife(link);
  }

  #limitLife(link: Link): void {
    const { life } = this.#modes;
    link.expireAfter(life && this.#random.between(life.min, life.max), () => {
      const ending = this.#random.pick(["rst", "fin"] as const);
      this.#note(`end of life (${ending})`, link.id);
      link.cut(ending);
    });
  }

  #host(): LinkHost {
    const modes = this.#modes;
    const jitter = (ms: number) => this.#random.between(-ms, ms);
    return {
      target: this.target,
      get rate() {
        return modes.rate;
      },
      delay: () => (modes.latency.ms + jitter(modes.latency.jitter)) / 2,
      jitter,
      healed: (direction) => this.#holes[direction]?.promise,
      match: (direction, request, response) => this.#match(direction, request, response),
      counted: ({ api }) => this.#requests[api] = (this.#requests[api] ?? 0) + 1,
      applied: (rule, request, id) => this.#applied(rule, request, id),
      failed: (error) => this.#failures.push(error),
    };
  }

  #match(direction: Direction, request: Request, response?: Buffer) {
    for (const rule of this.#rules) {
      if (rule.at !== direction || !rule.takes(request, response)) continue;
      if (rule.action.do !== "count") return rule;
      rule.applied();
    }
  }

  #applied(rule: Rule, { api, correlationId }: Request, id: number): void {
    this.#note(`${api} ${correlationId}: ${describeAction(rule.action)}`, id);
    rule.applied();
  }

  #note(what: string, connection?: number): void {
    const at = Math.round(performance.now() - this.#started);
    this.#faults.push({ at, connection, what });
  }

  /** @throws {AggregateError} of what went wrong inside the proxy itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const rule of this.#rules) rule[Symbol.dispose]();
    const links = [...this.#links];
    for (const link of links) link.cut("rst");
    await Promise.all([closed, ...links.map((link) => link.closed)]);
    if (this.#failures.length > 0) {
      throw new AggregateError(
        this.#failures,
        `the proxy failed: ${this.#failures[0]}`,
      );
    }
  }
}

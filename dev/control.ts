/**
 * The control channel: how the page of `deno task start` begins labs and works their buttons. It starts and stops
 * processes, so it listens on 127.0.0.1 only, wants a token that is made at each start, and checks Host and Origin as
 * the server does; `server.ts` alone has none of it.
 *
 *     GET  /lab                  what there is, and the lab that was begun with its facts
 *     POST /lab/LAB/ACTION       `begin`, `end`, or a button of the lab; a JSON object with what the button needs
 *
 * One lab at a time: the next one ends the one before. Each request renews the lease of the page; without any for a
 * while, all is undone.
 *
 * @module
 */
import { Registry } from "prom-client";
import { App } from "../http/app.ts";
import { HttpError } from "../http/errors.ts";
import { plainTokens, Tokens } from "../http/tokens.ts";
import type { Call, HandledRoute } from "../http/types.ts";
import { loggerFor } from "../log.ts";
import { createHttpMetrics } from "../metrics.ts";
import type { Input, Lab, Offer } from "./labs/lab.ts";

/** How long a page may be silent, in ms: browsers let pages in the background run once a minute. */
const LEASE_MS = 90_000;
const MAX_BODY_BYTES = 4_096;
const MAX_REQUESTS = 20;

/** Settings of {@linkcode Control}. */
export interface ControlOptions {
  /** Where the page may come from: `http://localhost:8082`. */
  origins: readonly string[];
  /** In ms; 90,000 by default. */
  leaseMs?: number;
  /** Told what begins and ends, one line each. */
  print: (line: string) => void;
}

/** The channel. Disposing of it undoes the lab that was begun. */
export class Control implements AsyncDisposable {
  readonly #offers: Record<string, Offer>;
  readonly #options: ControlOptions;
  readonly #token = crypto.randomUUID();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #open: { name: string; lab: Lab } | undefined;
  /** The action at work, `partition/send`. */
  #busy: string | undefined;
  #work: Promise<unknown> = Promise.resolve();
  #lease: ReturnType<typeof setTimeout> | undefined;
  #closing = false;

  /** Begins to listen on a free port. */
  constructor(offers: Record<string, Offer>, options: ControlOptions) {
    this.#offers = offers;
    this.#options = options;
    const routes: HandledRoute[] = [
      { method: "GET", path: "/lab", access: "read", handle: () => this.#state() },
      { method: "POST", path: "/lab/{lab}/{action}", access: "write", handle: (call) => this.#act(call) },
    ];
    const app = new App(
      { allowedHosts: ["127.0.0.1"], allowedOrigins: options.origins, maxConnections: MAX_REQUESTS },
      {
        routes,
        tokens: new Tokens(plainTokens([this.#token])),
        log: loggerFor("dev"),
        metrics: createHttpMetrics(new Registry()),
      },
    );
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  }

  /** What the page needs: `http://127.0.0.1:PORT#TOKEN`. */
  get address(): string {
    return `http://127.0.0.1:${this.#server.addr.port}#${this.#token}`;
  }

  #state(): Response {
    this.#renew();
    return Response.json({
      labs: Object.entries(this.#offers).map(([name, { obstacle = null }]) => ({ name, obstacle })),
      open: this.#open?.name ?? null,
      facts: this.#open?.lab.facts ?? null,
      busy: this.#busy ?? null,
    });
  }

  async #act({ request, parameters: [name, action] }: Call): Promise<Response> {
    this.#renew();
    const offer = Object.hasOwn(this.#offers, name) ? this.#offers[name] : undefined;
    if (!offer) throw new HttpError(404, `There is no lab ${name}; expected ${Object.keys(this.#offers).join(", ")}`);
    if (offer.obstacle) throw new HttpError(409, `The lab ${name} cannot take place here: ${offer.obstacle}`);
    const input = await readInput(request);
    if (this.#busy) throw new HttpError(409, `${this.#busy} is at work; expected it to be done`);
    try {
      await this.#alone(`${name}/${action}`, () => this.#do(offer, { name, action, input }));
    } catch (error) {
      if (error instanceof HttpError) throw error;
      throw new HttpError(502, `${name}/${action} failed: ${(error as Error).message}`, { cause: error });
    }
    return this.#state();
  }

  async #do(offer: Offer, { name, action, input }: { name: string; action: string; input: Input }): Promise<void> {
    if (action === "begin" || action === "end") {
      await this.#end();
      if (action === "begin") this.#open = { name, lab: await offer.begin() };
      return this.#options.print(`lab ${name}: ${action === "begin" ? "begun" : "ended"}`);
    }
    if (this.#open?.name !== name) throw new HttpError(409, `The lab ${name} was not begun; expected begin before`);
    const { actions } = this.#open.lab;
    if (!Object.hasOwn(actions, action)) {
      throw new HttpError(404, `${name} has no ${action}; expected ${Object.keys(actions).join(", ")}`);
    }
    await actions[action](input);
  }

  /** Runs a piece of work that nothing else may overlap. */
  async #alone(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#closing) throw new HttpError(503, "The labs are being closed; expected nothing more");
    this.#busy = what;
    const done = work().finally(() => this.#busy = undefined);
    this.#work = done.catch(() => {});
    await done;
  }

  async #end(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.lab[Symbol.asyncDispose]();
  }

  #renew(): void {
    clearTimeout(this.#lease);
    if (this.#closing) return;
    this.#lease = setTimeout(() => this.#expire(), this.#options.leaseMs ?? LEASE_MS);
  }

  #expire(): void {
    if (this.#busy) return this.#renew();
    if (!this.#open) return;
    this.#options.print(`lab ${this.#open.name}: ended, as no page asks for it any more`);
    this.#alone("end", () => this.#end()).catch((error) => this.#options.print(`lab: ${error.message}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#lease);
    await this.#work;
    await this.#end().catch((error) => this.#options.print(`lab: ${error.message}`));
    await this.#server.shutdown();
  }
}

async function readInput(request: Request): Promise<Input> {
  const text = await request.text();
  if (text.length > MAX_BODY_BYTES) throw new HttpError(413, `The body has ${text.length} characters; expected fewer`);
  if (text === "") return {};
  try {
    const input = JSON.parse(text);
    if (typeof input === "object" && input !== null && !Array.isArray(input)) return input;
  } catch {
    // told below
  }
  throw new HttpError(400, `The body is ${JSON.stringify(text.slice(0, 50))}; expected a JSON object`);
}

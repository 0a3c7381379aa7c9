/**
 * The HTTP side as one function from request to response: what happens around every handler, and the way out when the
 * process is asked to stop.
 *
 * @module
 */
import type { Logger } from "@std/log";
import type { HttpMetrics } from "../metrics.ts";
import type { AccessLog } from "./access_log.ts";
import { errorResponse, type HttpError, toHttpError, unavailable } from "./errors.ts";
import { allowanceHeaders, RateLimiter } from "./rate_limit.ts";
import { createRouter } from "./router.ts";
import { allowOrigin, optionsResponse, SiteGuard, type SiteRules } from "./site_guard.ts";
import { parseTarget } from "./target.ts";
import type { Right, Token, Tokens } from "./tokens.ts";
import type { HandledRoute } from "./types.ts";

/** The settings of an {@linkcode App}. */
export interface AppConfig extends SiteRules {
  /** Requests at work at once. */
  maxConnections: number;
  /** Requests per second for each token, or address where there is none. */
  rateLimit?: number;
}

/** What an {@linkcode App} works with. */
export interface AppParts {
  routes: readonly HandledRoute[];
  tokens: Tokens;
  log: Logger;
  metrics: HttpMetrics;
  accessLog?: AccessLog;
}

/** Ids of others that we take over: nothing that could do harm in a log. */
const SAFE_ID = /^[\w.:@/+=-]{1,128}$/;
const UNKNOWN_ADDRESS = "unknown";

/** One request on its way through the app. */
interface Exchange {
  readonly request: Request;
  readonly client: string;
  readonly started: number;
  readonly id: string;
  path: string;
  route?: HandledRoute;
  token?: Token;
  origin?: string;
  headers?: Record<string, string>;
}

/** Turns requests into responses. */
export class App {
  readonly #config: AppConfig;
  readonly #parts: AppParts;
  readonly #find: ReturnType<typeof createRouter<HandledRoute>>;
  readonly #sites: SiteGuard;
  readonly #limiter?: RateLimiter;
  readonly #idPrefix = crypto.randomUUID().slice(0, 8) + "-";
  readonly #stopping = new AbortController();
  #requests = 0;
  #atWork = 0;
  /** Streams that go on after their response has begun. */
  #held = 0;
  #idle?: () => void;

  constructor(config: AppConfig, parts: AppParts) {
    this.#config = config;
    this.#parts = parts;
    this.#find = createRouter(parts.routes);
    this.#sites = new SiteGuard(config);
    if (config.rateLimit !== undefined) this.#limiter = new RateLimiter(config.rateLimit);
  }

  /** Requests without an answer yet. */
  get atWork(): number {
    return this.#atWork;
  }

  /** Aborts when the server begins to stop. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Answers one request; never rejects. */
  readonly fetch = async (request: Request, info?: Deno.ServeHandlerInfo): Promise<Response> => {
    const given = request.headers.get("x-request-id");
    const address = info?.remoteAddr; // made anew each time that it is asked for
    const exchange: Exchange = {
      request,
      client: address && "hostname" in address ? address.hostname : UNKNOWN_ADDRESS,
      started: performance.now(),
      id: given !== null && SAFE_ID.test(given) ? given : this.#idPrefix + (this.#requests++).toString(36),
      path: "",
    };
    this.#atWork++;
    try {
      return this.#finish(exchange, await this.#answer(exchange));
    } catch (error) {
      return this.#finish(exchange, this.#refuse(exchange, toHttpError(error)));
    } finally {
      this.#atWork--;
      this.#checkIdle();
    }
  };

  readonly hold = (): () => void => {
    this.#held++;
    return () => {
      this.#held--;
      this.#checkIdle();
    };
  };

  #checkIdle(): void {
    if (this.#atWork + this.#held === 0) this.#idle?.();
  }

  /** The cheapest checks come first. */
  #answer(exchange: Exchange): Response | Promise<Response> {
    const { request, id, client } = exchange;
    const { path, query } = parseTarget(request.url);
    exchange.path = path;
    const found = this.#find(request.method, path);
    exchange.origin = this.#sites.check(request);
    if (typeof found === "string") return optionsResponse(request, found);
    const { route, parameters } = found;
    exchange.route = route;
    let token: Token | undefined;
    if (route.access !== "open") {
      token = exchange.token = this.#authorize(exchange, route.access);
      if (this.#limiter) exchange.headers = this.#allow(this.#limiter, token?.name, exchange);
      if (this.#stopping.signal.aborted) {
        throw unavailable("The server is stopping; send this again, to another or later");
      }
      if (this.#atWork > this.#config.maxConnections) throw this.#tooMuch();
    }
    const { stopping, hold } = this;
    return route.handle({ request, id, client, query, token, parameters, stopping, hold });
  }

  /** A wrong token counts for the address it comes from: there are to be no more tries than of anything else. */
  #authorize(exchange: Exchange, right: Right): Token | undefined {
    try {
      return this.#parts.tokens.check(exchange.request.headers, right);
    } catch (error) {
      if (this.#limiter) exchange.headers = this.#allow(this.#limiter, undefined, exchange);
      throw error;
    }
  }

  #allow(limiter: RateLimiter, token: string | undefined, { client, started }: Exchange): Record<string, string> {
    return allowanceHeaders(limiter.take(token ?? client, started));
  }

  #tooMuch(): HttpError {
    const limit = `expected at most ${this.#config.maxConnections} (HTTP_MAX_CONNECTIONS)`;
    return unavailable(`${this.#atWork} requests are at work; ${limit}`);
  }

  #refuse({ request, id, path, route }: Exchange, error: HttpError): Response {
    if (error.status >= 500) {
      const known = error.status !== 500;
      const cause = known ? error.message : error.cause;
      // "Not ready" is an answer to a probe, which asks every second, and no failure.
      const level = !known ? "error" : route?.quiet ? "debug" : "warn";
      this.#parts.log[level]("a request failed", { id, method: request.method, path, cause });
    }
    return errorResponse(error);
  }

  /** What every response gets, whatever became of its request. */
  #finish(exchange: Exchange, response: Response): Response {
    const { request, route, id, origin, headers, started, client, path, token } = exchange;
    response.headers.append("x-request-id", id);
    if (headers) { for (const name in headers) response.headers.set(name, headers[name]); }
    if (origin !== undefined) allowOrigin(response, origin);
    if (this.#stopping.signal.aborted) response.headers.set("connection", "close");
    const ms = performance.now() - started;
    const { method } = request;
    const { status } = response;
    const labels = route
      ? { method: route.method, route: route.path, status }
      : { method: "other", route: "none", status };
    this.#parts.metrics.requestSeconds.observe(labels, ms / 1000);
    if (!route?.quiet) this.#parts.accessLog?.add({ method, path, status, ms, id, client, token: token?.name });
    return response;
  }

  /** From now on: not ready, and no new work. Resolves when the work at hand is done. */
  async drain(): Promise<void> {
    this.#stopping.abort(new DOMException("the server is stopping", "AbortError"));
    if (this.#atWork + this.#held > 0) await new Promise<void>((resolve) => this.#idle = resolve);
  }
}

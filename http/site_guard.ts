/**
 * Keeps other web sites out. A browser sends what any page tells it to, also to servers on the user's own machine or
 * network: a page may write to us (its `Origin` gives it away), or call us by a name of its own that it lets point to
 * our address (DNS rebinding; the `Host` header gives it away).
 *
 * @module
 */
import { HttpError } from "./errors.ts";

/** Lists of the settings. */
export interface SiteRules {
  /** Host names without ports; `*` for all. Addresses are always served. */
  allowedHosts: readonly string[];
  /** `https://app.example.com`; `*` for all. */
  allowedOrigins: readonly string[];
}

/** An address instead of a name, as probes and proxies use: nobody can let a name point here that is none. */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/;
/** How long a browser may remember the answer to a preflight, in seconds. */
const PREFLIGHT_SECONDS = 600;
/** Headers beyond the harmless ones that a page may send. */
const REQUEST_HEADERS =
  "authorization, content-type, idempotency-key, last-event-id, traceparent, tracestate, x-request-id";
/** Headers beyond the harmless ones that a page may read. */
const RESPONSE_HEADERS = "idempotent-replayed, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, " +
  "www-authenticate, x-request-id";

/** Checks where a request comes from. */
export class SiteGuard {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  /** The authority that came last and was found good: it nearly always is the next one's too. */
  #lastGood?: string;

  constructor({ allowedHosts, allowedOrigins }: SiteRules) {
    this.#hosts = new Set(allowedHosts.map((host) => host.toLowerCase()));
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, "")));
  }

  /**
   * Checks all that a request says about its way here.
   *
   * @returns the origin of another site that may call, for {@linkcode allowOrigin}
   * @throws {HttpError} 403
   */
  check(request: Request): string | undefined {
    const { headers, url } = request;
    const start = url.indexOf("://") + 3;
    const end = url.indexOf("/", start);
    // HTTP/2 has no Host header, an absolute target has a name of its own: what either says must be one of ours.
    const authority = url.slice(start, end < 0 ? undefined : end);
    const host = headers.get("host") ?? authority;
    this.#checkHost(authority);
    if (host !== authority) this.#checkHost(host);
    const origin = headers.get("origin");
    if (origin !== null) return this.#checkOrigin(origin, host);
    const site = headers.get("sec-fetch-site");
    if (site === null || site === "same-origin" || site === "none") return undefined;
    // Somebody followed a link to the page: harmless, and what links are for.
    if (request.method === "GET" && headers.get("sec-fetch-mode") === "navigate") return undefined;
    throw new HttpError(403, `Sec-Fetch-Site is ${JSON.stringify(site)}; expected same-origin, or an allowed Origin`);
  }

  #checkHost(authority: string): void {
    if (authority === this.#lastGood) return;
    const name = authority.replace(/:\d*$/, "").toLowerCase();
    if (!ADDRESS.test(name) && !this.#hosts.has(name) && !this.#hosts.has("*")) {
      throw new HttpError(403, `Host is ${JSON.stringify(authority)}; expected one of HTTP_ALLOWED_HOSTS`);
    }
    this.#lastGood = authority;
  }

  #checkOrigin(origin: string, host: string): string | undefined {
    const own = origin === `http://${host}` || origin === `https://${host}`;
    if (own) return undefined;
    if (this.#origins.has(origin.toLowerCase()) || this.#origins.has("*")) return origin;
    throw new HttpError(403, `Origin is ${JSON.stringify(origin)}; expected one of HTTP_ALLOWED_ORIGINS`);
  }
}

/** Lets a page of that origin read the response. */
export function allowOrigin({ headers }: Response, origin: string): void {
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-expose-headers", RESPONSE_HEADERS);
  headers.append("vary", "origin");
}

/** The answer to `OPTIONS`, also when it is a browser's question before a page's request (preflight). */
export function optionsResponse(request: Request, allow: string): Response {
  const headers = new Headers({ allow });
  if (request.headers.has("access-control-request-method")) {
    headers.set("access-control-allow-methods", allow);
    headers.set("access-control-allow-headers", REQUEST_HEADERS);
    headers.set("access-control-max-age", String(PREFLIGHT_SECONDS));
  }
  return new Response(null, { status: 204, headers });
}

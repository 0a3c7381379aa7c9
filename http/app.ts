/**
 * The HTTP side as one function from request to response: the route table, what happens around every handler, and
 * the way out when the process is asked to stop.
 *
 * @module
 */
import type { Logger } from "@std/log";
import type { HttpConfig } from "../config.ts";
import { errorResponse, toHttpError, unavailable } from "./errors.ts";
import { handleHealth, readyHandler } from "./health.ts";
import { namesHandler } from "./names.ts";
import { produceHandler } from "./produce.ts";
import { createRouter } from "./router.ts";
import { parseTarget } from "./target.ts";
import type { HandledRoute, RecordSink } from "./types.ts";

/** What an {@linkcode App} works with. */
export interface AppParts {
  config: HttpConfig & { topic: string };
  sink: RecordSink;
  randomName: () => string;
  log: Logger;
  /** Why the process cannot serve yet, beyond what the sink knows. */
  problem?: () => string | undefined;
}

/** Turns requests into responses. */
export class App {
  readonly #parts: AppParts;
  readonly #route: ReturnType<typeof createRouter<HandledRoute>>;
  #atWork = 0;
  #draining = false;
  #idle?: () => void;

  constructor(parts: AppParts) {
    this.#parts = parts;
    this.#route = createRouter(this.#routes(parts));
  }

  #routes({ config, sink, randomName, problem }: AppParts): HandledRoute[] {
    const produce = produceHandler(sink, config);
    const why = () => this.#draining ? "the server is stopping" : problem?.() ?? sink.problem;
    return [
      { method: "POST", path: "/names", handle: namesHandler(sink, config.topic, randomName) },
      { method: "POST", path: "/topics/{topic}", handle: produce },
      { method: "POST", path: "/topics/{topic}/partitions/{partition}", handle: produce },
      { method: "GET", path: "/healthz", handle: handleHealth },
      { method: "GET", path: "/readyz", handle: readyHandler(why) },
    ];
  }

  /** Answers one request; never rejects. */
  readonly fetch = async (request: Request): Promise<Response> => {
    this.#atWork++;
    try {
      return await this.#answer(request);
    } catch (error) {
      const known = toHttpError(error);
      if (known.status === 500) this.#parts.log.error("a request failed unexpectedly", { url: request.url, error });
      const response = errorResponse(known);
      if (this.#draining) response.headers.set("connection", "close");
      return response;
    } finally {
      if (--this.#atWork === 0) this.#idle?.();
    }
  };

  async #answer(request: Request): Promise<Response> {
    const { path, query } = parseTarget(request.url);
    const { route, parameters } = this.#route(request.method, path);
    if (route.method === "POST") {
      if (this.#draining) throw unavailable("The server is stopping; send this again, to another or later");
      if (this.#atWork > this.#parts.config.maxConnections) {
        const limit = `expected at most ${this.#parts.config.maxConnections} (HTTP_MAX_CONNECTIONS)`;
        throw unavailable(`${this.#atWork} requests are at work; ${limit}`);
      }
    }
    return await route.handle({ request, query, parameters });
  }

  /** From now on: not ready, and no new work. Resolves when the work at hand is done. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#atWork > 0) await new Promise<void>((resolve) => this.#idle = resolve);
  }
}

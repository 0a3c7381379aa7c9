/**
 * `GET /healthz` and `GET /readyz`, for whoever decides to restart this process or to send it requests.
 *
 * @module
 */
import { unavailable } from "./errors.ts";
import type { Handler } from "./types.ts";

const ANSWER = { headers: { "content-type": "application/json", "cache-control": "no-store" } };

/** Alive: asks nobody else. */
export const handleHealth: Handler = () => new Response('{"status":"alive"}', ANSWER);

/** Ready, or 503 and why not. */
export function readyHandler(problem: () => string | undefined): Handler {
  return () => {
    const why = problem();
    if (why !== undefined) throw unavailable(`Not ready: ${why}`);
    return new Response('{"status":"ready"}', ANSWER);
  };
}

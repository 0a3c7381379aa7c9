/**
 * `GET /metrics`, for Prometheus.
 *
 * @module
 */
import type { Handler } from "./types.ts";

/** All that the program counts, as text. */
export function metricsHandler(registry: { metrics(): Promise<string>; contentType: string }): Handler {
  return async () => new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } });
}

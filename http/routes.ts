/**
 * The table of routes: what this server offers.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { BodyReader } from "./body.ts";
import { docsHandler, openApiHandler } from "./docs.ts";
import type { EventStreams } from "./events.ts";
import { handleHealth, readyHandler } from "./health.ts";
import { type ClusterView, metadataHandlers } from "./metadata.ts";
import { metricsHandler } from "./metrics.ts";
import { namesHandler } from "./names.ts";
import type { Page } from "./page.ts";
import { produceHandler } from "./produce.ts";
import type { TopicGate } from "./topic.ts";
import { Tracing } from "./tracing.ts";
import type { HandledRoute, RecordSink } from "./types.ts";

/** What the handlers work with. */
export interface RouteParts {
  config: { topic: string; maxBodyBytes: number; bodyTimeoutMs: number; maxConnections: number };
  log: Logger;
  gate: TopicGate;
  sink: RecordSink;
  events: EventStreams;
  view: ClusterView;
  page: Pick<Page, "document" | "file" | "feed" | "search" | "labs">;
  randomName: () => string;
  /** Why nobody should send requests here; undefined when all is well. */
  problem: () => string | undefined;
  /** The metrics of the whole program. */
  registry: { metrics(): Promise<string>; contentType: string };
}

/** The table. */
export function createRoutes(
  { config, log, gate, sink, events, view, page, randomName, problem, registry }: RouteParts,
): HandledRoute[] {
  const body = new BodyReader({ maxBytes: config.maxBodyBytes, timeoutMs: config.bodyTimeoutMs });
  const tracing = new Tracing();
  const produce = produceHandler(sink, { body, gate, log, tracing, maxStreams: config.maxConnections });
  const names = namesHandler(sink, gate, { topic: config.topic, randomName, tracing });
  const told = metadataHandlers(view, gate);
  const routes: HandledRoute[] = [
    { method: "POST", path: "/names", access: "write", handle: names },
    { method: "POST", path: "/topics/{topic}", access: "write", handle: produce },
    { method: "POST", path: "/topics/{topic}/partitions/{partition}", access: "write", handle: produce },
    { method: "GET", path: "/topics", access: "read", handle: told.topics },
    { method: "GET", path: "/topics/{topic}", access: "read", handle: told.topic },
    { method: "GET", path: "/topics/{topic}/partitions", access: "read", handle: told.partitions },
    { method: "GET", path: "/topics/{topic}/partitions/{partition}", access: "read", handle: told.partition },
    { method: "GET", path: "/topics/{topic}/partitions/{partition}/offsets", access: "read", handle: told.offsets },
    { method: "GET", path: "/topics/{topic}/events", access: "read", handle: events.handle },
    { method: "GET", path: "/brokers", access: "read", handle: told.brokers },
    { method: "GET", path: "/groups", access: "read", handle: told.groups },
    { method: "GET", path: "/groups/{group}/lag", access: "read", handle: told.lag },
    { method: "GET", path: "/", access: "open", handle: page.document },
    { method: "GET", path: "/page/feed", access: "read", handle: page.feed },
    { method: "GET", path: "/page/search", access: "read", handle: page.search },
    { method: "GET", path: "/page/labs", access: "read", handle: page.labs },
    { method: "GET", path: "/page/{file}", access: "open", handle: page.file, quiet: true },
    { method: "GET", path: "/healthz", access: "open", handle: handleHealth, quiet: true },
    { method: "GET", path: "/readyz", access: "open", handle: readyHandler(problem), quiet: true },
    { method: "GET", path: "/metrics", access: "read", handle: metricsHandler(registry), quiet: true },
    { method: "GET", path: "/openapi.json", access: "open", handle: openApiHandler(() => routes) },
    { method: "GET", path: "/docs", access: "open", handle: docsHandler(() => routes) },
  ];
  return routes;
}

/**
 * HTTP in: the front of `HTTP -> producer -> Kafka -> consumer -> handler`. Answers 2xx only when Kafka has the record.
 *
 *     deno task serve
 *     curl -X POST localhost:8082/names
 *
 * @module
 */
import { Registry } from "prom-client";
import { LogLevels } from "@std/log";
import { type Config, configOrExit } from "./config.ts";
import { pageFiles } from "./dashboard/files.ts";
import { ConfigError, rootCause } from "./errors.ts";
import { AccessLog } from "./http/access_log.ts";
import { App } from "./http/app.ts";
import { EventStreams } from "./http/events.ts";
import { Listener } from "./http/listener.ts";
import { Page } from "./http/page.ts";
import { parseControl } from "./http/page_labs.ts";
import { createRoutes } from "./http/routes.ts";
import { loadTokens } from "./http/token_file.ts";
import { TopicGate } from "./http/topic.ts";
import { createKafka } from "./kafka/client.ts";
import { untilDone } from "./kafka/backoff.ts";
import { Inspector } from "./kafka/inspector.ts";
import { Tails } from "./kafka/tail.ts";
import { ensureTopic } from "./kafka/topics.ts";
import { loggerFor, setupLogging } from "./log.ts";
import { createHttpMetrics, createProcessMetrics, createProducerMetrics } from "./metrics.ts";
import { randomName } from "./names.ts";
import { Producer } from "./producer.ts";
import { stopSignal } from "./signals.ts";

const USAGE = `Takes records over HTTP and answers when Kafka has them. Exit code 1 if some might be lost.

Usage: deno task serve [flags]
  curl -X POST localhost:8082/names
  curl localhost:8082/topics/test -H 'content-type: application/json' -d '{"records":[{"value":{"n":1}}]}'`;

/** Share of the shutdown time that is kept for what comes after flushing: last answers, closing connections. */
const LAST_ANSWERS_MS = 500;
/** How long to go on telling clients that this server goes: what they have sent already may not have been read yet. */
const LAST_REQUESTS_MS = 200;

type ServeConfig = Config<"serve">;

/** Serves until told to stop. @returns how many records might be lost */
async function serve(config: ServeConfig, signal: AbortSignal): Promise<number> {
  const log = loggerFor("server");
  const registry = new Registry();
  using _metrics = createProcessMetrics(registry);
  using tokens = loadTokens(config, log);
  const producer = new Producer(config, createProducerMetrics(registry));
  const accessLog = config.accessLog && log.level <= LogLevels.INFO
    ? new AccessLog(Deno.stderr, config.logFormat ?? (Deno.stderr.isTerminal() ? "text" : "json"))
    : undefined;
  let obstacle: string | undefined = "starting";
  const problem = () => app.stopping.aborted ? "the server is stopping" : producer.problem ?? obstacle;
  const view = new Inspector(() => createKafka(config));
  const tails = new Tails(() => createKafka(config));
  const gate = new TopicGate(config.httpTopics);
  const events = new EventStreams({ sink: producer, tails, gate, maxStreams: config.maxConnections });
  const shared = { gate, sink: producer, view, problem, registry };
  const control = parseControl(Deno.env.get("KAFKA_DENO_CONTROL")); // of `deno task start`, for the page's labs
  using page = new Page({ ...shared, files: pageFiles, tails, topic: config.topic, control });
  const routes = createRoutes({ ...shared, config, log, events, page, randomName });
  const metrics = createHttpMetrics(registry);
  const app = new App(config, { routes, tokens: tokens.current, log, metrics, accessLog });
  metrics.watch({ requests: () => app.atWork, streams: () => events.count });
  const listener = new Listener(config, app.fetch, log);
  void producer.start();
  page.start();
  const prepared = prepareTopic(config, producer, { signal, onObstacle: (what) => obstacle = what });
  const failed = new Promise<never>((_, reject) => void prepared.catch(reject));
  const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  const end = await Promise.race([stopped, failed]).catch((error: unknown) => ({ error }));
  const lost = await stop(config, { app, listener, producer });
  await Promise.all([view.close(), tails.close()]);
  await accessLog?.flush();
  if (lost > 0) log.error(`${lost} messages might be lost`);
  if (end) throw end.error;
  return lost;
}

/** The topic of `/names` must be there, or be made, before we are ready; Kafka itself may come later than we do. */
async function prepareTopic(
  config: ServeConfig,
  producer: Producer,
  { signal, onObstacle }: { signal: AbortSignal; onObstacle: (what?: string) => void },
): Promise<void> {
  const log = loggerFor("server");
  const kafka = createKafka(config);
  await producer.whenConnected();
  const created = await untilDone(() => ensureTopic(kafka, config.topic, { create: config.createTopic }), {
    signal,
    onFailure(error, failures) {
      if (error instanceof Deno.errors.NotFound) throw error;
      const cause = rootCause(error);
      onObstacle(`topic "${config.topic}" cannot be prepared: ${cause}`);
      // One warning; what the matter is now, /readyz tells.
      log[failures === 1 ? "warn" : "debug"]("the topic cannot be prepared; trying again", {
        topic: config.topic,
        cause,
      });
    },
  });
  if (created === undefined) return;
  onObstacle();
  log.info("ready", { topic: config.topic, created });
}

/** In the order in which data flows: no new requests, those at hand are answered, the buffer is flushed. */
async function stop(
  { shutdownTimeoutMs }: ServeConfig,
  { app, listener, producer }: { app: App; listener: Listener; producer: Producer },
): Promise<number> {
  const end = Date.now() + shutdownTimeoutMs;
  const deadline = end - Math.min(LAST_ANSWERS_MS, shutdownTimeoutMs / 4);
  // While there is work the port stays open, so that newcomers and probes are told that this server goes.
  await before(deadline, app.drain());
  const lost = await producer.close({ deadline });
  await before(end, new Promise((resolve) => setTimeout(resolve, LAST_REQUESTS_MS)));
  await before(end, listener.stop());
  return lost;
}

async function before(deadline: number, work: Promise<unknown>): Promise<void> {
  let timer;
  const timeout = new Promise((resolve) => timer = setTimeout(resolve, Math.max(0, deadline - Date.now())));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}

async function main(): Promise<number> {
  const config = configOrExit("serve", USAGE);
  setupLogging(config);
  try {
    return await serve(config, stopSignal()) > 0 ? 1 : 0;
  } catch (error) {
    if (error instanceof ConfigError) {
      console.error(error.message);
      return 2;
    }
    console.error(`Cannot serve: ${rootCause(error)}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

/**
 * Kafka in, handled records out: the end of `HTTP -> producer -> Kafka -> consumer -> handler`.
 *
 *     deno task consume
 *     deno task consume --topic orders --group billing --handler ./handlers/webhook.ts
 *     deno task consume --topic orders --group none --from -10 --exit --json
 *
 * Without a handler it prints: what the messages hold goes to stdout and nothing else does; what there is to say about
 * it goes to stderr. A message counts as handled when its handler has succeeded, and only then is it committed.
 *
 * @module
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Logger } from "@std/log";
import { type Config, configOrExit } from "./config.ts";
import { Consumer } from "./consumer/consumer.ts";
import { stdout } from "./consumer/output.ts";
import { rootCause } from "./errors.ts";
import { jsonFormat, parseFormat, printer } from "./handlers/print.ts";
import type { HandlerModule } from "./handlers/types.ts";
import { escapeControls, loggerFor, setupLogging } from "./log.ts";
import { stopSignal } from "./signals.ts";

export { Consumer };

const USAGE = `Prints messages, or has them handled by a module of yours, as a member of a consumer group.

Usage: deno task consume [flags]
  deno task consume --topic test --group myConsumerGroup
  deno task consume --group none --from -10 --exit --format '%p:%o %k=%s\\n'
  deno task consume --handler ./handlers/webhook.ts`;

/** How often `--stats` says something, in ms. */
const STATS_MS = 5_000;

/** What handles messages: the module that was named, or printing. */
async function findHandler(config: Config<"consume">): Promise<HandlerModule> {
  if (config.handler) return await loadHandler(config.handler);
  // What comes from outside must not move the cursor or change colours; in a pipe it goes through as it is.
  const escape = stdout.isTerminal ? escapeControls : undefined;
  const format = config.json ? jsonFormat(escape) : parseFormat(config.format ?? "%s\\n", escape);
  return { batch: printer(stdout, format) };
}

async function loadHandler(path: string): Promise<HandlerModule> {
  const module: HandlerModule = await import(pathToFileURL(resolve(path)).href).catch((cause) => {
    throw new Error(`--handler ${path} cannot be loaded: ${rootCause(cause)}`, { cause });
  });
  if (typeof module.default !== "function" && typeof module.batch !== "function") {
    throw new TypeError(`--handler ${path} exports no function; expected a default export or one named "batch"`);
  }
  return module;
}

/** Says so each time that nothing has come for a while. */
function reportIdle(consumer: Consumer, { idleTimeout, log }: { idleTimeout: number; log: Logger }): Disposable {
  let since = Date.now();
  const timer = setInterval(() => {
    since = Math.max(since, consumer.progress.lastRecordAt);
    if (Date.now() - since < idleTimeout * 1_000) return;
    since = Date.now();
    log.info(`timed out: no message for ${idleTimeout} s; still waiting`);
  }, 100);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Says every few seconds how fast it goes, how much is left, and where it is. */
function reportStats(consumer: Consumer, log: Logger): Disposable {
  let before = 0;
  const timer = setInterval(() => {
    const { handled, positions } = consumer.progress;
    const lags = positions.map((p) => (p.end ?? p.handled) - p.handled);
    const places = positions.map((p) => `${p.topic}[${p.partition}] ${p.handled}/${p.end ?? "?"}`);
    const rate = Math.round((handled - before) / (STATS_MS / 1_000));
    before = handled;
    log.info(`${rate} messages/s, ${lags.reduce((a, b) => a + b, 0)} behind: ${places.join(", ")}`);
  }, STATS_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function main(): Promise<number> {
  const config = configOrExit("consume", USAGE);
  setupLogging(config.quiet ? { ...config, logLevel: "WARN" } : config);
  const log = loggerFor("consumer");
  try {
    const consumer = new Consumer(config, await findHandler(config), log);
    using _idle = reportIdle(consumer, { idleTimeout: config.idleTimeout, log });
    using _stats = config.stats ? reportStats(consumer, log) : undefined;
    return await consumer.consume(stopSignal()) ? 0 : 1;
  } catch (error) {
    log.error(`cannot consume ${config.topics}: ${(error as Error).message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

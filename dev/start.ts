/**
 * The whole system in one terminal: a Kafka if none answers, the topic, the HTTP producer, the consumer, the labs of the page.
 *
 *     deno task start
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Config, configOrExit } from "../config.ts";
import { rootCause } from "../errors.ts";
import { createKafka } from "../kafka/client.ts";
import { ensureTopic } from "../kafka/topics.ts";
import { setupLogging } from "../log.ts";
import { runnerGone, stopSignal } from "../signals.ts";
import { type Child, Children } from "./children.ts";
import { Control } from "./control.ts";
import { offerLabs } from "./labs.ts";
import { provideKafka } from "./provide_kafka.ts";
import { argsOf } from "./scripts.ts";
import { labelledPrinter } from "./terminal.ts";

const USAGE =
  `A Kafka if none answers, the topic, the HTTP producer and the consumer, in one terminal. Ctrl-C stops all.

Usage: deno task start [flags]`;

/** How much longer than its own bound a child may take to stop, in ms. */
const STOP_MARGIN_MS = 5_000;

/** What the children say when they can be used, as text and as JSON. */
const SERVER_READY = / server: ready|"message":"ready"/;
const CONSUMER_READY = / consumer: assigned|"message":"assigned/;

/** Tells the server where the page finds the labs. Internal: only this process and its server know of it. */
const CONTROL_VARIABLE = "KAFKA_DENO_CONTROL";

type Print = (label: string, line: string) => void;

/** Runs until asked to stop, or until something fails. @throws {Error} that says what failed */
async function start(config: Config<"start">, { signal, print }: { signal: AbortSignal; print: Print }): Promise<void> {
  const began = performance.now();
  freePort(config); // before a Kafka is started for nothing
  await using kafka = await provideKafka({
    brokers: config.brokers?.join(),
    secured: config.ssl || config.saslMechanism !== undefined,
    nodes: config.nodes,
    port: config.kafkaPort,
    dataDir: config.dataDir,
    signal,
    onProgress: (line) => print("kafka", line),
  });
  if (kafka.source === "running") print("kafka", `using the Kafka that answers on ${kafka.bootstrap}`);
  const brokers = kafka.bootstrap.split(",");
  const port = freePort(config);
  const made = await ensureTopic(createKafka({ ...config, brokers }), config.topic, { create: config.createTopic });
  if (made) print("kafka", `created topic ${config.topic}`);

  await using children = new Children(print);
  await using control = new Control(
    offerLabs({ config: { ...config, brokers }, local: kafka.local, stopping: signal }),
    { origins: originsOf({ ...config, port }), print: (line) => print("start", line) },
  );
  const env = environment({ ...config, port }, kafka.bootstrap);
  const stopTimeoutMs = config.shutdownTimeoutMs + STOP_MARGIN_MS;
  const server = children.start({
    label: "server",
    args: argsOf("serve"),
    env: { ...env, [CONTROL_VARIABLE]: control.address },
    stopTimeoutMs,
  });
  const consumer = children.start({ label: "consumer", args: argsOf("consume"), env, stopTimeoutMs });

  const failed = Promise.race([kafka.failed, children.firstToEnd().then(describeEnd)]);
  const stopped = Promise.race([failed, aborted(signal)]);
  // Those that are told to be quiet do not say so.
  const talking = config.logLevel === "INFO" || config.logLevel === "DEBUG";
  const ready = talking
    ? Promise.all([server.says(SERVER_READY), consumer.says(CONSUMER_READY)])
    : answering(urlOf({ ...config, port }), signal);
  await Promise.race([ready, stopped]);
  if (!signal.aborted) {
    banner({ ...config, port, brokers: kafka.bootstrap, seconds: (performance.now() - began) / 1000 });
  }
  await stopped;
  print("start", "stopping: consumer, server, then Kafka if it was started here");
}

function environment(config: Config<"start">, bootstrap: string): Record<string, string> {
  return {
    KAFKA_BROKERS: bootstrap,
    KAFKA_TOPIC: config.topic,
    KAFKA_GROUP_ID: config.groupId,
    HTTP_HOST: config.host,
    HTTP_PORT: String(config.port),
    LOG_LEVEL: config.logLevel,
    LOG_FORMAT: config.logFormat ?? "text",
  };
}

interface Address {
  host: string;
  port: number;
}

/** As this machine reaches it. */
function urlOf({ host, port, tlsCert }: Address & { tlsCert: string | undefined }): string {
  const name = ["127.0.0.1", "::1", "0.0.0.0", "::"].includes(host) ? "localhost" : host;
  return `http${tlsCert ? "s" : ""}://${name}:${port}`;
}

/** Where a page on this machine may have come from. */
function originsOf({ port, tlsCert }: { port: number; tlsCert: string | undefined }): string[] {
  return ["localhost", "127.0.0.1", "[::1]"].map((name) => `http${tlsCert ? "s" : ""}://${name}:${port}`);
}

/** @returns the port, or a free one for 0 @throws {Deno.errors.AddrInUse} that says what to do */
function freePort({ host, port }: Address): number {
  try {
    using listener = Deno.listen({ hostname: host, port });
    return listener.addr.port;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
    throw new Deno.errors.AddrInUse(
      `Port ${port} is taken, perhaps by another \`deno task start\`; stop that, or choose another port, on the same ` +
        `Kafka: deno task start --port ${port < 65_535 ? port + 1 : 8082}`,
      { cause },
    );
  }
}

/** Asks until the server is ready, or says anything but that it is not: it may not let us in. */
async function answering(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const answer = await fetch(`${url}/readyz`, { signal });
      await answer.body?.cancel();
      if (answer.status !== 503) return;
    } catch (error) {
      if (rootCause(error).includes("certificate")) return; // one that this machine does not know
    }
    await sleep(50, undefined, { signal }).catch(() => {});
  }
}

/** @throws {Error} always: a child that ends before it is told to has failed */
function describeEnd({ child, status }: { child: Child; status: Deno.CommandStatus }): never {
  const how = status.signal ? `was ended by ${status.signal}` : `ended with exit code ${status.code}`;
  throw new Error([`${child.label} ${how}; its last lines:`, ...child.tail].join("\n  "));
}

function banner(
  facts: Parameters<typeof urlOf>[0] & { topic: string; groupId: string; brokers: string; seconds: number },
) {
  const url = urlOf(facts);
  console.log(`
  Ready in ${facts.seconds.toFixed(1)} s.

  Watch it in a browser, and try there what a broker, a partition, a flush, a poll are:

      ${url}

  Send a random Chinese name, and see the consumer print it:

      curl -X POST ${url}/names

  Kafka  ${facts.brokers}, topic ${facts.topic}, consumer group ${facts.groupId}
  Ctrl-C stops everything.
`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function main(): Promise<number> {
  const config = configOrExit("start", USAGE);
  setupLogging(config);
  const signal = AbortSignal.any([stopSignal(), runnerGone()]);
  try {
    await start(config, { signal, print: labelledPrinter() });
    return 0;
  } catch (error) {
    if (signal.aborted) return 0;
    console.error(`\nCannot go on: ${error instanceof Error ? error.message : rootCause(error)}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

/**
 * A local Kafka in the foreground, for those who want it to outlive `deno task start`.
 *
 * HTTP -> batch -> **Kafka** -> consumer -> handler
 *
 *     deno task broker [--port 9092] [--brokers 3] [--data DIR]
 *
 * @module
 */
import { ConfigError } from "../errors.ts";
import { choice, helpText, integer, optional, readSettings, setting, toggle } from "../settings.ts";
import { runnerGone, stopSignal } from "../signals.ts";
import { type ProvidedKafka, provideKafka } from "./provide_kafka.ts";

const USAGE = `A local Kafka in the foreground. Ctrl-C stops it; its data are kept.

Usage: deno task broker [flags]

In this order: KAFKA_BROKERS, or a Kafka that answers on the port (then there is nothing to start), Docker
(docker compose), Java 17 or later, with Kafka from KAFKA_HOME or fetched once by Maven.
The second broker listens two ports above the first, and so on: 9092, 9094, 9096.`;

const SETTINGS = {
  port: integer("--port", 9092, "where it listens", [1024, 65_000]),
  nodes: integer("--brokers", 1, "how many; from 3, topics have 3 replicas, 2 of them in sync", [1, 9]),
  dataDir: optional("--data", "folder of its data; default: .cache/data, for several brokers .cache/data-N"),
  brokers: setting(parseAddresses, ["KAFKA_BROKERS", undefined, "use this Kafka, start none"], {
    alias: "KAFKA_BOOTSTRAP_SERVERS",
    expected: "host:port, or several of them separated by commas",
    flag: undefined,
  }),
  ssl: toggle("KAFKA_SSL", false, "it wants TLS"),
  saslMechanism: choice("KAFKA_SASL_MECHANISM", undefined, "it wants SASL", [
    "plain",
    "scram-sha-256",
    "scram-sha-512",
  ]),
};

function parseAddresses(text: string): string {
  if (!/^[\w.-]+:\d+(,[\w.-]+:\d+)*$/.test(text)) throw new RangeError(text);
  return text;
}

function report({ bootstrap, source, local }: ProvidedKafka): void {
  console.log(`Kafka answers on ${bootstrap}`);
  if (source === "configured") console.log("KAFKA_BROKERS names it: there is nothing to start.");
  if (source === "running") console.log("It was there already: there is nothing to start.");
  if (source === "docker") console.log("Its log: docker compose logs --follow. Ctrl-C stops it.");
  if (local) console.log(`Its log: ${local.nodes.map(({ log }) => log).join(", ")}. Ctrl-C stops it.`);
}

/** Runs until it is asked to stop; at once if there is nothing to run. @throws {Error} that says what failed */
async function broker(signal: AbortSignal): Promise<void> {
  const { ssl, saslMechanism, ...settings } = readSettings(SETTINGS, {}, () => []);
  const onProgress = (line: string) => console.error(line);
  const secured = ssl || saslMechanism !== undefined;
  await using kafka = await provideKafka({ ...settings, secured, signal, onProgress });
  report(kafka);
  if (kafka.source === "configured" || kafka.source === "running") return;
  const told = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  await Promise.race([told, kafka.failed]);
  console.error("stopping Kafka…");
}

async function main(): Promise<number> {
  if (Deno.args.some((arg) => arg === "--help" || arg === "-h")) {
    console.log(helpText(SETTINGS, USAGE));
    return 0;
  }
  const signal = AbortSignal.any([stopSignal(), runnerGone()]);
  try {
    await broker(signal);
    return 0;
  } catch (error) {
    if (signal.aborted) return 0;
    console.error(error instanceof Error ? error.message : error);
    return error instanceof ConfigError ? 2 : 1;
  }
}

if (import.meta.main) Deno.exit(await main());

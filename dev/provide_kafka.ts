/**
 * A Kafka from wherever there is one, else started here.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CACHE_DIR, makeFolder } from "./jars.ts";
import { probeKafka } from "./kafka_probe.ts";
import { type LocalKafka, startLocalKafka } from "./local_kafka.ts";
import { lockFile } from "./lock.ts";
import { run, type RunOptions, type RunResult, UnavailableError } from "./run.ts";

const COMPOSE_FILE = join(import.meta.dirname!, "..", "docker-compose.yml");
const USUAL_PORT = 9092;
/** What docker-compose.yml offers, by the number of nodes. */
const COMPOSE_SERVICES: Record<number, { name: string; port: number }[] | undefined> = {
  1: [{ name: "kafka", port: USUAL_PORT }],
  3: [1, 2, 3].map((id) => ({ name: `kafka-${id}`, port: 9092 + 100 * id })),
};
/** How long a Kafka that is there but not ready may take; somebody may just have started it. */
const READY_TIMEOUT = 30_000;

/** Where a Kafka comes from. */
export type Source = "configured" | "running" | "docker" | "java";

/** Settings of {@linkcode provideKafka}. */
export interface ProvideOptions {
  /** The value of KAFKA_BROKERS: addresses separated by commas. */
  brokers?: string;
  /** Those brokers want TLS or SASL, which the check does not speak: that something listens is all it can see. */
  secured?: boolean;
  /** Where one is looked for and started; 9092 by default. 0: Java starts it on a free port. */
  port?: number;
  /** How many nodes to start; 1 by default. The second listens two ports above the first, and so on. */
  nodes?: number;
  /** Where Java keeps its data. Default: `.cache/data`, for several nodes `.cache/data-N`; with port 0 nowhere. */
  dataDir?: string;
  /** What is tried, in this order. Default: configured, running, docker, java. */
  sources?: readonly Source[];
  signal?: AbortSignal;
  /** Told what takes long, and which node ended, one line each. */
  onProgress?: (line: string) => void;
}

/** A Kafka that answers. Disposing of it stops it if it was started here. */
export interface ProvidedKafka extends AsyncDisposable {
  /** `host:port`, several separated by commas. */
  readonly bootstrap: string;
  readonly source: Source;
  /** The processes, where Java runs it. */
  readonly local?: LocalKafka;
  /** Rejects, with the last lines of its log, when a Kafka that Java runs has ended by itself. */
  readonly failed: Promise<never>;
}

/**
 * Finds or starts a Kafka.
 *
 * @throws {UnavailableError} when there is none and no way to start one; the message lists the ways
 * @throws {Error} when the configured one does not answer, another program has the port, or Kafka fails to start
 */
export async function provideKafka(options: ProvideOptions = {}): Promise<ProvidedKafka> {
  const reasons: string[] = [];
  for (const source of options.sources ?? ["configured", "running", "docker", "java"]) {
    try {
      return await WAYS[source](options);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      reasons.push(`- ${error.message}`);
    }
  }
  throw new UnavailableError(
    `There is no Kafka, and no way to start one. Any one of these is enough:\n${reasons.join("\n")}`,
  );
}

const WAYS: Record<Source, (options: ProvideOptions) => Promise<ProvidedKafka>> = {
  configured: useConfigured,
  running: useRunning,
  docker: startWithDocker,
  java: startWithJava,
};

async function useConfigured({ brokers, secured, signal }: ProvideOptions): Promise<ProvidedKafka> {
  if (brokers === undefined) {
    throw new UnavailableError(
      "KAFKA_BROKERS is not set. Set it to a Kafka that runs elsewhere: KAFKA_BROKERS=host:9092.",
    );
  }
  const reasons: string[] = [];
  let answers = false;
  for (const address of brokers.split(",")) {
    const found = await probeKafka(address, { signal });
    if (found.kind === "kafka" || (secured && found.kind !== "nothing")) return provided(brokers, "configured");
    reasons.push(`${address}: ${found.reason}`);
    answers ||= found.kind === "not ready";
  }
  const why = reasons.join("; ");
  throw new Error(
    answers
      ? `KAFKA_BROKERS is ${brokers}, and the Kafka there answers but cannot create topics (${why}); expected one with ` +
        `a controller. Look into its log, restart it, or set KAFKA_BROKERS to another one.`
      : `KAFKA_BROKERS is ${brokers}, and no Kafka answers there (${why}); expected one that does, with KAFKA_SSL and ` +
        `KAFKA_SASL_* where it needs them. Without KAFKA_BROKERS one is started here.`,
  );
}

async function useRunning(options: ProvideOptions): Promise<ProvidedKafka> {
  const { nodes = 1, signal, onProgress } = options;
  const port = options.port || USUAL_PORT;
  const address = `localhost:${port}`;
  const late = AbortSignal.timeout(READY_TIMEOUT);
  for (let tries = 0;; tries++) {
    const found = await probeKafka(address, { signal });
    if (found.kind === "nothing") throw new UnavailableError(`Nothing answers on ${address}. Start a Kafka there.`);
    if (found.kind === "other") {
      throw new Error(
        `Another program than Kafka listens on ${address} (${found.reason}). Stop that program ` +
          `(lsof -nP -iTCP:${port} -sTCP:LISTEN names it), or use a Kafka that listens elsewhere: deno task broker --port ${
            port + 10
          }, ` +
          `and KAFKA_BROKERS=localhost:${port + 10}.`,
      );
    }
    if (found.kind === "kafka") {
      if (found.brokers.length >= nodes) return provided(address, "running");
      throw new Error(
        `The Kafka on ${address} has ${found.brokers.length} brokers; expected ${nodes}. Stop it, or do without --brokers.`,
      );
    }
    if (late.aborted) {
      throw new Error(
        `The Kafka on ${address} answers but cannot create topics (${found.reason}); expected one with a controller. ` +
          `Look into its log, restart it, or set KAFKA_BROKERS to another one.`,
      );
    }
    if (tries === 0) onProgress?.(`waiting until the Kafka on ${address} can create topics (${found.reason})…`);
    await sleep(200, undefined, { signal });
  }
}

async function startWithDocker(options: ProvideOptions): Promise<ProvidedKafka> {
  const { port, nodes = 1, signal, onProgress } = options;
  const services = COMPOSE_SERVICES[nodes];
  if (!services || (port && port !== USUAL_PORT)) {
    throw new UnavailableError(
      `Docker: docker-compose.yml has 1 broker on port ${USUAL_PORT}, or 3 on ports 9192 to 9392.`,
    );
  }
  await mustHaveDocker(signal);
  const addresses = services.map(({ port }) => `localhost:${port}`);
  const first = { ...options, port: services[0].port };
  if ((await probeKafka(addresses[0], { signal })).kind !== "nothing") return await useRunning(first);
  onProgress?.("starting Kafka with docker compose…");
  const stop = async () => void await compose(["stop", ...services.map(({ name }) => name)]);
  try {
    const { code, output } = await compose(["up", "-d", "--wait", ...services.map(({ name }) => name)], { signal });
    if (code !== 0) throw new UnavailableError(`Docker: docker compose up failed: ${lastLine(output)}.`);
    await useRunning(first);
    return { ...provided(addresses.join(), "docker"), [Symbol.asyncDispose]: stop };
  } catch (error) {
    onProgress?.("stopping what docker compose has started…");
    await stop();
    throw error;
  }
}

/** @throws {UnavailableError} that says what to install or start */
async function mustHaveDocker(signal?: AbortSignal): Promise<void> {
  // An engine that hangs is as good as none.
  const soon = AbortSignal.timeout(10_000);
  const ends = signal ? AbortSignal.any([soon, signal]) : soon;
  const asked = await run("docker", ["info", "--format", "{{.ServerVersion}}"], { signal: ends })
    .catch(() => ({ code: 1, output: "no answer within 10 s" }));
  signal?.throwIfAborted();
  if (asked.code !== 0) {
    const why = asked.code === 127 ? "it is not installed" : lastLine(asked.output);
    throw new UnavailableError(
      `Docker: no engine answers (${why}). Install or start it (Docker Desktop, or: sudo systemctl start docker).`,
    );
  }
  if ((await run("docker", ["compose", "version"], { signal })).code !== 0) {
    throw new UnavailableError(
      "Docker: docker compose is missing. Install it (Debian: apt install docker-compose-plugin).",
    );
  }
}

function compose(args: string[], options?: RunOptions): Promise<RunResult> {
  return run("docker", ["compose", "-f", COMPOSE_FILE, ...args], options);
}

async function startWithJava(options: ProvideOptions): Promise<ProvidedKafka> {
  const { port = USUAL_PORT, nodes = 1, dataDir, signal, onProgress } = options;
  if (port === 0) return own(await startLocalKafka({ brokers: nodes, dataDir, signal, onProgress }), onProgress);
  // Of two that start at once the second uses what the first has started.
  await makeFolder(CACHE_DIR);
  const onWait = () => onProgress?.("waiting for another process that starts a Kafka…");
  using _lock = await lockFile(join(CACHE_DIR, "starting.lock"), { signal, onWait });
  if ((await probeKafka(`localhost:${port}`, { signal })).kind !== "nothing") return await useRunning(options);
  const ports = Array.from({ length: nodes }, (_, i) => port + 2 * i);
  const keep = dataDir ?? join(CACHE_DIR, nodes === 1 ? "data" : `data-${nodes}`);
  return own(await startLocalKafka({ brokers: nodes, ports, dataDir: keep, signal, onProgress }), onProgress);
}

function own(local: LocalKafka, onProgress?: (line: string) => void): ProvidedKafka {
  const ends = local.nodes.map(async (node) => {
    const { code, signal } = await node.crashed;
    const what = `Kafka node ${node.id} ended by itself (${signal ?? `exit code ${code}`})`;
    onProgress?.(what);
    return `${what}; its log (${node.log}) ends with:\n${await node.logTail()}`;
  });
  const failed = Promise.all(ends).then((texts) => Promise.reject(new Error(texts.join("\n"))));
  failed.catch(() => {}); // whoever does not look at it does not care
  const stop = () => local[Symbol.asyncDispose]();
  return { bootstrap: local.bootstrap, source: "java", local, failed, [Symbol.asyncDispose]: stop };
}

/** One that others run, and stop. */
function provided(bootstrap: string, source: Source): ProvidedKafka {
  return { bootstrap, source, failed: never(), [Symbol.asyncDispose]: () => Promise.resolve() };
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1)!;
}

/**
 * The settings of every script, in one table.
 *
 * @module
 */
import { CONSUMER, consumerMistakes, DLT, LAG, OFFSETS } from "./consumer/settings.ts";
import { ConfigError } from "./errors.ts";
import {
  choice,
  file,
  helpText,
  integer,
  list,
  optional,
  readSettings,
  type Setting,
  setting,
  type Settings,
  type Sources,
  text,
  toggle,
  type Values,
} from "./settings.ts";

const MAX_INT = 2 ** 31 - 1;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
/** kafkajs splits at the first colon: it cannot be given an IPv6 address. */
const BROKERS = "host:port, or several of them separated by commas; host is a name or an IPv4 address";

/** Where Kafka is and who we are to it. */
const KAFKA = {
  brokers: setting(parseBrokers, ["KAFKA_BROKERS", "localhost:9092", "bootstrap brokers"], {
    alias: "KAFKA_BOOTSTRAP_SERVERS",
    expected: BROKERS,
  }),
  clientId: text("KAFKA_CLIENT_ID", "kafka-deno", "the name under which brokers know us"),
  createTopic: toggle("KAFKA_CREATE_TOPIC", true, "create a missing topic at start"),
  ssl: toggle("KAFKA_SSL", false, "TLS to the brokers"),
  sslCa: file("KAFKA_SSL_CA", "PEM file of the authority that signed the brokers' certificates"),
  sslCert: file("KAFKA_SSL_CERT", "PEM file of our certificate"),
  sslKey: file("KAFKA_SSL_KEY", "PEM file of our key"),
  saslMechanism: choice("KAFKA_SASL_MECHANISM", undefined, "plain, scram-sha-256 or scram-sha-512", [
    "plain",
    "scram-sha-256",
    "scram-sha-512",
  ]),
  saslUsername: optional("KAFKA_SASL_USERNAME", "SASL user"),
  saslPassword: optional("KAFKA_SASL_PASSWORD", "SASL password", { secret: true }),
};

/** How records are delivered. */
const DELIVERY = {
  // Idempotence lets a broker recognize a batch that is sent again because its answer was lost. Without it, every
  // lost answer may write the batch's records twice.
  idempotence: toggle("KAFKA_IDEMPOTENCE", true, "false: a lost answer may write records twice"),
  acks: choice("KAFKA_ACKS", "all", "1: lost with the leader; 0: lost unnoticed; both need idempotence off", [
    "all",
    "1",
    "0",
  ]),
  lingerMs: integer("KAFKA_LINGER_MS", 0, "how long a batch waits to fill, in ms", [0, 60_000]),
  batchBytes: integer("KAFKA_BATCH_BYTES", 900_000, "largest batch, before compression", [1_000, 64 << 20]),
  bufferBytes: integer("KAFKA_BUFFER_BYTES", 32 << 20, "records waiting for Kafka; beyond, refused", [1_000, MAX_INT]),
  deliveryTimeoutMs: integer("KAFKA_DELIVERY_TIMEOUT_MS", 30_000, "from a record's arrival to its outcome, in ms", [
    100,
    3_600_000,
  ]),
  compression: choice("KAFKA_COMPRESSION", "none", "none, gzip or zstd", ["none", "gzip", "zstd"]),
};

/** The one topic of those who write names. */
const TOPIC = {
  topic: setting(parseTopic, ["KAFKA_TOPIC", "test", "topic"], {
    expected: "up to 249 letters, digits, '.', '_' and '-'",
  }),
};

const HTTP = {
  host: text("HTTP_HOST", "127.0.0.1", "address to listen on"),
  port: integer("HTTP_PORT", 8082, "port to listen on; 0 takes a free one", [0, 65_535]),
  tokens: list("HTTP_TOKENS", "", "bearer tokens; needed when the host is not loopback", { secret: true }),
  tokensFile: optional("HTTP_TOKENS_FILE", "file of tokens and their rights"),
  anonymous: toggle("HTTP_ANONYMOUS", false, "serve without tokens though the host is not loopback"),
  httpTopics: list("HTTP_TOPICS", "", "topics open to HTTP; none named: all but internal ones"),
  allowedHosts: list("HTTP_ALLOWED_HOSTS", LOOPBACK.join(), "Host headers that are served"),
  allowedOrigins: list("HTTP_ALLOWED_ORIGINS", "", "web origins that may call"),
  maxBodyBytes: integer("HTTP_MAX_BODY_BYTES", 1 << 20, "largest request body", [1, MAX_INT]),
  bodyTimeoutMs: integer("HTTP_BODY_TIMEOUT_MS", 30_000, "for a whole body, or the next piece of a stream, in ms", [
    100,
    3_600_000,
  ]),
  maxConnections: integer("HTTP_MAX_CONNECTIONS", 1000, "requests at work at once", [1, 1_000_000]),
  rateLimit: integer("HTTP_RATE_LIMIT", undefined, "requests per second per token or address", [1, MAX_INT]),
  accessLog: toggle("HTTP_ACCESS_LOG", true, "one line on stderr for each request"),
  tlsCert: file("HTTP_TLS_CERT", "PEM file of the server's certificate"),
  tlsKey: file("HTTP_TLS_KEY", "PEM file of the server's key"),
};

/** Command line of the producer. */
const PRODUCER = {
  names: integer("--names", undefined, "write this many random Chinese names, not stdin's lines", [1, MAX_INT]),
  keyDelimiter: setting(parseDelimiter, [
    "--key-delimiter",
    undefined,
    "what separates key and value in a line, \\t for a tab; default: no keys",
  ], { expected: "a text" }),
  verbose: toggle("--verbose", false, "one delivery report per record on stderr"),
};

const PROCESS = {
  shutdownTimeoutMs: integer("SHUTDOWN_TIMEOUT_MS", 10_000, "bound on a clean stop, in ms", [100, 600_000]),
  logLevel: choice("LOG_LEVEL", "INFO", "DEBUG, INFO, WARN, ERROR or CRITICAL", [
    "DEBUG",
    "INFO",
    "WARN",
    "ERROR",
    "CRITICAL",
  ]),
  logFormat: choice("LOG_FORMAT", undefined, "text or json; default: text on a terminal, else json", ["text", "json"]),
};

/** Where the server listens, and what that and its URL depend on; the server takes all but the first two by itself. */
const SERVED = {
  host: HTTP.host,
  port: HTTP.port,
  tokens: withoutFlag(HTTP.tokens),
  tokensFile: withoutFlag(HTTP.tokensFile),
  anonymous: withoutFlag(HTTP.anonymous),
  tlsCert: withoutFlag(HTTP.tlsCert),
  tlsKey: withoutFlag(HTTP.tlsKey),
};

/** What `start` decides for the scripts that it runs; they take the rest from the environment. */
const START = {
  ...KAFKA,
  brokers: setting<readonly string[] | undefined>(parseBrokers, ["KAFKA_BROKERS", undefined, "use it, start none"], {
    alias: "KAFKA_BOOTSTRAP_SERVERS",
    expected: BROKERS,
    flag: undefined,
  }),
  nodes: integer("--brokers", 1, "nodes of the Kafka that is started if none answers", [1, 9]),
  kafkaPort: integer("--kafka-port", 9092, "where a Kafka is looked for, and started", [1, 65_535]),
  dataDir: optional("--data", "folder of that Kafka's data; default: in .cache"),
  ...SERVED,
  groupId: CONSUMER.groupId,
};

/** What the doctor looks at: what the others would use. */
const DOCTOR = {
  groupId: CONSUMER.groupId,
  acks: withoutFlag(DELIVERY.acks),
  idempotence: withoutFlag(DELIVERY.idempotence),
  ...SERVED,
  json: toggle("--json", false, "one JSON object instead of lines"),
};

const SCRIPTS = {
  start: { ...START, ...TOPIC, ...PROCESS },
  serve: { ...KAFKA, ...TOPIC, ...DELIVERY, ...HTTP, ...PROCESS },
  produce: { ...KAFKA, ...TOPIC, ...PRODUCER, ...DELIVERY, ...PROCESS },
  consume: { ...KAFKA, ...CONSUMER, ...DELIVERY, ...PROCESS },
  lag: { ...KAFKA, ...LAG, ...PROCESS },
  offsets: { ...KAFKA, ...OFFSETS, ...PROCESS },
  dlt: { ...KAFKA, ...DLT, ...DELIVERY, ...PROCESS },
  doctor: { ...KAFKA, ...TOPIC, ...DOCTOR, ...PROCESS },
};

/** The scripts that read settings. */
export type Script = keyof typeof SCRIPTS;
/** All settings of a script, frozen. */
export type Config<S extends Script> = Values<(typeof SCRIPTS)[S]>;
/** What a connection to Kafka needs. */
export type KafkaConfig = Values<typeof KAFKA>;
/** What the delivery path needs. */
export type DeliveryConfig = KafkaConfig & Values<typeof DELIVERY>;
/** What the HTTP part needs. */
export type HttpConfig = Values<typeof HTTP>;
/** What logging needs. */
export type LogConfig = Pick<Values<typeof PROCESS>, "logLevel" | "logFormat">;

/** Reads and checks the settings of a script. @throws {ConfigError} that names every mistake */
export function loadConfig<S extends Script>(script: S, sources: Sources = {}): Config<S> {
  return readSettings(SCRIPTS[script] as Settings, sources, crossCheck) as Config<S>;
}

/**
 * What every script does first: `--help` is printed, a mistake is told and ends the process with code 2.
 *
 * @param usage What the script is for and how it is run, the head of its help.
 */
export function configOrExit<S extends Script>(script: S, usage: string): Config<S> {
  helpOrGoOn(script, usage);
  try {
    return loadConfig(script);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

/** Where `--help` is asked for, prints it and ends the process. */
export function helpOrGoOn(script: Script, usage: string): void {
  if (!Deno.args.some((arg) => arg === "--help" || arg === "-h")) return;
  console.log(helpText(SCRIPTS[script], usage));
  Deno.exit(0);
}

function withoutFlag<T>(row: Setting<T>): Setting<T> {
  return { ...row, flag: undefined };
}

/** Few shells make it easy to type a tab. */
function parseDelimiter(text: string): string | undefined {
  return text.replaceAll("\\t", "\t") || undefined;
}

function parseBrokers(text: string): readonly string[] {
  const brokers = text.split(",").map((broker) => broker.trim());
  for (const broker of brokers) {
    const port = Number(/^[\w.-]+:(\d+)$/.exec(broker)?.[1]);
    if (!(port > 0 && port < 65_536)) throw new RangeError(broker);
  }
  return Object.freeze(brokers);
}

/** What Kafka takes as a name (org.apache.kafka.common.internals.Topic). */
function parseTopic(name: string): string {
  if (!/^[\w.-]{1,249}$/.test(name) || name === "." || name === "..") throw new RangeError(name);
  return name;
}

/** Combinations that would do something else than was meant. */
function crossCheck(values: Values<Settings>, isSet: (name: string) => boolean): string[] {
  const config = values as Partial<Config<"serve">>;
  const mistakes: string[] = [];
  const check = (right: unknown, mistake: string) => right || mistakes.push(mistake);
  check(
    !config.idempotence || config.acks === "all",
    `KAFKA_ACKS is "${config.acks}" while KAFKA_IDEMPOTENCE is on; expected KAFKA_ACKS=all, or KAFKA_IDEMPOTENCE=false`,
  );
  for (const name of ["KAFKA_SSL_CA", "KAFKA_SSL_CERT", "KAFKA_SSL_KEY"]) {
    check(config.ssl || !isSet(name), `${name} is set while KAFKA_SSL is off; expected KAFKA_SSL=true with it`);
  }
  check(isSet("KAFKA_SSL_CERT") === isSet("KAFKA_SSL_KEY"), "KAFKA_SSL_CERT and KAFKA_SSL_KEY need each other");
  const sasl = [config.saslMechanism, config.saslUsername, config.saslPassword].filter((part) => part !== undefined);
  check(
    sasl.length === 0 || sasl.length === 3,
    `${sasl.length} of KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are set; expected all or none`,
  );
  check(
    (config.batchBytes ?? 0) <= (config.bufferBytes ?? 0),
    `KAFKA_BATCH_BYTES is ${config.batchBytes}, more than KAFKA_BUFFER_BYTES ${config.bufferBytes}; expected no more`,
  );
  check(isSet("HTTP_TLS_CERT") === isSet("HTTP_TLS_KEY"), "HTTP_TLS_CERT and HTTP_TLS_KEY need each other");
  const guarded = config.tokens?.length || config.tokensFile || config.anonymous;
  const loopback = config.host === undefined || ["::1", ...LOOPBACK].includes(config.host) ||
    /^127(\.\d+){3}$/.test(config.host);
  check(
    loopback || guarded,
    `HTTP_HOST is "${config.host}", which others can reach, without tokens; ` +
      `expected HTTP_TOKENS or HTTP_TOKENS_FILE, or HTTP_ANONYMOUS=true to let everybody write`,
  );
  mistakes.push(...consumerMistakes(values as Partial<Config<"consume">>, isSet));
  return mistakes;
}

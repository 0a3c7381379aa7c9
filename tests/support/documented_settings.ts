/**
 * Every setting of every script as users are told of it: the documented settings. A setting that is
 * added to the program is added here.
 */

/** One setting. */
export interface Documented {
  /** Variable, or flag where there is only that. */
  name: string;
  /** Its name in the program. */
  key: string;
  /** What it is when nobody sets it. */
  value: unknown;
  /** As the help shows that; default: the value as text, `-` for none. */
  shown?: string;
  /** Another text, and what it means. Files have none. */
  text?: string;
  meant?: unknown;
  /** Default: from the name. `-` for a secret, which has none. */
  flag?: string;
}

type Short = [name: string, key: string, value: unknown, text?: string, meant?: unknown, more?: Partial<Documented>];

function rows(short: Short[]): Documented[] {
  return short.map(([name, key, value, text, meant, more]) => ({ name, key, value, text, meant, ...more }));
}

const KAFKA = rows([
  ["KAFKA_BROKERS", "brokers", ["localhost:9092"], "a:1", ["a:1"]],
  ["KAFKA_CLIENT_ID", "clientId", "kafka-deno", "me", "me"],
  ["KAFKA_CREATE_TOPIC", "createTopic", true, "false", false],
  ["KAFKA_SSL", "ssl", false, "true", true],
  ["KAFKA_SSL_CA", "sslCa", undefined],
  ["KAFKA_SSL_CERT", "sslCert", undefined],
  ["KAFKA_SSL_KEY", "sslKey", undefined],
  ["KAFKA_SASL_MECHANISM", "saslMechanism", undefined, "scram-sha-512", "scram-sha-512"],
  ["KAFKA_SASL_USERNAME", "saslUsername", undefined, "me", "me"],
  ["KAFKA_SASL_PASSWORD", "saslPassword", undefined, "hunter2", "hunter2", { flag: "-" }],
]);

const TOPIC = rows([["KAFKA_TOPIC", "topic", "test", "names", "names"]]);

const DELIVERY = rows([
  ["KAFKA_IDEMPOTENCE", "idempotence", true, "false", false],
  ["KAFKA_ACKS", "acks", "all", "1", "1"],
  ["KAFKA_LINGER_MS", "lingerMs", 0, "5", 5],
  ["KAFKA_BATCH_BYTES", "batchBytes", 900_000, "1000", 1000],
  ["KAFKA_BUFFER_BYTES", "bufferBytes", 32 * 1024 * 1024, "900001", 900_001],
  ["KAFKA_DELIVERY_TIMEOUT_MS", "deliveryTimeoutMs", 30_000, "1000", 1000],
  ["KAFKA_COMPRESSION", "compression", "none", "zstd", "zstd"],
]);

const HTTP = rows([
  ["HTTP_HOST", "host", "127.0.0.1", "localhost", "localhost"],
  ["HTTP_PORT", "port", 8082, "80", 80],
  ["HTTP_TOKENS", "tokens", [], "a,b", ["a", "b"], { flag: "-" }],
  ["HTTP_TOKENS_FILE", "tokensFile", undefined, "tokens.json", "tokens.json"],
  ["HTTP_ANONYMOUS", "anonymous", false, "true", true],
  ["HTTP_TOPICS", "httpTopics", [], "a,b", ["a", "b"]],
  ["HTTP_ALLOWED_HOSTS", "allowedHosts", ["localhost", "127.0.0.1", "[::1]"], "example.org", ["example.org"]],
  ["HTTP_ALLOWED_ORIGINS", "allowedOrigins", [], "https://example.org", ["https://example.org"]],
  ["HTTP_MAX_BODY_BYTES", "maxBodyBytes", 1024 * 1024, "10", 10],
  ["HTTP_BODY_TIMEOUT_MS", "bodyTimeoutMs", 30_000, "1000", 1000],
  ["HTTP_MAX_CONNECTIONS", "maxConnections", 1000, "10", 10],
  ["HTTP_RATE_LIMIT", "rateLimit", undefined, "10", 10],
  ["HTTP_ACCESS_LOG", "accessLog", true, "false", false],
  ["HTTP_TLS_CERT", "tlsCert", undefined],
  ["HTTP_TLS_KEY", "tlsKey", undefined],
]);

const PROCESS = rows([
  ["SHUTDOWN_TIMEOUT_MS", "shutdownTimeoutMs", 10_000, "1000", 1000],
  ["LOG_LEVEL", "logLevel", "INFO", "debug", "DEBUG"],
  ["LOG_FORMAT", "logFormat", undefined, "json", "json"],
]);

const PRODUCER = rows([
  ["--names", "names", undefined, "5", 5],
  ["--key-delimiter", "keyDelimiter", undefined, "\t", "\t"],
  ["--verbose", "verbose", false, "true", true],
]);

const CONSUMER = rows([
  ["KAFKA_TOPIC", "topics", ["test"], "a,b", ["a", "b"]],
  ["KAFKA_GROUP_ID", "groupId", "myConsumerGroup", "mine", "mine", { flag: "--group" }],
  ["--from", "from", { at: "committed" }, "-5", { at: "last", records: 5 }, { shown: "committed" }],
  ["--partition", "partitions", []], // needs another group
  ["--count", "count", undefined, "5", 5],
  ["--exit", "exit", false, "true", true],
  ["--idle-timeout", "idleTimeout", 120, "5", 5],
  ["--format", "format", undefined, "%s", "%s"],
  ["--json", "json", false, "true", true],
  ["--grep", "grep", undefined, "a+", /a+/u],
  ["--quiet", "quiet", false, "true", true],
  ["--stats", "stats", false, "true", true],
  ["--handler", "handler", undefined, "./handler.ts", "./handler.ts"],
  ["--max-attempts", "maxAttempts", 5, "1", 1],
  ["--retry-backoff-ms", "retryBackoffMs", 200, "1", 1],
  ["--dead-letter-topic", "deadLetterTopic", "{topic}.dlt", "none", "none"],
  ["--concurrency", "concurrency", 8, "1", 1],
  ["KAFKA_FETCH_BYTES", "fetchBytes", 2 * 1024 * 1024, "1024", 1024],
  ["KAFKA_GROUP_INSTANCE_ID", "groupInstanceId", undefined, "one", "one"],
  ["KAFKA_SESSION_TIMEOUT_MS", "sessionTimeoutMs", 30_000, "10000", 10_000],
  ["KAFKA_REBALANCE_TIMEOUT_MS", "rebalanceTimeoutMs", 300_000, "60000", 60_000],
]);

/** The settings of each script. */
export const DOCUMENTED = {
  serve: [...KAFKA, ...TOPIC, ...DELIVERY, ...HTTP, ...PROCESS],
  produce: [...KAFKA, ...TOPIC, ...PRODUCER, ...DELIVERY, ...PROCESS],
  consume: [...KAFKA, ...CONSUMER, ...DELIVERY, ...PROCESS],
};

/** The flag of a setting, nothing for a secret: the part of its name after the prefix. */
export function flagOf({ name, flag }: Documented): string | undefined {
  if (flag) return flag === "-" ? undefined : flag;
  return "--" + name.replace(/^(--|KAFKA_|HTTP_)/, "").toLowerCase().replaceAll("_", "-");
}

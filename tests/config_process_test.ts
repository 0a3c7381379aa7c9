/** What the scripts themselves do with `--help` and with wrong settings: their output and exit codes. */
import assert from "node:assert/strict";
import { startScript } from "./support/wait.ts";

/** Flag, variable and default of each setting, as they stand in the help; `-` for none. */
const KAFKA = [
  "--brokers KAFKA_BROKERS localhost:9092",
  "--client-id KAFKA_CLIENT_ID kafka-deno",
  "--create-topic KAFKA_CREATE_TOPIC true",
  "--ssl KAFKA_SSL false",
  "--ssl-ca KAFKA_SSL_CA -",
  "--ssl-cert KAFKA_SSL_CERT -",
  "--ssl-key KAFKA_SSL_KEY -",
  "--sasl-mechanism KAFKA_SASL_MECHANISM -",
  "--sasl-username KAFKA_SASL_USERNAME -",
  "KAFKA_SASL_PASSWORD -",
];
const DELIVERY = [
  "--topic KAFKA_TOPIC test",
  "--idempotence KAFKA_IDEMPOTENCE true",
  "--acks KAFKA_ACKS all",
  "--linger-ms KAFKA_LINGER_MS 0",
  "--batch-bytes KAFKA_BATCH_BYTES 900000",
  "--buffer-bytes KAFKA_BUFFER_BYTES 33554432",
  "--delivery-timeout-ms KAFKA_DELIVERY_TIMEOUT_MS 30000",
  "--compression KAFKA_COMPRESSION none",
];
const HTTP = [
  "--host HTTP_HOST 127.0.0.1",
  "--port HTTP_PORT 8082",
  "HTTP_TOKENS -",
  "--tokens-file HTTP_TOKENS_FILE -",
  "--anonymous HTTP_ANONYMOUS false",
  "--topics HTTP_TOPICS -",
  "--allowed-hosts HTTP_ALLOWED_HOSTS localhost,127.0.0.1,[::1]",
  "--allowed-origins HTTP_ALLOWED_ORIGINS -",
  "--max-body-bytes HTTP_MAX_BODY_BYTES 1048576",
  "--max-connections HTTP_MAX_CONNECTIONS 1000",
  "--rate-limit HTTP_RATE_LIMIT -",
  "--tls-cert HTTP_TLS_CERT -",
  "--tls-key HTTP_TLS_KEY -",
];
const PROCESS = [
  "--shutdown-timeout-ms SHUTDOWN_TIMEOUT_MS 10000",
  "--log-level LOG_LEVEL INFO",
  "--log-format LOG_FORMAT -",
];
const SCRIPTS: Record<string, string[]> = {
  "server.ts": [...KAFKA, ...DELIVERY, ...HTTP, ...PROCESS],
  "producer.ts": [...KAFKA, "--names -", "--key-delimiter -", "--verbose false", ...DELIVERY, ...PROCESS],
  "consumer.ts": [
    ...[...KAFKA, "--topic KAFKA_TOPIC test", "--group KAFKA_GROUP_ID myConsumerGroup", "--idle-timeout 120"],
    ...["--quiet false", ...PROCESS],
  ],
};

const SECRETS = { KAFKA_SASL_PASSWORD: "hunter2", HTTP_TOKENS: "letmein" };

/** Runs a script with what a person has in their environment, in a folder of its own. */
async function run(
  script: string,
  args: string[],
  { env = {}, envFile }: { env?: Record<string, string>; envFile?: string } = {},
) {
  const cwd = await Deno.makeTempDir();
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(cwd, { recursive: true }) };
  if (envFile !== undefined) await Deno.writeTextFile(`${cwd}/.env`, envFile);
  const path = new URL(`../${script}`, import.meta.url).pathname;
  const config = new URL("../deno.json", import.meta.url).pathname;
  const flags = ["run", "--no-lock", `--config=${config}`, "--allow-env", "--allow-read", path];
  await using process = startScript([...flags, ...args], { cwd, env: { ...SECRETS, ...env } });
  const { code } = await process.exit;
  return { code, stdout: process.stdoutLines.join("\n"), stderr: process.stderrLines.join("\n") };
}

const permissions = { run: true, env: true, read: true, write: true } as const;

for (const [script, settings] of Object.entries(SCRIPTS)) {
  for (const flag of ["--help", "-h"]) {
    Deno.test({
      name: `${script} ${flag} lists exactly its flags, variables and defaults on stdout, and exits with 0`,
      permissions,
      async fn() {
        const { code, stdout, stderr } = await run(script, ["--port", flag, "--nonsense"]);
        assert.equal(code, 0);
        assert.equal(stderr, "");
        const listed = stdout.split("\n").filter((line) => /^ {2,}(--|[A-Z]+_[A-Z_]+ )/.test(line))
          .map((line) => line.trim().split(/\s{2,}/).slice(0, -1).join(" "));
        assert.deepEqual(listed.toSorted(), settings.toSorted());
        assert.match(stdout, /\(or KAFKA_BOOTSTRAP_SERVERS\)/);
        assert.doesNotMatch(stdout, /hunter2|letmein/);
      },
    });
  }

  Deno.test({
    name: `${script} tells every mistake on stderr, shows no secret, and exits with 2`,
    permissions,
    async fn() {
      const env = { KAFKA_BROKERS: "", LOG_LEVEL: "loud" };
      const args = ["--elephant", "--sasl-password=hunter2"];
      const { code, stdout, stderr } = await run(script, args, { env, envFile: "SHUTDOWN_TIMEOUT_MS=soon" });
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.equal(
        stderr,
        `Cannot start: 6 settings are wrong
  --elephant is not known here; expected a flag that --help lists
  --sasl-password would show a secret in the list of processes; expected KAFKA_SASL_PASSWORD in the environment
  KAFKA_BROKERS is "", from the environment; expected host:port, or several of them separated by commas; host is a name or an IPv4 address
  SHUTDOWN_TIMEOUT_MS is "soon", from the .env file; expected a whole number from 100 to 600000
  LOG_LEVEL is "loud", from the environment; expected one of DEBUG, INFO, WARN, ERROR, CRITICAL
  1 of KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are set; expected all or none
(--help lists the settings)`,
      );
    },
  });
}

Deno.test({
  name: "a .env file that cannot be read is one mistake among the others",
  permissions,
  async fn() {
    const cwd = await Deno.makeTempDir();
    await using _ = { [Symbol.asyncDispose]: () => Deno.remove(cwd, { recursive: true }) };
    await Deno.mkdir(`${cwd}/.env`);
    const code = `import { configOrExit } from "${new URL(
      "../config.ts",
      import.meta.url,
    )}"; configOrExit("serve", "");`;
    const config = new URL("../deno.json", import.meta.url).pathname;
    await using process = startScript(["eval", "--no-lock", `--config=${config}`, code], {
      cwd,
      env: { HTTP_PORT: "x" },
    });
    assert.equal((await process.exit).code, 2);
    const [head, mistake] = process.stderrLines;
    assert.equal(head, "Cannot start: 2 settings are wrong");
    assert.match(mistake, /^ +\.env cannot be read \(Is a directory.*; expected a readable file, or none$/);
  },
});

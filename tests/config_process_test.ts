/** What the scripts themselves do with `--help` and with wrong settings: their output and exit codes. */
import assert from "node:assert/strict";
import { DOCUMENTED, type Documented, flagOf } from "./support/documented_settings.ts";
import { startScript } from "./support/wait.ts";

const SCRIPTS = { serve: "server.ts", produce: "producer.ts", consume: "consumer.ts" } as const;

/** Flag, variable and default of a setting, as they stand in the help. */
function helpLine(row: Documented): string {
  const value = Array.isArray(row.value) ? row.value.join() : row.value ?? "";
  const variable = row.name.startsWith("--") ? undefined : row.name;
  return [flagOf(row), variable, row.shown ?? (String(value) || "-")].filter((cell) => cell !== undefined).join(" ");
}

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

for (const [name, script] of Object.entries(SCRIPTS)) {
  const settings = DOCUMENTED[name as keyof typeof SCRIPTS].map(helpLine);
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

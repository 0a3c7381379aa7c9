/** What log lines look like and where they go, in a process of their own: stderr belongs to the process. */
import assert from "node:assert/strict";
import { escapeControls, loggerFor } from "../log.ts";
import { startScript } from "./support/wait.ts";

const permissions = { run: true, env: true, read: true } as const;
const ROOT = new URL("../", import.meta.url);

interface Settings {
  level?: string;
  /** Default: none, as where nobody sets LOG_FORMAT. */
  format?: string;
}

/** Runs code that has `log`, the logger of "server", and `loggerFor`. */
async function run(code: string, { level = "DEBUG", format }: Settings = {}) {
  const settings = JSON.stringify({ logLevel: level, logFormat: format });
  const program = `
    import { loggerFor, setupLogging } from "${ROOT}log.ts";
    setupLogging(${settings});
    const log = loggerFor("server");
    ${code}
  `;
  const args = ["eval", "--no-lock", `--config=${new URL("deno.json", ROOT).pathname}`, program];
  await using script = startScript(args);
  assert.equal((await script.exit).code, 0, script.tail());
  assert.deepEqual(script.stdoutLines, [], "stdout is for payloads");
  return script.stderrLines;
}

/** The objects that are logged as JSON, without their times. */
async function json(code: string, level?: string): Promise<Record<string, unknown>[]> {
  return (await run(code, { level, format: "json" })).map((line) => {
    const { time, ...rest } = JSON.parse(line);
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    return rest;
  });
}

/** The lines that are logged as text, without their times. */
async function text(code: string, level?: string): Promise<string[]> {
  return (await run(code, { level, format: "text" })).map((line) => {
    assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} /);
    return line.slice(13);
  });
}

const EVERY_LEVEL = `for (const level of ["debug", "info", "warn", "error", "critical"]) log[level](level);`;

for (const [index, level] of ["DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"].entries()) {
  Deno.test({
    name: `at LOG_LEVEL ${level} that level is logged, and what is above it`,
    permissions,
    async fn() {
      const shown = (await json(EVERY_LEVEL, level)).map((event) => event.level);
      assert.deepEqual(shown, ["DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"].slice(index));
    },
  });
}

Deno.test({
  name: "JSON lines hold time, level, component and message, then the fields",
  permissions,
  async fn() {
    assert.deepEqual(
      await json(`log.info("listening", { port: 8082, tls: false, hosts: ["a"], none: undefined });
      loggerFor("kafka").warn("gone");`),
      [
        { level: "INFO", component: "server", message: "listening", port: 8082, tls: false, hosts: ["a"] },
        { level: "WARN", component: "kafka", message: "gone" },
      ],
    );
  },
});

Deno.test({
  name: "text lines hold time, level, component and message, then the fields, quoted where they need it",
  permissions,
  async fn() {
    assert.deepEqual(
      await text(`log.info("listening", { port: 8082, host: "::", none: undefined, text: "a b", empty: "" });
      loggerFor("kafkajs").critical("it said \\"no\\"", { list: ["a"], nothing: null, equal: "a=b" });`),
      [
        `INFO  server: listening port=8082 host=:: text="a b" empty=""`,
        `CRITICAL kafkajs: it said "no" list=["a"] nothing=null equal="a=b"`,
      ],
    );
  },
});

Deno.test({
  name: "an error is told with its causes, each once, as a field, inside one, or alone",
  permissions,
  async fn() {
    const code = `
      const socket = new Error("ECONNREFUSED");
      const connect = new Error("cannot connect", { cause: socket });
      const told = new Error("cannot start: ECONNREFUSED", { cause: socket });
      log.error("failed", { error: connect, told, nested: { errors: [socket] } });
      log.error("failed", connect);
    `;
    assert.deepEqual(await json(code), [
      {
        ...{ level: "ERROR", component: "server", message: "failed", error: "cannot connect: ECONNREFUSED" },
        ...{ told: "cannot start: ECONNREFUSED", nested: { errors: ["ECONNREFUSED"] } },
      },
      { level: "ERROR", component: "server", message: "failed", error: "cannot connect: ECONNREFUSED" },
    ]);
    assert.deepEqual(await text(code), [
      `ERROR server: failed error="cannot connect: ECONNREFUSED" told="cannot start: ECONNREFUSED" nested={"errors":["ECONNREFUSED"]}`,
      `ERROR server: failed error="cannot connect: ECONNREFUSED"`,
    ]);
  },
});

Deno.test({
  name: "what JSON cannot hold is told in words and harms no other field",
  permissions,
  async fn() {
    const code = `
      const self = {}; self.self = self;
      log.info("x", { big: 2n ** 64n, inner: { big: 1n }, self, f() {}, port: 1 });
    `;
    assert.deepEqual(await json(code), [{
      ...{ level: "INFO", component: "server", message: "x", big: "18446744073709551616", inner: { big: "1" } },
      ...{ self: "[object Object]", port: 1 },
    }]);
    assert.deepEqual(await text(code), [
      `INFO  server: x big="18446744073709551616" inner={"big":"1"} self="[object Object]" port=1`,
    ]);
  },
});

Deno.test({
  name: "no field can pass for the time, level, component or message",
  permissions,
  async fn() {
    const [event] = await json(`log.info("real", { level: "ERROR", component: "x", message: "y", time: 0, port: 1 })`);
    assert.deepEqual(event, { level: "INFO", component: "server", message: "real", port: 1 });
  },
});

const HOSTILE =
  "%s %d %o %c %% \r\n\t\x1b[31mred\x07 \x7f \x9b2J \u202eevil \u2066 \u200f \u061c \u2028 \0 名字 \u{1f600}";
const TAMED =
  "%s %d %o %c %% \\u000d\\u000a\\u0009\\u001b[31mred\\u0007 \\u007f \\u009b2J \\u202eevil \\u2066 \\u200f \\u061c \\u2028 \\u0000 名字 \u{1f600}";

Deno.test({
  name: "what comes from outside stays on its line, and moves neither cursor nor text, in text lines",
  permissions,
  async fn() {
    const hostile = JSON.stringify(HOSTILE);
    const lines = await text(`log.info(${hostile}); log.info("x", { [${hostile}]: ${hostile} });`);
    assert.equal(lines.length, 2);
    assert.equal(lines[0], `INFO  server: ${TAMED}`);
    for (const line of lines) assert.equal(escapeControls(line), line);
  },
});

Deno.test({
  name: "what comes from outside stays on its line, and moves neither cursor nor text, in JSON lines, and is unchanged",
  permissions,
  async fn() {
    const hostile = JSON.stringify(HOSTILE);
    const lines = await run(`log.info(${hostile}, { [${hostile}]: ${hostile} });`, { format: "json" });
    assert.equal(lines.length, 1);
    assert.equal(escapeControls(lines[0]), lines[0]);
    const event = JSON.parse(lines[0]);
    assert.equal(event.message, HOSTILE);
    assert.equal(event[HOSTILE], HOSTILE);
  },
});

Deno.test({
  name: "where stderr is no terminal and nothing else is asked for, lines are JSON",
  permissions,
  async fn() {
    const [line] = await run(`log.info("x")`);
    assert.equal(JSON.parse(line).message, "x");
  },
});

Deno.test({
  name: "a logger is silent before logging is set up, and asks nobody to prepare lines",
  permissions: "none",
  fn() {
    const log = loggerFor("producer");
    assert.deepEqual(log.handlers, []);
    assert.equal(log.levelName, "CRITICAL");
  },
});

Deno.test({
  name: "every control character and every mark that reorders text is escaped, and nothing else is changed",
  permissions: "none",
  fn() {
    for (let code = 0; code <= 0xffff; code++) {
      const character = String.fromCharCode(code);
      const harmful = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(character);
      const expected = harmful ? `\\u${code.toString(16).padStart(4, "0")}` : character;
      assert.equal(escapeControls(character), expected);
    }
  },
});

/**
 * What the documentation of `@std/log` says, as tables. The names are imported as everywhere, so the same tables
 * judge the package itself when the `links` line of deno.json is gone.
 */
import assert from "node:assert/strict";
import * as log from "@std/log";
import { BaseHandler } from "@std/log/base-handler";
import { ConsoleHandler } from "@std/log/console-handler";
import { formatters, jsonFormatter } from "@std/log/formatters";
import { getLogger } from "@std/log/get-logger";
import { getLevelByName, getLevelName, type LevelName, LogLevelNames, LogLevels } from "@std/log/levels";
import { Logger, LogRecord } from "@std/log/logger";
import { setup } from "@std/log/setup";

/** What there is before anybody calls setup. */
const atStart = log.getLogger();

/** A handler that keeps what it gets. */
class Memory extends BaseHandler {
  lines: string[] = [];
  records: LogRecord[] = [];
  hooks: string[] = [];

  override handle(record: LogRecord) {
    this.records.push(record);
    super.handle(record);
  }
  log(line: string) {
    this.lines.push(line);
  }
  override setup() {
    this.hooks.push("setup");
  }
  override destroy() {
    this.hooks.push("destroy");
  }
}

function test(name: string, fn: () => void) {
  Deno.test({
    name,
    permissions: "none",
    fn() {
      try {
        fn();
      } finally {
        setup({}); // the loggers belong to the process, not to a test
      }
    },
  });
}

/** What `work` writes with `console.log`. */
function printed(work: () => void): unknown[] {
  const lines: unknown[] = [];
  const original = console.log;
  console.log = (...line: unknown[]) => lines.push(...line);
  try {
    work();
  } finally {
    console.log = original;
  }
  return lines;
}

function record(msg: string, args: unknown[] = [], level: log.LogLevel = LogLevels.INFO): LogRecord {
  return new LogRecord({ msg, args, level, loggerName: "example" });
}

const METHODS = ["debug", "info", "warn", "error", "critical"] as const;
const NAMES = ["DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"] as const;

test("levels are numbers in steps of ten, and known by name", () => {
  assert.deepEqual({ ...LogLevels }, { NOTSET: 0, DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40, CRITICAL: 50 });
  assert.deepEqual(LogLevelNames, ["NOTSET", ...NAMES]);
  for (const name of LogLevelNames) {
    assert.equal(getLevelByName(name), LogLevels[name]);
    assert.equal(getLevelName(LogLevels[name]), name);
  }
  assert.throws(() => getLevelByName("WARNING" as LevelName), Error);
  assert.throws(() => getLevelName(5000 as log.LogLevel), Error);
});

test("a logger and a handler each let pass what is not below their level", () => {
  for (const [at, name] of NAMES.entries()) {
    const expected = NAMES.map((level, i) => `${level} ${METHODS[i]}`).slice(at);
    for (const [ofLogger, ofHandler] of [[name, "NOTSET"], ["NOTSET", name]] as const) {
      const handler = new Memory(ofHandler);
      const logger = new Logger("example", ofLogger, { handlers: [handler] });
      for (const method of METHODS) assert.equal(logger[method](method), method);
      assert.deepEqual(handler.lines, expected, `logger ${ofLogger}, handler ${ofHandler}`);
    }
  }
});

const TEXTS: [given: unknown, text: string][] = [
  ["hello", "hello"],
  ["", ""],
  [null, "null"],
  [undefined, "undefined"],
  [123456, "123456"],
  [NaN, "NaN"],
  [5n, "5"],
  [true, "true"],
  [Symbol("a"), "Symbol(a)"],
  [{ foo: "bar", fizz: 1 }, '{"foo":"bar","fizz":1}'],
  [{ a: { b: "c" }, n: null, u: undefined, big: 5n }, '{"a":{"b":"c"},"n":null,"u":undefined,"big":5}'],
  [{ quote: 'say "x"\n' }, '{"quote":"say "x"\n"}'],
  [{ fn: () => 1 }, '{"fn":undefined}'],
  [["a", 1], '{"0":"a","1":1}'],
  [new Map([[1, 2]]), "{}"],
  [new Date(0), "{}"],
];

for (const [given, text] of TEXTS) {
  test(`a message that is ${Deno.inspect(given)} is logged as ${JSON.stringify(text)} and returned as it is`, () => {
    const handler = new Memory("DEBUG");
    const logger = new Logger("example", "DEBUG", { handlers: [handler] });
    assert.equal(logger.info(given), given);
    assert.equal(logger.info(() => given), given);
    assert.deepEqual(handler.records.map(({ msg }) => msg), [text, text]);
    assert.deepEqual(handler.lines, [`INFO ${text}`, `INFO ${text}`]);
  });
}

test("an error is logged with its stack, also within an object", () => {
  const handler = new Memory("DEBUG");
  const logger = new Logger("example", "DEBUG", { handlers: [handler] });
  const error = new RangeError("Uh-oh!", { cause: "not shown" });
  assert.equal(logger.error(error), error);
  logger.error({ error });
  assert.deepEqual(handler.records.map(({ msg }) => msg), [error.stack, `{"error":${error.stack}}`]);
  assert.match(handler.lines[0], /^ERROR RangeError: Uh-oh!\n +at /);
});

test("a function is called only if its message is logged", () => {
  const handler = new Memory("ERROR");
  const logger = new Logger("example", "ERROR", { handlers: [handler] });
  let calls = 0;
  const costly = () => `result ${++calls}`;
  assert.equal(logger.warn(costly, 1), undefined);
  assert.equal(calls, 0);
  assert.equal(logger.error(costly, 1), "result 1");
  assert.deepEqual(handler.lines, ["ERROR result 1"]);
  assert.deepEqual(handler.records[0].args, [1]);
  // Whether a handler wants it does not matter.
  handler.level = LogLevels.CRITICAL;
  assert.equal(logger.error(costly), "result 2");
  assert.deepEqual(handler.lines, ["ERROR result 1"]);
});

test("a record holds what was logged, and gives copies of its arguments and its date", () => {
  const args = [1, { two: 2 }];
  const before = Date.now();
  const made = record("hello", args, LogLevels.WARN);
  args.push(3);
  assert.deepEqual([made.msg, made.level, made.levelName, made.loggerName], ["hello", 30, "WARN", "example"]);
  made.args.push("x");
  made.datetime.setTime(0);
  assert.deepEqual(made.args, [1, { two: 2 }]);
  assert.ok(made.datetime.getTime() >= before && made.datetime.getTime() <= Date.now());
  assert.throws(() => record("hello", [], 15 as log.LogLevel), Error);
});

test("all handlers of a logger get the same record, and the list can be replaced", () => {
  const [a, b] = [new Memory("DEBUG"), new Memory("DEBUG")];
  const logger = new Logger("example", "DEBUG", { handlers: [a, b] });
  logger.info("one", 1, "x");
  assert.equal(a.records[0], b.records[0]);
  assert.deepEqual(a.records[0].args, [1, "x"]);
  assert.equal(a.records[0].loggerName, "example");
  logger.handlers = [b];
  logger.info("two");
  assert.deepEqual([a.lines, b.lines], [["INFO one"], ["INFO one", "INFO two"]]);
  assert.deepEqual(new Logger("example", "DEBUG").handlers, []);
});

test("the level of a logger can be set by number and by name", () => {
  const logger = new Logger("example", "DEBUG");
  logger.level = LogLevels.WARN;
  assert.deepEqual([logger.level, logger.levelName], [30, "WARN"]);
  logger.levelName = "CRITICAL";
  assert.deepEqual([logger.level, logger.levelName], [50, "CRITICAL"]);
  assert.throws(() => logger.level = 5000 as log.LogLevel, TypeError);
  assert.throws(() => logger.levelName = "NONE" as LevelName, Error);
  assert.deepEqual([logger.level, logger.loggerName], [50, "example"]);
  assert.throws(() => new Logger("example", "NONE" as LevelName), Error);
});

test("the level of a handler can be set by number and by name", () => {
  const handler = new Memory("DEBUG");
  handler.level = LogLevels.WARN;
  assert.deepEqual([handler.level, handler.levelName], [30, "WARN"]);
  handler.levelName = "ERROR";
  assert.deepEqual([handler.level, handler.levelName], [40, "ERROR"]);
  assert.throws(() => handler.level = 5000 as log.LogLevel, Error);
  assert.throws(() => handler.levelName = "NONE" as LevelName, Error);
  assert.throws(() => new Memory("NONE" as LevelName), Error);
});

test("a handler writes what its formatter makes of the record", () => {
  const formatter: log.FormatterFunction = ({ loggerName, levelName, msg, args }) =>
    `[${loggerName}] ${levelName} ${msg} ${args.length}`;
  const handler = new Memory("DEBUG", { formatter });
  handler.handle(record("hello", [1, 2]));
  assert.deepEqual(handler.lines, ["[example] INFO hello 2"]);
  assert.equal(handler.format(record("x")), "[example] INFO x 0");
  handler.formatter = ({ msg }) => msg;
  assert.equal(handler.format(record("x")), "x");
  assert.equal(new Memory("DEBUG", {}).format(record("")), "INFO ");
});

test("a handler is destroyed at the end of a using block", () => {
  const handler = new Memory("DEBUG");
  {
    using used = handler;
    assert.deepEqual(used.hooks, []);
  }
  assert.deepEqual(handler.hooks, ["destroy"]);
});

test("jsonFormatter writes one argument as it is and several as an array", () => {
  const cases: [args: unknown[], rest: string][] = [
    [[], ""],
    [[{ product: "nail" }], ',"args":{"product":"nail"}'],
    [[[1]], ',"args":[1]'],
    [[undefined], ""],
    [[1, "two", [3, 4, 5]], ',"args":[1,"two",[3,4,5]]'],
  ];
  for (const [args, rest] of cases) {
    const made = record('Hey "you"', args);
    const time = made.datetime.getTime();
    assert.equal(jsonFormatter(made), `{"level":"INFO","datetime":${time},"message":"Hey \\"you\\""${rest}}`);
  }
  assert.deepEqual({ ...formatters }, { jsonFormatter });
});

test("ConsoleHandler writes to console.log, coloured by level unless told otherwise", () => {
  const colour = (text: string, ...codes: string[]) => Deno.noColor ? text : codes[0] + text + codes[1];
  const cases: [level: log.LogLevel, text: string][] = [
    [LogLevels.DEBUG, "DEBUG x"],
    [LogLevels.INFO, colour("INFO x", "\x1b[34m", "\x1b[39m")],
    [LogLevels.WARN, colour("WARN x", "\x1b[33m", "\x1b[39m")],
    [LogLevels.ERROR, colour("ERROR x", "\x1b[31m", "\x1b[39m")],
    [LogLevels.CRITICAL, colour("CRITICAL x", "\x1b[1m\x1b[31m", "\x1b[39m\x1b[22m")],
  ];
  for (const [level, text] of cases) {
    assert.deepEqual(printed(() => new ConsoleHandler("DEBUG").handle(record("x", [], level))), [text]);
    const plain = new ConsoleHandler("DEBUG", { useColors: false });
    assert.deepEqual(printed(() => plain.handle(record("x", [], level))), [`${getLevelName(level)} x`]);
  }
  const nested = record("a \x1b[32mgreen\x1b[39m b");
  assert.equal(
    new ConsoleHandler("DEBUG").format(nested),
    colour(`INFO a \x1b[32mgreen${Deno.noColor ? "\x1b[39m" : "\x1b[34m"} b`, "\x1b[34m", "\x1b[39m"),
  );
});

test("without setup the default logger writes INFO and above to stdout", () => {
  const lines = printed(() => {
    for (const method of METHODS) assert.equal(log[method](`${method}!`), `${method}!`);
    assert.equal(log.debug(() => "never called"), undefined);
    assert.equal(log.info(() => "called"), "called");
  });
  // deno-lint-ignore no-control-regex
  const plain = lines.map((line) => String(line).replaceAll(/\x1b\[\d+m/g, ""));
  assert.deepEqual(plain, ["INFO info!", "WARN warn!", "ERROR error!", "CRITICAL critical!", "INFO called"]);
  const { loggerName, levelName, handlers } = atStart;
  assert.deepEqual([loggerName, levelName, handlers.length], ["default", "INFO", 1]);
  assert.ok(handlers[0] instanceof ConsoleHandler);
});

test("the functions debug to critical use the logger named default", () => {
  const handler = new Memory("NOTSET");
  setup({ handlers: { memory: handler }, loggers: { default: { level: "DEBUG", handlers: ["memory"] } } });
  for (const method of METHODS) assert.equal(log[method](method, 1), method);
  assert.deepEqual(handler.lines, NAMES.map((name, i) => `${name} ${METHODS[i]}`));
  assert.deepEqual(
    handler.records.map(({ args, loggerName }) => [args, loggerName]),
    NAMES.map(() => [[1], "default"]),
  );
});

test("setup makes the loggers it is given, and keeps the default ones", () => {
  const handler = new Memory("DEBUG");
  setup({
    handlers: { memory: handler },
    loggers: {
      tasks: { level: "ERROR", handlers: ["memory", "nobody", "default"] },
      silent: { level: "DEBUG" },
      usual: { handlers: ["memory"] },
    },
  });
  const tasks = getLogger("tasks");
  assert.equal(getLogger("tasks"), tasks);
  assert.deepEqual([tasks.loggerName, tasks.levelName, tasks.handlers.length], ["tasks", "ERROR", 2]);
  assert.equal(tasks.handlers[0], handler);
  assert.ok(tasks.handlers[1] instanceof ConsoleHandler);
  assert.deepEqual(getLogger("silent").handlers, []);
  assert.deepEqual([getLogger("usual").levelName, getLogger("usual").handlers], ["INFO", [handler]]);
  assert.deepEqual([getLogger().loggerName, getLogger().levelName], ["default", "INFO"]);
  assert.equal(getLogger("default"), getLogger());
  assert.equal(getLogger(""), getLogger());
});

test("a handler named default replaces the one on stdout", () => {
  const handler = new Memory("DEBUG");
  setup({ handlers: { default: handler } });
  assert.deepEqual(printed(() => log.info("here")), []);
  log.debug("not here: the default logger is still at INFO");
  assert.deepEqual(handler.lines, ["INFO here"]);
});

test("setup sets handlers up, and destroys those of the setup before", () => {
  const [first, second] = [new Memory("DEBUG"), new Memory("DEBUG")];
  setup({ handlers: { memory: first }, loggers: { tasks: { handlers: ["memory"] } } });
  assert.deepEqual(first.hooks, ["setup"]);
  const old = getLogger("tasks");
  setup({ handlers: { memory: second, same: first }, loggers: { tasks: { handlers: ["memory"] } } });
  assert.deepEqual([first.hooks, second.hooks], [["setup", "destroy", "setup"], ["setup"]]);
  old.info("old loggers keep their handlers");
  assert.deepEqual([first.lines.length, second.lines.length], [1, 0]);
  assert.notEqual(getLogger("tasks"), old);

  setup({ loggers: { other: { handlers: ["memory", "same"] } } });
  assert.deepEqual([first.hooks, second.hooks], [["setup", "destroy", "setup", "destroy"], ["setup", "destroy"]]);
  assert.deepEqual(getLogger("other").handlers, []);
  assert.equal(getLogger("tasks").levelName, "NOTSET");
  setup({});
  assert.equal(second.hooks.length, 2);
});

test("setup refuses a level that does not exist", () => {
  assert.throws(() => setup({ loggers: { tasks: { level: "NONE" as LevelName } } }), Error);
});

test("a logger that was not configured logs nothing, until it is configured", () => {
  const mystery = getLogger("mystery");
  assert.deepEqual([mystery.loggerName, mystery.levelName, mystery.handlers], ["mystery", "NOTSET", []]);
  assert.deepEqual(printed(() => mystery.critical("nobody hears this")), []);
  assert.equal(mystery.debug(() => "but the function is called"), "but the function is called");
  assert.equal(getLogger("mystery"), mystery);

  const handler = new Memory("DEBUG");
  setup({ handlers: { memory: handler }, loggers: { mystery: { handlers: ["memory"] } } });
  mystery.info("the old one stays silent");
  getLogger("mystery").info("the new one does not");
  assert.deepEqual(handler.lines, ["INFO the new one does not"]);
});

test("@std/log has what its parts have", () => {
  const parts = { BaseHandler, ConsoleHandler, formatters, jsonFormatter, getLogger, setup };
  for (const [name, part] of Object.entries(parts)) assert.equal(log[name as keyof typeof parts], part, name);
  const levels = { getLevelByName, getLevelName, LogLevelNames, LogLevels, Logger };
  for (const [name, part] of Object.entries(levels)) assert.equal(log[name as keyof typeof levels], part, name);
});

// Types are part of the documentation too. These lines are judged by `deno check`.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

function typesOfLoggers(logger: log.Logger, config: log.LogConfig, options: log.ConsoleHandlerOptions) {
  const text: string = logger.debug("hello world");
  const number: number = log.info(123, "abc");
  const lazy = logger.warn(() => text);
  true satisfies Same<typeof lazy, string | undefined>;
  true satisfies Same<log.LevelName, "NOTSET" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "CRITICAL">;
  true satisfies Same<log.LogLevel, 0 | 10 | 20 | 30 | 40 | 50>;
  true satisfies Same<typeof logger.level, log.LogLevel>;
  true satisfies Same<LogRecord["level"], number>;
  const made: log.LogRecordOptions = { msg: text, args: [number], level: 20, loggerName: "x" };
  const [first]: log.BaseHandler[] = Object.values(config.handlers ?? {});
  const one: log.LoggerConfig | undefined = config.loggers?.tasks;
  const formatter: log.FormatterFunction | undefined = options.formatter;
  const base: log.BaseHandlerOptions & log.LoggerOptions = { formatter, handlers: [first] };
  // @ts-expect-error: BaseHandler is abstract
  new BaseHandler("INFO");
  // @ts-expect-error: the level was renamed to WARN
  new ConsoleHandler("WARNING");
  return [made, one, base];
}
void typesOfLoggers;

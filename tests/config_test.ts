/** The settings of every script: names, defaults, and the combinations that are refused. */
import assert from "node:assert/strict";
import { type Config, loadConfig, type Script } from "../config.ts";
import { ConfigError } from "../errors.ts";
import { DOCUMENTED, flagOf } from "./support/documented_settings.ts";

const SCRIPTS = ["serve", "produce", "consume"] as const;

function load<S extends Script>(script: S, env: Record<string, string> = {}, args: string[] = []): Config<S> {
  return loadConfig(script, { args, envFile: "", env: (name) => env[name] });
}

function mistakesOf(script: Script, env: Record<string, string>, args: string[] = []): readonly string[] {
  try {
    load(script, env, args);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
}

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: "none", fn });
}

/** A setting's value, in a form that can be compared. */
function plain(value: unknown): unknown {
  return value instanceof RegExp ? value : structuredClone(value);
}

for (const script of SCRIPTS) {
  test(`${script} has every documented setting with its documented default, and no other`, () => {
    const documented = DOCUMENTED[script].map(({ key, value }) => [key, value]);
    const actual = Object.entries(load(script)).map(([key, value]) => [key, plain(value)]);
    assert.deepEqual(Object.fromEntries(actual), Object.fromEntries(documented));
  });

  test(`every flag and every variable of ${script} sets what it is documented for`, () => {
    const together = ["--no-idempotence", "--sasl-mechanism=plain", "--sasl-username=me"];
    for (const row of DOCUMENTED[script]) {
      const { name, key, text, meant } = row;
      if (text === undefined) continue;
      const flag = flagOf(row);
      const others = together.filter((other) => !flag || !other.includes(flag.slice(2)));
      const secret = { KAFKA_SASL_PASSWORD: "hunter2" };
      const sources = name.startsWith("--") ? [] : [load(script, { ...secret, [name]: text }, others)];
      if (flag) sources.push(load(script, secret, [...others, `${flag}=${text}`]));
      for (const config of sources) assert.deepEqual(plain(config[key as keyof typeof config]), meant, name);
    }
  });
}

test("a topic has a name that Kafka takes, told before anything starts", () => {
  for (const name of ["a", "A.b_c-1", "x".repeat(249)]) assert.equal(load("serve", { KAFKA_TOPIC: name }).topic, name);
  for (const name of ["", ".", "..", "a b", "a/b", "名字", "x".repeat(250)]) {
    const expected = "expected up to 249 letters, digits, '.', '_' and '-'";
    const mistake = `KAFKA_TOPIC is "${name}", from the environment; ${expected}`;
    for (const script of ["start", "serve", "produce"] as const) {
      assert.deepEqual(mistakesOf(script, { KAFKA_TOPIC: name }), [mistake]);
    }
  }
});

test("the delimiter of keys may be written as \\t, and is none when empty", () => {
  const delimiterOf = (text: string) => load("produce", {}, [`--key-delimiter=${text}`]).keyDelimiter;
  assert.deepEqual([",", "\\t", "\t", "::", ""].map(delimiterOf), [",", "\t", "\t", "::", undefined]);
});

test("start lets others reach the server on the server's own conditions", () => {
  const open = { HTTP_HOST: "0.0.0.0" };
  assert.equal(mistakesOf("start", open).length, 1);
  assert.deepEqual(mistakesOf("start", { ...open, HTTP_TOKENS: "secret" }), []);
  assert.deepEqual(mistakesOf("start", { ...open, HTTP_TOKENS_FILE: "tokens.json" }), []);
  assert.deepEqual(mistakesOf("start", { ...open, HTTP_ANONYMOUS: "true" }), []);
  assert.deepEqual(mistakesOf("start", { HTTP_TOKENS: "secret" }, ["--tokens=secret"]).length, 1);
});

test("the consumer's topics may be listed or repeated, and are at least one", () => {
  assert.deepEqual([...load("consume", {}, ["--topic", "a", "--topic=b,c"]).topics], ["a", "b", "c"]);
  assert.deepEqual([...load("consume", { KAFKA_TOPIC: "a,b" }).topics], ["a", "b"]);
  assert.deepEqual(mistakesOf("consume", { KAFKA_TOPIC: "" }), [
    'KAFKA_TOPIC is "", from the environment; expected one or more topic names',
  ]);
});

test("the number of names is a whole number above zero", () => {
  for (const count of ["0", "-5", "many", ""]) {
    assert.match(
      mistakesOf("produce", {}, ["--names", count]).join(),
      /^--names is ".*", from --names; expected a whole/,
    );
  }
});

test("start takes a Kafka from the environment, and counts the nodes of its own with --brokers", () => {
  assert.deepEqual([load("start").brokers, load("start").nodes], [undefined, 1]);
  assert.equal(load("start", {}, ["--brokers", "3"]).nodes, 3);
  assert.deepEqual([...load("start", { KAFKA_BROKERS: "a:1" }).brokers ?? []], ["a:1"]);
  assert.match(mistakesOf("start", { KAFKA_BROKERS: "a" }).join(), /^KAFKA_BROKERS is "a", from the environment;/);
});

test("brokers are host:port, separated by commas", () => {
  assert.deepEqual([...load("serve", { KAFKA_BROKERS: "a:1, 10.0.0.1:65535,my-host.example:9092" }).brokers], [
    ...["a:1", "10.0.0.1:65535", "my-host.example:9092"],
  ]);
  const wrong = ["", " ", "localhost", "localhost:", ":9092", "a:0", "a:65536", "a:9092x", "a:1,", ",a:1", "a:1;b:2"];
  const notForKafkajs = ["[::1]:9092", "::1:9092", "kafka://a:9092", "a:1:2", "a b:1"];
  for (const text of [...wrong, ...notForKafkajs]) {
    const [mistake, ...others] = mistakesOf("serve", { KAFKA_BROKERS: text });
    assert.equal(
      mistake,
      `KAFKA_BROKERS is ${JSON.stringify(text)}, from the environment; ` +
        "expected host:port, or several of them separated by commas; host is a name or an IPv4 address",
    );
    assert.deepEqual(others, []);
  }
});

test("KAFKA_BOOTSTRAP_SERVERS stands for KAFKA_BROKERS; both may be set while they agree", () => {
  for (const script of SCRIPTS) {
    assert.deepEqual([...load(script, { KAFKA_BOOTSTRAP_SERVERS: "a:1" }).brokers], ["a:1"]);
    assert.deepEqual([...load(script, { KAFKA_BOOTSTRAP_SERVERS: "a:1", KAFKA_BROKERS: "a:1" }).brokers], ["a:1"]);
    assert.deepEqual(mistakesOf(script, { KAFKA_BOOTSTRAP_SERVERS: "a:1", KAFKA_BROKERS: "b:1" }), [
      'KAFKA_BROKERS is "b:1", from the environment, and KAFKA_BOOTSTRAP_SERVERS is "a:1", from the environment; ' +
      "expected one of them",
    ]);
  }
});

/** Settings that do not go together, and what is said about them. */
const CONTRADICTIONS: [env: Record<string, string>, mistake: string][] = [
  [
    { KAFKA_ACKS: "1" },
    'KAFKA_ACKS is "1" while KAFKA_IDEMPOTENCE is on; expected KAFKA_ACKS=all, or KAFKA_IDEMPOTENCE=false',
  ],
  [
    { KAFKA_ACKS: "0", KAFKA_IDEMPOTENCE: "true" },
    'KAFKA_ACKS is "0" while KAFKA_IDEMPOTENCE is on; expected KAFKA_ACKS=all, or KAFKA_IDEMPOTENCE=false',
  ],
  [
    { KAFKA_SASL_MECHANISM: "plain" },
    "1 of KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are set; expected all or none",
  ],
  [
    { KAFKA_SASL_USERNAME: "me", KAFKA_SASL_PASSWORD: "hunter2" },
    "2 of KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are set; expected all or none",
  ],
  [
    { KAFKA_BATCH_BYTES: "2000", KAFKA_BUFFER_BYTES: "1999" },
    "KAFKA_BATCH_BYTES is 2000, more than KAFKA_BUFFER_BYTES 1999; expected no more",
  ],
  ...["0.0.0.0", "::", "192.168.0.1", "example.org", "127.0.0.1.example.org"].map((host): [
    Record<string, string>,
    string,
  ] => [
    { HTTP_HOST: host },
    `HTTP_HOST is "${host}", which others can reach, without tokens; ` +
    "expected HTTP_TOKENS or HTTP_TOKENS_FILE, or HTTP_ANONYMOUS=true to let everybody write",
  ]),
];

for (const [env, mistake] of CONTRADICTIONS) {
  test(`${JSON.stringify(env)} is refused`, () => assert.deepEqual(mistakesOf("serve", env), [mistake]));
}

test("settings that go together are accepted", () => {
  const together: Record<string, string>[] = [
    { KAFKA_ACKS: "1", KAFKA_IDEMPOTENCE: "false" },
    { KAFKA_ACKS: "all", KAFKA_IDEMPOTENCE: "0" },
    { KAFKA_SASL_MECHANISM: "SCRAM-SHA-256", KAFKA_SASL_USERNAME: "me", KAFKA_SASL_PASSWORD: "hunter2" },
    { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "me", KAFKA_SASL_PASSWORD: "p", KAFKA_SSL: "true" },
    { KAFKA_BATCH_BYTES: "2000", KAFKA_BUFFER_BYTES: "2000" },
    { HTTP_HOST: "0.0.0.0", HTTP_TOKENS: "hunter2" },
    { HTTP_HOST: "0.0.0.0", HTTP_TOKENS_FILE: "tokens.json" },
    { HTTP_HOST: "0.0.0.0", HTTP_ANONYMOUS: "true" },
    ...["localhost", "::1", "127.0.0.2"].map((host) => ({ HTTP_HOST: host })),
    { KAFKA_SSL_CA: "", KAFKA_SSL_CERT: "", KAFKA_SSL_KEY: "", HTTP_TLS_CERT: "", HTTP_TLS_KEY: "" },
  ];
  for (const env of together) assert.deepEqual(mistakesOf("serve", env), [], JSON.stringify(env));
});

test("every script accepts its defaults, and those without HTTP do not look at what concerns it", () => {
  for (const script of SCRIPTS) assert.deepEqual(mistakesOf(script, {}), []);
  for (const script of ["produce", "consume"] as const) {
    assert.deepEqual(mistakesOf(script, { HTTP_HOST: "0.0.0.0" }), []);
  }
});

test("a contradiction with a setting that is wrong by itself is not reported on top", () => {
  assert.deepEqual(mistakesOf("serve", { KAFKA_ACKS: "1", KAFKA_IDEMPOTENCE: "off" }), [
    'KAFKA_IDEMPOTENCE is "off", from the environment; expected true or false',
  ]);
});

test("mistakes of every kind come together, and none shows a secret", () => {
  const secrets = { KAFKA_SASL_PASSWORD: "hunter2", HTTP_TOKENS: "letmein,opensesame" };
  const env = { ...secrets, KAFKA_BROKERS: "", KAFKA_ACKS: "1" };
  const mistakes = mistakesOf("serve", env, [
    "--port",
    "abc",
    "--elephant",
    "--sasl-password=hunter2",
    "--tokens=letmein",
  ]);
  assert.equal(mistakes.length, 7, mistakes.join("\n"));
  assert.doesNotMatch(mistakes.join("\n"), /hunter2|letmein|opensesame/);
});

test("nothing of a configuration can be changed", () => {
  for (const script of SCRIPTS) {
    const config: Record<string, unknown> = load(script);
    for (const [key, value] of Object.entries({ ...config, config })) assert.ok(Object.isFrozen(value), key);
  }
});

Deno.test({
  name: "each certificate and key is the content of its own file",
  permissions: { read: true, write: true },
  async fn() {
    const folder = await Deno.makeTempDir();
    await using _ = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
    const names = ["KAFKA_SSL_CA", "KAFKA_SSL_CERT", "KAFKA_SSL_KEY", "HTTP_TLS_CERT", "HTTP_TLS_KEY"];
    for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, name);
    const files = Object.fromEntries(names.map((name) => [name, `${folder}/${name}`]));
    const { sslCa, sslCert, sslKey, tlsCert, tlsKey } = load("serve", { KAFKA_SSL: "true", ...files });
    assert.deepEqual([sslCa, sslCert, sslKey, tlsCert, tlsKey], names);
  },
});

Deno.test({
  name: "certificates and keys come in pairs, need KAFKA_SSL, and must be readable files",
  permissions: { read: true, write: true },
  async fn() {
    const pem = await Deno.makeTempFile();
    await using _ = { [Symbol.asyncDispose]: () => Deno.remove(pem) };
    await Deno.writeTextFile(pem, "PEM");
    const cases: [env: Record<string, string>, mistakes: string[]][] = [
      [{ KAFKA_SSL: "true", KAFKA_SSL_CA: pem, KAFKA_SSL_CERT: pem, KAFKA_SSL_KEY: pem }, []],
      [{ KAFKA_SSL_CA: pem }, ["KAFKA_SSL_CA is set while KAFKA_SSL is off; expected KAFKA_SSL=true with it"]],
      [{ KAFKA_SSL: "true", KAFKA_SSL_CERT: pem }, ["KAFKA_SSL_CERT and KAFKA_SSL_KEY need each other"]],
      [{ KAFKA_SSL: "true", KAFKA_SSL_KEY: pem, KAFKA_SSL_CERT: "" }, [
        "KAFKA_SSL_CERT and KAFKA_SSL_KEY need each other",
      ]],
      [{ HTTP_TLS_CERT: pem, HTTP_TLS_KEY: pem }, []],
      [{ HTTP_TLS_CERT: pem }, ["HTTP_TLS_CERT and HTTP_TLS_KEY need each other"]],
      [{ HTTP_TLS_KEY: pem }, ["HTTP_TLS_CERT and HTTP_TLS_KEY need each other"]],
      [{ HTTP_TLS_CERT: pem, HTTP_TLS_KEY: `${pem}-not` }, [
        `HTTP_TLS_KEY is "${pem}-not", from the environment; expected the path of a readable PEM file ` +
        `(No such file or directory (os error 2): readfile '${pem}-not')`,
      ]],
    ];
    for (const [env, mistakes] of cases) assert.deepEqual(mistakesOf("serve", env), mistakes, JSON.stringify(env));
  },
});

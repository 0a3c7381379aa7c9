/** The doctor before a real Kafka whose listeners have, one each, what goes wrong in the first hour. */
import assert from "node:assert/strict";
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "kafkajs";
import { type Config, loadConfig } from "../../config.ts";
import { examine, withSkipped } from "../../dev/doctor.ts";
import { type Finding, ok } from "../../dev/finding.ts";
import { startLocalKafka } from "../../dev/local_kafka.ts";
import { freePorts } from "../../dev/ports.ts";
import { createTopic, withAdmin } from "../support/kafka.ts";
import { freePort, startScript, waitFor } from "../support/wait.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const PEM = new URL("../http/localhost_", import.meta.url).pathname;
const JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";';
const ALICE = { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "alice", KAFKA_SASL_PASSWORD: "secret" };

/** One node. All its listeners but the first have an address or a demand of their own. */
async function startOddKafka() {
  const [right, broker, controller, lost, dead, sasl, secure] = freePorts(7);
  const keystore = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(
    keystore,
    await Deno.readTextFile(`${PEM}key.pem`) + await Deno.readTextFile(`${PEM}cert.pem`),
  );
  const listeners = { CLIENT: right, BROKER: broker, LOST: lost, DEAD: dead, SASL: sasl, SECURE: secure };
  const nobody = freePort();
  const advertised = Object.entries({
    ...Object.fromEntries(Object.entries(listeners).map(([name, port]) => [name, `localhost:${port}`])),
    LOST: "kafka.invalid:19092",
    DEAD: `localhost:${nobody}`,
  });
  const kafka = await startLocalKafka({
    ports: [right],
    properties: {
      "listeners": Object.entries({ ...listeners, CONTROLLER: controller })
        .map(([name, port]) => `${name}://127.0.0.1:${port}`).join(),
      "advertised.listeners": advertised.map(([name, address]) => `${name}://${address}`).join(),
      "controller.quorum.voters": `1@127.0.0.1:${controller}`,
      "listener.security.protocol.map": "CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,LOST:PLAINTEXT," +
        "DEAD:PLAINTEXT,SASL:SASL_PLAINTEXT,SECURE:SSL",
      "sasl.enabled.mechanisms": "PLAIN",
      "listener.name.sasl.plain.sasl.jaas.config": JAAS,
      "listener.name.secure.ssl.keystore.type": "PEM",
      "listener.name.secure.ssl.keystore.location": keystore,
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      "super.users": "User:ANONYMOUS",
    },
  });
  return {
    bootstrap: kafka.bootstrap,
    nobody,
    at: (name: keyof typeof listeners) => `localhost:${listeners[name]}`,
    async [Symbol.asyncDispose]() {
      await kafka.stop();
      await Deno.remove(keystore);
    },
  };
}

/** The doctor's settings as these variables say; a free port for HTTP. */
function settings(env: Record<string, string>): Config<"doctor"> {
  const all: Record<string, string> = { HTTP_PORT: String(freePort()), ...env };
  return loadConfig("doctor", { args: [], env: (name) => all[name], envFile: "" });
}

async function diagnose(env: Record<string, string>): Promise<Finding[]> {
  return withSkipped([ok("settings", "read"), ...await examine(settings(env))]);
}

function stateOf(findings: readonly Finding[]): string {
  return findings.map(({ check, status }) => `${check} ${status}`).join(", ");
}

/** The one thing that is wrong. */
function mistakeIn(findings: readonly Finding[]): Finding {
  const mistakes = findings.filter(({ status }) => status === "wrong");
  assert.equal(mistakes.length, 1, JSON.stringify(findings, null, 2));
  return mistakes[0];
}

Deno.test("the doctor tells each of the first hour's mistakes apart, and what to do about it", async (t) => {
  await using kafka = await startOddKafka();
  await using topic = await createTopic(kafka.bootstrap, { partitions: 3 });
  const good = { KAFKA_BROKERS: kafka.bootstrap, KAFKA_TOPIC: topic.name };

  await t.step("a Kafka as it should be", async () => {
    const findings = await diagnose(good);
    assert.equal(
      stateOf(findings),
      "settings ok, dns ok, port ok, api ok, auth ok, listeners ok, topic ok, rights ok, group note, http ok",
      JSON.stringify(findings),
    );
    assert.match(findings.find(({ check }) => check === "topic")!.detail, /3 partitions of 1 replica, all in sync/);
  });

  await t.step("a listener that advertises a name unknown here", async () => {
    const mistake = mistakeIn(await diagnose({ ...good, KAFKA_BROKERS: kafka.at("LOST") }));
    assert.equal(mistake.check, "listeners");
    assert.match(
      mistake.detail,
      /^broker 1 tells clients to use kafka\.invalid:19092, and from here .* cannot be resolved/,
    );
    assert.match(mistake.remedy!, /advertised\.listeners/);
  });

  await t.step("a listener that advertises a port on which nothing listens", async () => {
    const mistake = mistakeIn(await diagnose({ ...good, KAFKA_BROKERS: kafka.at("DEAD") }));
    assert.equal(mistake.check, "listeners");
    assert.match(mistake.detail, new RegExp(`nothing listens on localhost:${kafka.nobody}$`));
  });

  await t.step("a dead port, beside a broker that answers", async () => {
    const findings = await diagnose({ ...good, KAFKA_BROKERS: `localhost:${kafka.nobody},${kafka.bootstrap}` });
    const mistake = mistakeIn(findings);
    assert.equal(mistake.detail, `nothing listens on localhost:${kafka.nobody}`);
    assert.ok(findings.some(({ check, status }) => check === "topic" && status === "ok"), "the rest is looked at");
  });

  await t.step("a name that nobody knows", async () => {
    const findings = await diagnose({ ...good, KAFKA_BROKERS: "no-such-host.invalid:9092" });
    assert.match(mistakeIn(findings).detail, /^no-such-host\.invalid cannot be resolved/);
    const skipped = findings.filter(({ status }) => status === "skipped").map(({ check }) => check);
    assert.deepEqual(skipped, ["port", "api", "auth", "listeners", "topic", "rights", "group"]);
  });

  await t.step("a topic that is missing: to be made, or a mistake", async () => {
    const env = { ...good, KAFKA_TOPIC: "not-there" };
    const note = (await diagnose(env)).find(({ check }) => check === "topic")!;
    assert.equal(note.status, "note");
    assert.match(note.remedy!, /make it when they start/);
    const mistake = mistakeIn(await diagnose({ ...env, KAFKA_CREATE_TOPIC: "false" }));
    assert.equal(mistake.detail, "topic not-there does not exist");
    const topics = await withAdmin(kafka.bootstrap, (admin) => admin.listTopics());
    assert.ok(!topics.includes("not-there"), "nothing is created");
  });

  await t.step("TLS where there is none, none where there is, and a stranger's signature", async () => {
    const plain = mistakeIn(await diagnose({ ...good, KAFKA_SSL: "true" }));
    assert.equal(plain.check, "tls");
    assert.match(plain.remedy!, /KAFKA_SSL=false/);
    const secure = { ...good, KAFKA_BROKERS: kafka.at("SECURE") };
    assert.match(mistakeIn(await diagnose(secure)).remedy!, /KAFKA_SSL=true/);
    assert.match(mistakeIn(await diagnose({ ...secure, KAFKA_SSL: "true" })).remedy!, /KAFKA_SSL_CA/);
    const trusted = await diagnose({ ...secure, KAFKA_SSL: "true", KAFKA_SSL_CA: `${PEM}ca.pem` });
    assert.match(stateOf(trusted), /^settings ok, dns ok, port ok, tls ok, api ok, auth ok, listeners ok, topic ok/);
  });

  await t.step("a password that is missing, wrong, or not asked for", async () => {
    const guarded = { ...good, KAFKA_BROKERS: kafka.at("SASL") };
    const missing = mistakeIn(await diagnose(guarded));
    assert.equal(missing.check, "auth");
    assert.match(missing.remedy!, /set KAFKA_SASL_MECHANISM/);
    const guessed = mistakeIn(await diagnose({ ...guarded, ...ALICE, KAFKA_SASL_PASSWORD: "guess" }));
    assert.equal(guessed.check, "auth");
    assert.match(guessed.remedy!, /KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/);
    const unasked = mistakeIn(await diagnose({ ...good, ...ALICE }));
    assert.equal(unasked.check, "auth");
    assert.match(unasked.remedy!, /KAFKA_SASL_MECHANISM/);
  });

  await t.step("a user without rights to the topic, and one who may only read it", async () => {
    const env = { ...good, ...ALICE, KAFKA_BROKERS: kafka.at("SASL") };
    const none = await diagnose(env);
    const refused = none.find(({ check }) => check === "topic")!;
    assert.equal(refused.status, "wrong");
    assert.match(refused.remedy!, /ask for the right/);
    const acl = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: topic.name,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: "User:alice",
      host: "*",
      permissionType: AclPermissionTypes.ALLOW,
    };
    const operations = [AclOperationTypes.READ, AclOperationTypes.DESCRIBE_CONFIGS];
    await withAdmin(kafka.bootstrap, (admin) => {
      return admin.createAcls({ acl: operations.map((operation) => ({ ...acl, operation })) });
    });
    // The broker has answered before it acts on them.
    const reader = await waitFor(async () => {
      const told = (await diagnose(env)).find(({ check }) => check === "rights")!;
      return told.detail !== "cannot be seen yet, mend topic first" && told;
    }, { what: "the broker to let alice see the topic" });
    assert.equal(reader.detail, `we may not write ${topic.name}`);
  });

  await t.step("more replicas wanted in sync than there are", async () => {
    await using lonely = await createTopic(kafka.bootstrap, { config: { "min.insync.replicas": "2" } });
    const env = { ...good, KAFKA_TOPIC: lonely.name };
    assert.match(mistakeIn(await diagnose(env)).detail, /min\.insync\.replicas is 2: nothing can be written/);
    const careless = await diagnose({ ...env, KAFKA_ACKS: "1", KAFKA_IDEMPOTENCE: "false" });
    assert.ok(!careless.some(({ status }) => status === "wrong"), "acks 1 does not wait for replicas");
  });

  await t.step("a group that is behind, and one whose topic was made anew", async () => {
    const group = topic.name;
    const move = (offset: string) =>
      withAdmin(kafka.bootstrap, (admin) => {
        return admin.setOffsets({ groupId: group, topic: topic.name, partitions: [{ partition: 0, offset }] });
      });
    const look = async () =>
      (await diagnose({ ...good, KAFKA_GROUP_ID: group })).find(({ check }) => check === "group")!;
    const alone = await diagnose({ ...good, KAFKA_GROUP_ID: "none" });
    assert.ok(!alone.some(({ check }) => check === "group"), "consume's word for no group is no group's name");
    await move("0");
    assert.equal((await look()).detail, `${group} is empty, 0 behind`);
    await move("40");
    assert.match((await look()).detail, /has committed 40 in .*\[0\], which ends at 0$/);
  });

  await t.step("another program at Kafka's port, and at ours", async () => {
    await using web = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("hello"));
    const port = String(web.addr.port);
    const kafkaless = mistakeIn(await diagnose({ ...good, KAFKA_BROKERS: `127.0.0.1:${port}` }));
    assert.equal(kafkaless.check, "api");
    const taken = mistakeIn(await diagnose({ ...good, HTTP_PORT: port }));
    assert.match(taken.detail, /is taken by another program$/);
    assert.match(taken.remedy!, /HTTP_PORT/);
  });

  await t.step("as a command: exit codes, JSON, a server of ours at the port", async () => {
    const task: string = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)).tasks.doctor;
    const run = async (env: Record<string, string>, ...args: string[]) => {
      await using script = startScript([...task.split(" ").slice(1), ...args], { cwd: ROOT, env });
      const { code } = await script.exit;
      return { code, out: script.stdoutLines.join("\n"), err: script.stderrLines.join("\n") };
    };
    const serve = ["run", "--allow-net", "--allow-env", "--allow-read", "server.ts"];
    await using server = startScript(serve, { cwd: ROOT, env: { ...good, HTTP_PORT: "0" } });
    const [, port] = await server.line(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
    await waitUntilReady(port);
    const fine = await run({ ...good, HTTP_PORT: port });
    assert.equal(fine.code, 0, fine.out + fine.err);
    assert.match(fine.out, /^ok +http +a server of ours answers on .*, and is ready$/m);
    assert.equal(fine.err, "", "one line a check, and nothing else");
    const bad = await run({ KAFKA_BROKERS: "nowhere", HTTP_PORT: "none" }, "--json");
    assert.equal(bad.code, 1);
    const { ok: allRight, checks } = JSON.parse(bad.out);
    assert.equal(allRight, false);
    const told = checks.filter(({ check, status }: Finding) => check === "settings" && status === "wrong");
    assert.equal(told.length, 2, bad.out);
  });
});

async function waitUntilReady(port: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    await answer.body?.cancel();
    if (answer.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

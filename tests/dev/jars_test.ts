import assert from "node:assert/strict";
import { join } from "node:path";
import { kafkaJars } from "../../dev/jars.ts";
import { type FakePrograms, fakePrograms } from "./fake_programs.ts";

/** A zip file without entries is nothing but the end record of its directory. */
const EMPTY_ZIP = "PK\\005\\006" + "\\000".repeat(18);
/** What a `mvn dependency:copy-dependencies` does, for two jars. It counts how often it ran. */
const MAVEN = `
for arg; do case $arg in -DoutputDirectory=*) out=\${arg#*=};; esac; done
echo run >>"$PATH/runs"
mkdir -p "$out"
printf '${EMPTY_ZIP}' >"$out/kafka_2.13-4.3.1.jar"
sleep 0.2
printf '${EMPTY_ZIP}' >"$out/zstd-jni.jar"
`;

/** An empty cache folder, and a PATH with a Maven (or none) of ours. */
async function setUp(scripts: Record<string, string> = { mvn: MAVEN }) {
  const programs = await fakePrograms(scripts);
  const cacheDir = join(programs.folder, "cache");
  return {
    programs,
    cacheDir,
    env: programs.env,
    runs: async () => (await Deno.readTextFile(join(programs.folder, "runs")).catch(() => "")).split("\n").length - 1,
    [Symbol.asyncDispose]: () => programs[Symbol.asyncDispose](),
  };
}

async function finishedJar({ cacheDir }: { cacheDir: string; programs: FakePrograms }): Promise<string> {
  const folders = await Array.fromAsync(Deno.readDir(cacheDir));
  return join(cacheDir, folders.find(({ isDirectory }) => isDirectory)!.name, "zstd-jni.jar");
}

Deno.test("Maven fetches the jars once", async () => {
  await using given = await setUp();
  const progress: string[] = [];
  const first = await kafkaJars({ ...given, onProgress: (line) => progress.push(line) });
  const second = await kafkaJars({ ...given, onProgress: (line) => progress.push(line) });
  assert.equal(await given.runs(), 1);
  assert.deepEqual(first, second);
  assert.deepEqual(progress, [`resolving Kafka ${first.version} with Maven (once)…`]);
  const names = first.classpath.split(":").map((path) => path.split("/").at(-1));
  assert.deepEqual(names, ["kafka_2.13-4.3.1.jar", "zstd-jni.jar"]);
});

Deno.test("two that need the jars at the same time wait for one Maven", async () => {
  await using given = await setUp();
  const progress: string[] = [];
  const onProgress = (line: string) => progress.push(line);
  const [a, b] = await Promise.all([kafkaJars({ ...given, onProgress }), kafkaJars({ ...given, onProgress })]);
  assert.deepEqual(a, b);
  assert.equal(await given.runs(), 1);
  assert.ok(progress.includes("waiting for another process that resolves Kafka…"));
});

Deno.test("a jar that was cut off afterwards is noticed, and all are fetched again", async () => {
  await using given = await setUp();
  await kafkaJars(given);
  const jar = await finishedJar(given);
  await Deno.truncate(jar, 5);
  await kafkaJars(given);
  assert.equal(await given.runs(), 2);
  assert.equal((await Deno.stat(jar)).size, 22);
});

Deno.test("a jar that is missing is noticed, and all are fetched again", async () => {
  await using given = await setUp();
  await kafkaJars(given);
  await Deno.remove(await finishedJar(given));
  await kafkaJars(given);
  assert.equal(await given.runs(), 2);
});

Deno.test("a Maven that is killed half-way leaves no folder that looks finished", async () => {
  await using given = await setUp({ mvn: MAVEN.replace("sleep 0.2", () => "kill -9 $$") });
  await assert.rejects(kafkaJars(given), /Maven could not resolve Kafka .* \(exit code 137\)/);
  await Deno.writeTextFile(join(given.programs.folder, "mvn"), `#!/bin/sh\n${MAVEN}`);
  const { classpath } = await kafkaJars(given);
  assert.equal(await given.runs(), 2);
  assert.ok(classpath.includes("zstd-jni.jar"));
});

Deno.test("a folder of jars that nobody finished is not used, and nothing in it survives", async () => {
  await using given = await setUp();
  const { classpath } = await kafkaJars(given);
  const folder = classpath.split(":")[0].replace(/\/[^/]+$/, "");
  await Deno.remove(join(folder, "CONTENTS"));
  await Deno.writeTextFile(join(folder, "stray.jar"), "half");
  await kafkaJars(given);
  assert.equal(await given.runs(), 2);
  await assert.rejects(Deno.stat(join(folder, "stray.jar")), Deno.errors.NotFound);
});

Deno.test("jars of another version of the pom are fetched anew", async () => {
  await using given = await setUp();
  const { classpath } = await kafkaJars(given);
  const contents = classpath.split(":")[0].replace(/[^/]+$/, "CONTENTS");
  await Deno.writeTextFile(contents, (await Deno.readTextFile(contents)).replace(/^\w+/, "another"));
  await kafkaJars(given);
  assert.equal(await given.runs(), 2);
});

Deno.test("a cut-off jar in Maven's own repository is named, with the way to get rid of it", async () => {
  await using given = await setUp({ mvn: MAVEN.replace("sleep 0.2", `printf 'PK' >"$out/half.jar"`) });
  await assert.rejects(kafkaJars(given), {
    name: "UnavailableError",
    message:
      /The jar half\.jar that Maven gave is cut off \(2 bytes\).*find ~\/\.m2\/repository -name 'half\.jar' -delete/,
  });
});

Deno.test("without Maven the message says how to install it, and how to do without", async () => {
  await using given = await setUp({});
  await assert.rejects(kafkaJars(given), {
    name: "UnavailableError",
    message: /Maven.* is not on PATH\. Install it \(.*apt install maven.*\), or set KAFKA_HOME/,
  });
});

Deno.test("a Maven that fails is quoted", async () => {
  await using given = await setUp({
    mvn: "echo '[ERROR] Failed to execute goal: Unknown host repo.example'; echo '[INFO] no'; exit 1",
  });
  await assert.rejects(kafkaJars(given), {
    name: "UnavailableError",
    message: /\(exit code 1\): Failed to execute goal: Unknown host repo\.example\nIt needs the network once/,
  });
});

Deno.test("a cache folder that cannot be written is named", async () => {
  await using given = await setUp();
  const file = join(given.programs.folder, "a-file");
  await Deno.writeTextFile(file, "");
  await assert.rejects(kafkaJars({ ...given, cacheDir: join(file, "cache") }), {
    name: "UnavailableError",
    message: new RegExp(
      `Cannot write into the folder ${file}/cache \\(.*\\); expected a folder that this user may write`,
    ),
  });
  assert.equal(await given.runs(), 0);
});

Deno.test("KAFKA_HOME is used instead of Maven", async () => {
  await using given = await setUp();
  const home = join(given.programs.folder, "kafka");
  await Deno.mkdir(join(home, "libs"), { recursive: true });
  for (const name of ["b.jar", "kafka_2.13-4.1.0.jar", "README"]) {
    await Deno.writeTextFile(join(home, "libs", name), "");
  }
  const jars = await kafkaJars({ ...given, env: { ...given.env, KAFKA_HOME: home } });
  assert.deepEqual(jars, { version: "4.1.0", classpath: `${home}/libs/b.jar:${home}/libs/kafka_2.13-4.1.0.jar` });
  assert.equal(await given.runs(), 0);
});

Deno.test("a KAFKA_HOME without Kafka, or with one before 4, is refused", async () => {
  await using given = await setUp();
  const env = { ...given.env, KAFKA_HOME: given.programs.folder };
  await assert.rejects(
    kafkaJars({ ...given, env }),
    /its folder libs holds no Kafka; expected an unpacked Apache Kafka 4/,
  );
  await Deno.mkdir(join(given.programs.folder, "libs"));
  await Deno.writeTextFile(join(given.programs.folder, "libs", "kafka_2.13-3.9.1.jar"), "");
  await assert.rejects(kafkaJars({ ...given, env }), /its folder libs holds Kafka 3\.9\.1; expected/);
});

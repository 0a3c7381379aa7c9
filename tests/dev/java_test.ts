import assert from "node:assert/strict";
import { findJava } from "../../dev/java.ts";
import { UnavailableError } from "../../dev/run.ts";
import { fakePrograms } from "./fake_programs.ts";

/** As `java -version` does: on standard error. */
const saying = (version: string) => `echo 'openjdk version "${version}" 2024-01-16' >&2`;

Deno.test("the Java on PATH is taken when it is 17 or later", async () => {
  await using programs = await fakePrograms({ java: saying("17.0.9") });
  assert.deepEqual(await findJava({ env: programs.env }), { command: "java", version: "17.0.9" });
});

Deno.test("the Java of JAVA_HOME comes before that on PATH", async () => {
  await using programs = await fakePrograms({ java: saying("17.0.9"), "home/bin/java": saying("21.0.2") });
  const env = { ...programs.env, JAVA_HOME: `${programs.folder}/home` };
  assert.deepEqual(await findJava({ env }), { command: `${programs.folder}/home/bin/java`, version: "21.0.2" });
});

Deno.test("what JAVA_TOOL_OPTIONS makes Java say first does not hide the version", async () => {
  await using programs = await fakePrograms({
    java: `echo 'Picked up JAVA_TOOL_OPTIONS: -Xmx1g' >&2\n${saying("25")}`,
  });
  assert.equal((await findJava({ env: programs.env })).version, "25");
});

for (const version of ["11.0.22", "16.0.2", "1.8.0_392"]) {
  Deno.test(`Java ${version} is refused with its version, the one that is needed and what to do`, async () => {
    await using programs = await fakePrograms({ java: saying(version) });
    await assert.rejects(findJava({ env: programs.env }), (error) => {
      assert.ok(error instanceof UnavailableError);
      assert.match(error.message, new RegExp(`version ${version}; Kafka needs 17 or later\\. Install Java 17`));
      return true;
    });
  });
}

Deno.test("without any Java the message says how to install one", async () => {
  await using programs = await fakePrograms({});
  await assert.rejects(findJava({ env: programs.env }), {
    name: "UnavailableError",
    message: /There is no Java on PATH\. Install Java 17 or later .*apt install openjdk-17/,
  });
});

Deno.test("a JAVA_HOME without a Java is named, though there is one on PATH", async () => {
  await using programs = await fakePrograms({ java: saying("17.0.9") });
  await assert.rejects(findJava({ env: { ...programs.env, JAVA_HOME: "/nowhere" } }), {
    name: "UnavailableError",
    message: /^JAVA_HOME is \/nowhere, and there is no bin\/java/,
  });
});

Deno.test("a Java that does not run is quoted, as the placeholder of macOS is", async () => {
  await using programs = await fakePrograms({ java: "echo 'Unable to locate a Java Runtime.' >&2; exit 1" });
  await assert.rejects(findJava({ env: programs.env }), {
    name: "UnavailableError",
    message: /The java on PATH does not run: Unable to locate a Java Runtime\..*Install Java 17/,
  });
});

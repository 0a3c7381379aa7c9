/** The executables, on a machine as bare as this one can be made, beside a real Kafka. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { compileAll, compileArguments, permissionsOf } from "../../dev/compile.ts";
import { createTopic, sharedKafka } from "../support/kafka.ts";
import { startScript, waitFor } from "../support/wait.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** What a packed executable needs of a Unix. */
const TOOLS = ["sh", "id", "mkdir", "mktemp", "tail", "tar", "gzip", "mv", "rm"];

/** An empty home, and a PATH of nothing but tools: no Deno. Whoever calls the outside is heard, and gets nowhere. */
async function bareMachine() {
  const folder = await Deno.makeTempDir();
  const [home, bin] = [join(folder, "home"), join(folder, "bin")];
  await Deno.mkdir(home);
  await Deno.mkdir(bin);
  for (const tool of TOOLS) await Deno.symlink(await which(tool), join(bin, tool));
  let calls = 0;
  const outside = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    calls++;
    return new Response(null, { status: 502 });
  });
  const proxy = `http://127.0.0.1:${outside.addr.port}`;
  return {
    folder,
    env: { HOME: home, PATH: bin, HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: "localhost,127.0.0.1" },
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      await outside.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function which(tool: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${tool}`] }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("the executables produce, consume and serve without Deno, home, cache or network", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap, { partitions: 3 });
  await using machine = await bareMachine();
  const lines: string[] = [];
  await compileAll(join(machine.folder, "dist"), (line) => lines.push(line));
  assert.equal(lines.filter((line) => /MB, (compiled|packed)$/.test(line)).length, 3, lines.join("\n"));

  const env = { ...machine.env, KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic.name };
  const command = (name: string, args: string[] = [], more: Record<string, string> = {}) =>
    new Deno.Command(join(machine.folder, "dist", name), {
      args,
      cwd: machine.env.HOME,
      clearEnv: true,
      env: { ...env, ...more },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  const run = async (name: string, ...args: string[]) => {
    const { code, stdout, stderr } = await command(name, args).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.equal(code, 0, `${name} ${args.join(" ")}\n${out}${err}`);
    return { out, err };
  };

  await run("produce", "--names", "3");
  const { out } = await run("consume", "--exit", "--group", topic.name);
  const names = out.trim().split("\n");
  assert.equal(names.length, 3, out);
  assert.ok(names.every((name) => /^\p{Script=Han}+$/u.test(name)), out);

  const server = command("serve", ["--port", "0"]).spawn();
  let log = "";
  const logged = (async () => {
    for await (const text of server.stderr.pipeThrough(new TextDecoderStream())) log += text;
  })();
  try {
    const listens = /listening on (http:\/\/127\.0\.0\.1:\d+)/;
    await waitFor(() => listens.test(log), { what: "the server to listen", timeout: 60_000 }).catch((error) => {
      throw new Error(`${error.message}\n${log}`);
    });
    const url = listens.exec(log)![1];
    const ready = async () => {
      const answer = await fetch(`${url}/readyz`);
      await answer.body?.cancel();
      return answer.ok;
    };
    await waitFor(ready, { what: "the server to be ready", timeout: 60_000 });
    const answer = await fetch(`${url}/names`, { method: "POST" });
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).topic, topic.name);
    const page = await fetch(url, { headers: { accept: "text/html" } });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<html/);
    server.kill("SIGTERM");
    assert.equal((await server.status).code, 0, log);
  } finally {
    try {
      server.kill("SIGKILL");
    } catch {
      // It has ended, as it should.
    }
    await Promise.all([logged, server.stdout.cancel()]);
  }
  assert.equal(machine.calls(), 0, "nothing was asked of the outside");
});

Deno.test("a DENORT_BIN that is no denort is told, and takes nobody's place", async () => {
  const folder = await Deno.makeTempDir();
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  await Deno.writeTextFile(join(folder, "serve"), "of last week");
  const args = [
    "eval",
    `import { compileAll } from "${ROOT}dev/compile.ts"; await compileAll("${folder}", console.log);`,
  ];
  await using script = startScript(args, { cwd: ROOT, env: { DENORT_BIN: Deno.execPath() } });
  assert.notEqual((await script.exit).code, 0);
  assert.match(script.tail(), /serve --help shows no help of ours \(exit code \d+\); is DENORT_BIN a denort/);
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["serve"]);
  assert.equal(await Deno.readTextFile(join(folder, "serve")), "of last week");
});

Deno.test("an executable may do what its task may, and asks for no more", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  for (const name of ["serve", "consume", "produce"] as const) {
    const executable = { output: "out", script: "script.js", flags: permissionsOf(name) };
    const permissions = compileArguments(executable).filter((word) => word.startsWith("--allow"));
    assert.deepEqual(permissions, tasks[name].split(" ").filter((word: string) => word.startsWith("--allow")));
    assert.ok(permissions.length > 0 && !permissions.includes("--allow-all"));
    assert.ok(compileArguments(executable).includes("--no-prompt"));
  }
});

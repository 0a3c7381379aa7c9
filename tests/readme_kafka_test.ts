/**
 * The READMEs hold what they say: in both languages the same, and so in the code and on a running system.
 *
 * A block of code marked `run` after its language is run as pasted, `printed` is what the block before it prints, and
 * `seen` is what `deno task start` shows; names and numbers may differ.
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { createTopic, sharedKafka } from "./support/kafka.ts";
import { freePort, startScript, waitFor } from "./support/wait.ts";

const ROOT = join(import.meta.dirname!, "..");
const ENGLISH = blocksOf(Deno.readTextFileSync(join(ROOT, "README.md")));
const CHINESE = blocksOf(Deno.readTextFileSync(join(ROOT, "README.zh-CN.md")));
const READMES = { "README.md": ENGLISH, "README.zh-CN.md": CHINESE };
const TASKS: Record<string, string> = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).tasks;
/** What --help of each lists comes from its table of settings. Of a setting that several have the first's default counts. */
const SCRIPTS = ["server.ts", "consumer.ts", "producer.ts", "dev/start.ts", "dev/broker.ts"];

interface Block {
  kind: "heading" | "code" | "table" | "list" | "text";
  text: string;
  /** Of code: the word after the language. */
  mark?: string;
}

/** What blank lines separate, except within a fence. */
function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```[\s\S]*?^```$|^\S[^\n]*(?:\n[^\n]+)*/gm)].map(([text]) => {
    const [, mark, code] = /^```\w+ ?(\w*)\n([\s\S]*)\n```$/.exec(text) ?? [];
    if (code !== undefined) return { kind: "code", text: code, mark };
    if (text.startsWith("#")) return { kind: "heading", text };
    if (text.startsWith("|")) return { kind: "table", text };
    if (text.startsWith("- ")) return { kind: "list", text };
    return { kind: "text", text };
  });
}

/** What must not differ between languages: the kind of a block, its size, its code and where it links to. */
function skeleton({ kind, text, mark }: Block): string {
  if (kind === "code") return `code ${mark}: ${text}`;
  // Words come in another order in another language, rows and items do not.
  const parts = kind === "table" ? text.split("\n") : kind === "list" ? text.split(/^- /m) : [text];
  const level = /^#*/.exec(text)![0];
  const facts = parts.map((part) => {
    const links = (part.match(/\]\([^)]+\)/g) ?? []).filter((link) => !link.includes("README"));
    return [...part.match(/`[^`]+`/g) ?? [], ...links].sort().join(" ");
  });
  return `${kind} ${level}\n${facts.join("\n")}`;
}

/** Cells of the body of the first table whose head begins so, without the bars. */
function rowsOf(blocks: Block[], firstCode: string): string[][] {
  const table = blocks.find(({ kind, text }) => kind === "table" && text.includes(`| \`${firstCode}\``));
  assert.ok(table, `no table has ${firstCode} in its first column`);
  return table.text.split("\n").slice(2).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}

/** The rows of a script's --help, which come from its table of settings. */
async function settingsOf(script: string): Promise<{ flag: string; variable: string; default: string }[]> {
  const permissions = ["--allow-env", "--allow-read", "--allow-net", "--allow-sys"];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, script, "--help"],
    cwd: ROOT,
  }).output();
  const lines = new TextDecoder().decode(stdout).split("\n");
  const head = lines.findIndex((line) => /^ +flag +environment +default$/.test(line));
  assert.ok(head >= 0, `${script} --help lists no settings: ${new TextDecoder().decode(stderr)}`);
  const columns = ["flag", "environment", "default"].map((title) => lines[head].indexOf(title));
  return lines.slice(head + 1).filter((line) => line.startsWith("  ")).map((line) => {
    const [flag, variable] = [0, 1].map((i) => line.slice(columns[i], columns[i + 1]).trim());
    return { flag, variable, default: line.slice(columns[2]).split(/ {2,}/)[0] };
  });
}

Deno.test("both READMEs have the same blocks, with the same code and links in each", () => {
  assert.deepEqual(CHINESE.map(skeleton), ENGLISH.map(skeleton));
});

Deno.test("the READMEs name each other", () => {
  assert.ok(ENGLISH.some(({ text }) => text.includes("](README.zh-CN.md)")));
  assert.ok(CHINESE.some(({ text }) => text.includes("](README.md)")));
});

Deno.test("every file that the READMEs link to exists", async () => {
  for (const { text } of [...ENGLISH, ...CHINESE]) {
    for (const [, path] of text.matchAll(/\]\((?!https:)([^)#]+)/g)) await Deno.stat(join(ROOT, path));
  }
});

Deno.test("both READMEs list every task, and only tasks that there are", () => {
  for (const [name, blocks] of Object.entries(READMES)) {
    const listed = rowsOf(blocks, "start").flatMap(([names, what]) => {
      return [...codesIn(names), ...codesIn(what).filter((code) => /^[a-z]+:[a-z]+$/.test(code))];
    });
    assert.deepEqual(listed.sort(), Object.keys(TASKS).sort(), name);
    const used = blocks.flatMap(({ text }) => [...text.matchAll(/deno(?:@2)? task ([a-z][a-z:]*)/g)]);
    assert.deepEqual(used.map(([, task]) => task).filter((task) => !(task in TASKS)), [], name);
  }
});

Deno.test("both READMEs list every setting with its default, and mention every other flag", async () => {
  const settings = (await Promise.all(SCRIPTS.map(settingsOf))).flat();
  const variables = settings.filter(({ variable }) => variable).reverse();
  const expected = Object.fromEntries(variables.map((setting) => [setting.variable, setting.default]));
  for (const [name, blocks] of Object.entries(READMES)) {
    const listed = rowsOf(blocks, "KAFKA_BROKERS").flatMap(([names, defaults]): [string, string][] => {
      const texts = codesIn(defaults);
      return codesIn(names).map((variable, i) => [variable, texts[i] ?? "-"]);
    });
    assert.deepEqual(Object.fromEntries(listed), expected, name);
    assert.equal(listed.length, Object.keys(expected).length, `${name} lists a setting twice`);
    for (const { flag, variable } of settings) {
      assert.ok(variable || blocks.some(({ text }) => text.includes(flag)), `${name} does not mention ${flag}`);
    }
  }
});

Deno.test("what the READMEs show and tell to type is so on a running system", async () => {
  await using system = await startSystem();
  for (const [i, { mark, text }] of ENGLISH.entries()) {
    if (mark !== "run") continue;
    const printed = await system.shell(text);
    const next = ENGLISH[i + 1];
    if (next.mark === "printed") assert.equal(alike(printed), alike(next.text));
  }
  const seen = ENGLISH.find(({ mark }) => mark === "seen")!.text.split("\n");
  for (const line of seen.filter((line) => !line.startsWith("kafka "))) {
    const shows = () => system.output().some((real) => alike(real) === alike(line));
    await waitFor(shows, { what: `start to show: ${line}` }).catch((error) => {
      throw new Error(`${error.message}; it shows:\n${system.output().join("\n")}`);
    });
  }
  await system.stop();
});

/** Names, numbers and ids as if they were all the same. */
function alike(text: string): string {
  return text.trimEnd().replaceAll(/\p{Script=Han}+/gu, "名").replaceAll(/\bid=\S+/g, "id=0").replaceAll(/\d+/g, "0");
}

/** The project as `deno task start` runs it, on a topic and a port of its own. */
async function startSystem() {
  await using stack = new AsyncDisposableStack();
  const { bootstrap } = await sharedKafka();
  const topic = stack.use(await createTopic(bootstrap, { partitions: 3 })).name;
  const port = freePort();
  // Without `deno task` around it, which would keep a kill to itself and leave the rest running.
  const args = [...TASKS.start.split(" ").slice(1), "--port", String(port), "--topic", topic, "--group", topic];
  const script = stack.use(startScript(args, { cwd: ROOT, env: { KAFKA_BROKERS: bootstrap } }));
  await script.line(/Ctrl-C stops everything/, { timeout: 60_000 });

  const asInReadme = (text: string) =>
    text.replace(`group ${topic}`, "group myConsumerGroup").replaceAll(topic, "test");
  const path = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;
  const env = { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic, PATH: path };
  const everything = stack.move();
  return {
    output: () => [...script.stdoutLines, ...script.stderrLines].map(asInReadme),
    async shell(block: string): Promise<string> {
      const text = block.replaceAll("localhost:8082", `localhost:${port}`).replaceAll("topics/test", `topics/${topic}`);
      const { code, stdout, stderr } = await new Deno.Command("sh", { args: ["-euc", text], cwd: ROOT, env }).output();
      assert.equal(code, 0, `${text}\n${new TextDecoder().decode(stderr)}`);
      return asInReadme(new TextDecoder().decode(stdout));
    },
    /** Ctrl-C, which must end it well. */
    async stop() {
      script.signal("SIGINT");
      const { code } = await waitFor(() => script.exit, { what: "start to end", timeout: 30_000 });
      assert.equal(code, 0, script.tail());
    },
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}

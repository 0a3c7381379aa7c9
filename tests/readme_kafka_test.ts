/**
 * The READMEs hold what they say: in both languages the same, and so in the code and on a running system.
 *
 * A block of code marked `run` after its language is run as pasted, `printed` is what the block before it prints, and
 * `seen` is what `deno task start` shows; names and numbers may differ.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { alike, type Block, blocksOf, runBlocks, skeleton, startSystem } from "./support/documents.ts";
import { waitFor } from "./support/wait.ts";

const ROOT = join(import.meta.dirname!, "..");
const ENGLISH = blocksOf(Deno.readTextFileSync(join(ROOT, "README.md")));
const CHINESE = blocksOf(Deno.readTextFileSync(join(ROOT, "README.zh-CN.md")));
const READMES = { "README.md": ENGLISH, "README.zh-CN.md": CHINESE };
const TASKS: Record<string, string> = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).tasks;
/** What --help of each lists comes from its table of settings. Of a setting that several have the first's default counts. */
const SCRIPTS = ["server.ts", "consumer.ts", "producer.ts", "dev/start.ts", "dev/broker.ts"];

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

Deno.test("a newcomer's time in both READMEs is the one that was measured, and less than a minute", () => {
  const { recordSeen, date } = JSON.parse(Deno.readTextFileSync(join(ROOT, "tests/dashboard/newcomer.json")));
  assert.ok(recordSeen < 60, `${recordSeen} s`);
  const [seconds, [year, month, day]] = [Math.round(recordSeen), date.split("-").map(Number)];
  const name = new Date(date).toLocaleDateString("en", { month: "long" });
  const says = (blocks: Block[], words: RegExp) => assert.ok(blocks.some(({ text }) => words.test(text)), `${words}`);
  says(ENGLISH, new RegExp(`\\b${seconds}\\ss\\b[^]*\\b${day}\\s${name}\\s${year}\\b`));
  says(CHINESE, new RegExp(`${seconds}\\s秒[^]*${year}\\s年\\s${month}\\s月\\s${day}\\s日`));
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
  await runBlocks(ENGLISH, system);
  const seen = ENGLISH.find(({ mark }) => mark === "seen")!.text.split("\n");
  for (const line of seen.filter((line) => !line.startsWith("kafka "))) {
    const shows = () => system.output().some((real) => alike(real) === alike(line));
    await waitFor(shows, { what: `start to show: ${line}` }).catch((error) => {
      throw new Error(`${error.message}; it shows:\n${system.output().join("\n")}`);
    });
  }
  await system.stop();
});

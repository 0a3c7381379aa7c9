/** The documents hold what they say: links lead somewhere, both languages have the same, commands run as pasted. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parse } from "yaml";
import { blocksOf, runBlocks, skeleton, startSystem } from "./support/documents.ts";

const ROOT = join(import.meta.dirname!, "..");
const DOCS = join(ROOT, "docs");
/** As seen from docs/. */
const READMES = ["../README.md", "../README.zh-CN.md"];
const TASKS = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).tasks;
/** The five questions, in both languages. */
const QUESTIONS = ["broker", "partition", "flush", "poll", "delivery"];
/** What is in English in docs/ and in Chinese in docs/zh-CN/. */
const OTHERS = ["tutorial", "production", "architecture", "http", "reliability"];
/** What names a metric in a query; labels, functions and numbers do not begin so. */
const METRIC = /\b(?:kafka_deno|process)_\w+/g;

function read(path: string): string {
  return Deno.readTextFileSync(join(DOCS, path));
}

/** Every document, by its path in docs/. */
function documents(folder = ""): string[] {
  return [...Deno.readDirSync(join(DOCS, folder))].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    return isDirectory ? documents(path) : name.endsWith(".md") ? [path] : [];
  }).sort();
}

Deno.test("documents are there in both languages, with the same commands and links, and name each other", () => {
  for (const path of [...QUESTIONS.map((name) => `en/${name}.md`), ...OTHERS.map((name) => `${name}.md`)]) {
    const name = path.split("/").at(-1)!;
    const [english, chinese] = [path, `zh-CN/${name}`].map(read);
    assert.deepEqual(blocksOf(chinese).map(skeleton), blocksOf(english).map(skeleton), name);
    assert.match(english, new RegExp(`\\[中文\\]\\((../)?zh-CN/${name}\\)`));
    assert.ok(chinese.includes(`[English](../${path})`), `zh-CN/${name} names ../${path}`);
  }
});

Deno.test("every picture is shown by some document", () => {
  const shown = [...documents(), ...READMES].map(read).join();
  const pictures = [...Deno.readDirSync(join(DOCS, "pictures"))].map(({ name }) => name);
  assert.deepEqual(pictures.filter((name) => !shown.includes(`pictures/${name}`)), []);
});

Deno.test("every file that a document links to or shows exists, and so does every heading", async () => {
  for (const path of [...documents(), ...READMES]) {
    for (const [, link, anchor] of read(path).matchAll(/(?:\]\(|src(?:set)?=")(?!https?:)([^)#"]+)(#[^)"]+)?/g)) {
      const target = join(DOCS, path, "..", link);
      await Deno.stat(target).catch(() => assert.fail(`docs/${path} links to ${link}`));
      if (anchor) {
        assert.ok(anchorsOf(Deno.readTextFileSync(target)).includes(anchor), `docs/${path}: ${link}${anchor}`);
      }
    }
  }
});

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, text]) => text.toLowerCase());
  return headings.map((text) => `#${text.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")}`);
}

Deno.test("documents name only tasks that there are", () => {
  for (const path of documents()) {
    const named = [...read(path).matchAll(/deno(?:@2)? task ([a-z][a-z:]*)/g)].map(([, task]) => task);
    assert.deepEqual(named.filter((task) => !(task in TASKS)), [], path);
  }
});

Deno.test("what the documents tell to type runs as pasted and prints what they show; alerts and dashboard ask for metrics that there are", async (t) => {
  await using system = await startSystem();
  for (const path of documents()) {
    const blocks = blocksOf(read(path));
    // The other language has the same blocks, and would find what these have written.
    if (path.startsWith("zh-CN") || !blocks.some(({ mark }) => mark === "run")) continue;
    await t.step(path, () => runBlocks(blocks, system));
  }
  const exposed = await system.shell("curl -s localhost:8082/metrics");
  // From the heads: a counter that has counted nothing yet has no line of its own.
  const names = new Set(
    [...exposed.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name, kind]) =>
      kind === "histogram" ? ["bucket", "sum", "count"].map((part) => `${name}_${part}`) : [name]
    ),
  );

  await t.step("monitoring/alerts.yml", () => {
    const { groups } = parse(read("monitoring/alerts.yml"));
    const rules = groups.flatMap((group: { rules: unknown[] }) => group.rules);
    assert.ok(rules.length > 0);
    for (const { alert, expr, annotations } of rules) {
      assert.ok(alert && annotations.summary && annotations.description, `${alert} says what it is and what to do`);
      assertMetrics(expr, { names, where: alert });
    }
  });

  await t.step("monitoring/dashboard.json", () => {
    const { panels } = JSON.parse(read("monitoring/dashboard.json"));
    const queries = panels.flatMap(({ title, targets = [] }: { title: string; targets: { expr: string }[] }) =>
      targets.map(({ expr }) => ({ title, expr }))
    );
    assert.ok(queries.length > 0);
    for (const { title, expr } of queries) assertMetrics(expr, { names, where: title });
  });
  await system.stop();
});

function assertMetrics(expr: string, { names, where }: { names: Set<string>; where: string }): void {
  const asked = expr.match(METRIC) ?? [];
  assert.ok(asked.length > 0 || /\bup\b/.test(expr), `${where} asks for no metric: ${expr}`);
  assert.deepEqual(asked.filter((name) => !names.has(name)), [], `${where}: ${expr}`);
}

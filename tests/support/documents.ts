/**
 * Documents that hold what they say: their blocks, what two languages of one document have in common, and a running
 * system for their commands.
 *
 * A block of code marked `run` after its language is run as pasted, and `printed` is what the block before it prints.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { createTopic, sharedKafka } from "./kafka.ts";
import { freePort, startScript, waitFor } from "./wait.ts";

const ROOT = join(import.meta.dirname!, "../..");
const TASKS: Record<string, string> = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).tasks;

/** A part of a document between blank lines. */
export interface Block {
  kind: "heading" | "code" | "table" | "list" | "text";
  text: string;
  /** Of code. */
  language?: string;
  /** Of code: the word after the language. */
  mark?: string;
}

/** What blank lines separate, except within a fence. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```[\s\S]*?^```$|^\S[^\n]*(?:\n[^\n]+)*/gm)].map(([text]) => {
    const [, language, mark, code] = /^```(\w*) ?(\w*)\n([\s\S]*)\n```$/.exec(text) ?? [];
    if (code !== undefined) return { kind: "code", text: code, language, mark };
    if (text.startsWith("#")) return { kind: "heading", text };
    if (text.startsWith("|")) return { kind: "table", text };
    if (text.startsWith("- ")) return { kind: "list", text };
    return { kind: "text", text };
  });
}

/** What must not differ between languages: the kind of a block, its size, its code and where it links to. */
export function skeleton({ kind, text, language, mark }: Block): string {
  // A drawing has words, and what is to be typed may be explained.
  if (kind === "code" && language === "text" && !mark) return `drawing of ${text.split("\n").length} lines`;
  if (kind === "code") return `code ${mark}: ${text.replaceAll(/[ \t]*(^|(?<=\s))(#|\/\/) .*$/gm, "")}`;
  // Words come in another order in another language, rows and items do not.
  const parts = kind === "table" ? text.split("\n") : kind === "list" ? text.split(/^- /m) : [text];
  const level = /^#*/.exec(text)![0];
  const facts = parts.map((part) => {
    const links = (part.match(/\]\([^)]+\)/g) ?? []).filter((link) => !link.includes("README")).map(withoutLanguage);
    return [...part.match(/`[^`]+`/g) ?? [], ...links].sort().join(" ");
  });
  return `${kind} ${level}\n${facts.join("\n")}`;
}

/** Where a document of one language and its like in the other point to. */
function withoutLanguage(link: string): string {
  return link.replaceAll(/\b(en|zh-CN)\/|\.\.\/|#[^)]*/g, "").replace(/-(light|en|zh)\.webp/, ".webp");
}

/** Names, numbers and ids as if they were all the same. */
export function alike(text: string): string {
  return text.trimEnd().replaceAll(/\p{Script=Han}+/gu, "名").replaceAll(/\bid=\S+/g, "id=0").replaceAll(/\d+/g, "0");
}

/** The project as `deno task start` runs it, on a topic and a port of its own. */
export async function startSystem() {
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
  const env = {
    KAFKA_BROKERS: bootstrap,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    HTTP_PORT: String(port),
    PATH: path,
  };
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

/** Runs a document's blocks that are marked so, in order, and holds what they print against what it shows. */
export async function runBlocks(
  blocks: readonly Block[],
  system: { shell(block: string): Promise<string> },
): Promise<void> {
  for (const [i, { mark, text }] of blocks.entries()) {
    if (mark !== "run") continue;
    const printed = await system.shell(text);
    const next = blocks[i + 1];
    if (next?.mark === "printed") assert.equal(alike(printed), alike(next.text));
  }
}

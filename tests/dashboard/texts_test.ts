/** The page says the same in both languages, and has no text too many or too few. */
import assert from "node:assert/strict";
import { TEXTS } from "../../dashboard/texts.js";

const FOLDER = new URL("../../dashboard/", import.meta.url);
const { en, zh }: Record<"en" | "zh", Record<string, string>> = TEXTS;

/** All that the page is made of, the texts themselves aside. */
function sources(): string {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => /\.(html|js)$/.test(name));
  return names.filter((name) => name !== "texts.js").map((name) => Deno.readTextFileSync(new URL(name, FOLDER))).join();
}

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();
}

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: { read: true }, fn });
}

test("both languages have the same texts, with the same places to fill in", () => {
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  for (const name of Object.keys(en)) assert.deepEqual(placeholders(zh[name]), placeholders(en[name]), name);
});

test("every text that the page asks for is there", () => {
  const asked = [...sources().matchAll(/(?:\bt\("|data-t(?:-label)?=")(\w+)"/g)].map(([, name]) => name);
  assert.ok(asked.length > 50);
  assert.deepEqual(asked.filter((name) => !(name in en)), []);
});

test("every text is used", () => {
  // The kinds of states come from the server, and those and their texts are put together: `gone`, `goneText`.
  const page = sources() + Deno.readTextFileSync(new URL("../http/page_feed.ts", FOLDER));
  const used = (name: string) => [name, name.replace(/Text$/, "")].some((it) => new RegExp(`\\b${it}\\b`).test(page));
  assert.deepEqual(Object.keys(en).filter((name) => !used(name)), []);
});

/** The labs say the same in both languages, and nothing that is not used. */
import assert from "node:assert/strict";
import { TEXTS } from "../../dashboard/labs_texts.js";

const SOURCE = ["labs.js", "labs_tours.js"]
  .map((name) => Deno.readTextFileSync(new URL(`../../dashboard/${name}`, import.meta.url))).join();

/** Each text by its path: `partition.steps.0`. */
function flat(texts: object, path = ""): [path: string, text: string][] {
  return Object.entries(texts).flatMap(([name, value]) =>
    typeof value === "string" ? [[path + name, value]] : flat(value, `${path}${name}.`)
  );
}

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();
}

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: { read: true }, fn });
}

test("both languages have the same texts of the labs, with the same places to fill in", () => {
  const shape = (texts: object) => flat(texts).map(([path, text]) => [path, placeholders(text)]);
  assert.deepEqual(shape(TEXTS.zh), shape(TEXTS.en));
});

test("every text of the labs is used", () => {
  const names = flat(TEXTS.en).map(([path]) => path.split(".").filter((part) => !/^\d+$/.test(part)).at(-1)!);
  const words = new Set([...SOURCE.matchAll(/\w+/g)].map(([word]) => word));
  const fromTheChannel = ["joining", ...Object.keys(TEXTS.en.obstacles)];
  assert.deepEqual(names.filter((name) => !words.has(name) && !fromTheChannel.includes(name)), []);
});

import assert from "node:assert/strict";
import { join } from "node:path";
import { Journal, readHistory, topicsOf, valueOf } from "./history.ts";

/** A folder as a run leaves it that was killed in the middle of a line. */
async function interrupted() {
  const folder = await Deno.makeTempDir();
  const write = (name: string, text: string) => Deno.writeTextFile(join(folder, name), text);
  await write("run.json", JSON.stringify({ seed: 3, seconds: 5, topics: topicsOf("x") }));
  await write("sends.jsonl", '{"id":"0","outcome":"ok"}\n{"id":"1","outc');
  await write("handled-A-1.jsonl", '{"id":"名","offset":0}\n{"id":"1","offset":1}\n{"id":"2"');
  await write("handled-B-2.jsonl", "");
  await write("consumer-A-1.log", '{"time":"1970-01-01T00:00:05Z","message":"assigned t[0]"}\n{"message":"other"}\n');
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

Deno.test("a history is read back from its files, but for lines of which only half was written", async () => {
  await using run = await interrupted();
  const history = readHistory(run.folder);
  assert.deepEqual(history.sends.map(({ id }) => id), ["0"]);
  assert.deepEqual([...history.handled.keys()], ["A-1", "B-2"]);
  assert.deepEqual(history.handled.get("A-1")!.map(({ id, endsAt }) => [id, endsAt]), [["名", 24], ["1", 46]]);
  assert.deepEqual(history.assigned.get("A-1"), [5_000]);
  assert.equal(history.end, undefined, "it did not come to its end, and so holds nothing");
});

Deno.test("a journal only ever adds to its file", async () => {
  await using run = await interrupted();
  const path = join(run.folder, "faults.jsonl");
  for (const id of [1, 2]) {
    using journal = new Journal<{ id: number }>(path);
    journal.add({ id });
  }
  assert.deepEqual(readHistory(run.folder).faults.map(({ id }) => id), [1, 2]);
});

Deno.test("a record's value begins with a word that no other record has", () => {
  assert.equal(valueOf({ id: "17", pad: 7 }), "17 名字nom名字");
  assert.equal(valueOf({ id: "18", pad: 0 }), "18 ");
});

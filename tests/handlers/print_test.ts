import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { jsonFormat, type Output, OutputClosed, Page, parseFormat, printer } from "../../handlers/print.ts";
import type { ConsumedRecord, HandlerContext } from "../../handlers/types.ts";
import { escapeControls } from "../../log.ts";

const CONTEXT = {} as HandlerContext;

function record(value: string | Uint8Array | null, rest: Partial<ConsumedRecord> = {}): ConsumedRecord {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return { topic: "t", partition: 1, offset: 2, timestamp: 3, key: null, value: bytes, headers: [], ...rest } as never;
}

function show(format: ReturnType<typeof parseFormat>, ...records: ConsumedRecord[]): string {
  const page = new Page();
  for (const it of records) format(it, page);
  return Buffer.from(page.bytes).toString();
}

/** An output that takes so many bytes. */
function output(room = Infinity, isPipe = true): Output & { text: string; writes: number } {
  return {
    isTerminal: false,
    isPipe,
    text: "",
    writes: 0,
    write(bytes) {
      const taken = Math.min(bytes.length, room - this.text.length);
      this.text += Buffer.from(bytes).toString("latin1", 0, taken);
      this.writes++;
      return Promise.resolve(taken);
    },
  };
}

Deno.test("placeholders and escapes mean what they mean to kcat", () => {
  const it = record("v", { key: Buffer.from("key"), headers: [["a", Buffer.from("1")], ["a", null]] });
  assert.equal(show(parseFormat("%t|%p|%o|%k|%s|%K|%S|%T|%h|%%"), it), "t|1|2|key|v|3|1|3|a=1,a=NULL|%");
  assert.equal(show(parseFormat("\\t\\r\\n\\0\\\\\\x41ü"), it), "\t\r\n\0\\Aü");
  assert.equal(show(parseFormat("%k%s|%K|%S"), record(null)), "|-1|-1");
});

for (const [wrong, found] of [["%q", "%q"], ["100%", "%"], ["\\q", "\\\\q"], ["\\x4", "\\\\x"], ["\\", "\\\\"]]) {
  Deno.test(`the format ${JSON.stringify(wrong)} is refused`, () => {
    const message = `"${found}" means nothing in a format`;
    assert.throws(() => parseFormat(wrong), (error: Error) => error.message.startsWith(message));
  });
}

Deno.test("on a terminal payloads cannot move the cursor; elsewhere they go through as they are", () => {
  const it = record("a\x1b[31m\n\u202e");
  assert.equal(show(parseFormat("%s\\n", escapeControls), it), "a\\u001b[31m\\u000a\\u202e\n");
  assert.equal(show(parseFormat("%s\\n"), it), "a\x1b[31m\n\u202e\n");
  const line = show(jsonFormat(escapeControls), record("\x7f\u202e"));
  assert.equal(line.trim(), line.slice(0, -1));
  assert.equal(JSON.parse(line).value, "\x7f\u202e", "escapes of JSON");
  assert.ok(!line.includes("\u202e"));
});

Deno.test("bytes that are not UTF-8 are base64 in JSON, and marked", () => {
  const it = record(Buffer.from([0xc3]), { key: Buffer.from("ä"), headers: [["h", Buffer.from([0xff])]] });
  const { value, key, headers } = JSON.parse(show(jsonFormat(), it));
  assert.deepEqual([value, key, headers], [{ base64: "ww==" }, "ä", [["h", { base64: "/w==" }]]]);
});

Deno.test("a page grows, whatever comes", () => {
  const [small, large] = ["x".repeat(60_000), "y".repeat(500_000)];
  assert.equal(show(parseFormat("%s"), record(small), record(large), record(small)), small + large + small);
});

Deno.test("all records that come together are one write", async () => {
  const out = output(Infinity, false);
  await printer(out, parseFormat("%s\\n"))([record("a"), record("b"), record("c")], CONTEXT);
  assert.deepEqual([out.text, out.writes], ["a\nb\nc\n", 1]);
});

Deno.test("batches of several partitions do not mix", async () => {
  const out = output(Infinity, false);
  const print = printer(out, parseFormat("%s\\n"));
  await Promise.all([print([record("a"), record("b")], CONTEXT), print([record("c"), record("d")], CONTEXT)]);
  assert.equal(out.text, "a\nb\nc\nd\n");
});

for (const [room, written] of [[0, 0], [3, 1], [4, 2], [7, 3]]) {
  Deno.test(`an output that closes after ${room} bytes has taken ${written} records`, async () => {
    const print = printer(output(room), parseFormat("%s\\n"));
    const records = ["a", "b", "c", "d"].map((value) => record(value));
    await assert.rejects(async () => await print(records, CONTEXT), (error) => {
      assert.ok(error instanceof OutputClosed);
      assert.equal(error.written, written);
      return true;
    });
  });
}

/** The example handlers, against a web server and a file. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { sqliteTable } from "../../handlers/sqlite.ts";
import type { ConsumedRecord, HandlerContext } from "../../handlers/types.ts";
import { webhook } from "../../handlers/webhook.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function record(offset: number, rest: Partial<ConsumedRecord> = {}): ConsumedRecord {
  return {
    topic: "t",
    partition: 1,
    offset,
    timestamp: 3,
    key: null,
    value: bytes(`${offset}`),
    headers: [],
    ...rest,
  } as never;
}

function context(signal = new AbortController().signal): HandlerContext {
  return { signal, attempt: 1 } as never;
}

/** A web server that answers with these codes, one after another, and remembers what it got. */
function hook(...codes: number[]) {
  const got: { body: string; headers: Headers }[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    got.push({ body: await request.text(), headers: request.headers });
    return new Response("", { status: codes.shift() ?? 200 });
  });
  return { got, url: `http://127.0.0.1:${server.addr.port}/`, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("the webhook posts the bytes and says which record they are", async () => {
  await using server = hook();
  const value = new Uint8Array([0, 255]);
  await webhook(server.url)(record(7, { key: bytes("ä"), value }), context());
  await webhook(server.url)(record(8, { value: null }), context());
  const [first, second] = server.got;
  assert.equal(first.body, "\0\ufffd");
  assert.equal(first.headers.get("idempotency-key"), "t-1-7");
  assert.equal(first.headers.get("kafka-key"), "%C3%A4");
  assert.deepEqual([second.body, second.headers.get("kafka-offset")], ["", "8"]);
});

Deno.test("the webhook has 5xx and passing refusals tried again, other refusals not", async () => {
  const codes = [500, 503, 429, 408, 400, 404, 410];
  await using server = hook(...codes);
  const errors = [];
  for (const _ of codes) {
    errors.push(await (async () => await webhook(server.url)(record(1), context()))().catch((e) => e));
  }
  assert.deepEqual(errors.map(({ retriable }) => retriable), [true, true, true, true, false, false, false]);
  assert.match(errors[0].message, /answered 500/);
});

Deno.test("the webhook stops waiting when there is no more time", async () => {
  await using server = hook();
  await assert.rejects(
    async () => await webhook(server.url)(record(1), context(AbortSignal.abort(new Error("late")))),
    /late/,
  );
});

function file() {
  const path = Deno.makeTempFileSync({ suffix: ".db" });
  return {
    path,
    /** The offsets in it. */
    rows(): number[] {
      using database = new DatabaseSync(path);
      return database.prepare('SELECT "offset" FROM records ORDER BY 1').all().map((row) => Number(row.offset));
    },
    [Symbol.dispose]() {
      for (const end of ["", "-wal", "-shm"]) {
        try {
          Deno.removeSync(path + end);
        } catch {
          // The other two are there only while it is open.
        }
      }
    },
  };
}

Deno.test("the SQLite table has each record once, however often it comes, also after a restart", () => {
  using it = file();
  const first = sqliteTable(it.path);
  first([record(0), record(1)], context());
  first([record(0), record(1), record(2)], context());
  const second = sqliteTable(it.path);
  second([record(1), record(2), record(5)], context());
  second([record(2)], context());
  second([record(3)], context()); // before what is stored: it was left out then, as 5 came first
  assert.deepEqual(it.rows(), [0, 1, 2, 5]);
});

Deno.test("a batch that fails leaves neither records nor a position behind", () => {
  using it = file();
  const handle = sqliteTable(it.path);
  const broken = record(1, { value: Symbol("no bytes") as never });
  assert.throws(() => handle([record(0), broken], context()));
  assert.deepEqual(it.rows(), []);
  handle([record(0), record(1)], context());
  assert.deepEqual(it.rows(), [0, 1]);
});

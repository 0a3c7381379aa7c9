import assert from "node:assert/strict";
import { readTopic } from "../support/reader.ts";
import { waitFor } from "../support/wait.ts";
import { refused, startApp, type TestApp } from "./app_test_util.ts";

/** With the header that HTTP/2 does without: there the answer may begin sooner. */
const NDJSON = { "content-type": "application/x-ndjson", host: "localhost:8082" };

/** A body that a test writes piece by piece. */
function typed() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  return { readable, write: (text: string) => writer.write(new TextEncoder().encode(text)), writer };
}

function stream(t: TestApp, body: BodyInit, query = "", path = `/topics/${t.topic}`): Promise<Response> {
  return t.request(path + query, { method: "POST", headers: NDJSON, body, duplex: "half" } as RequestInit);
}

/** A stream whose answer has begun, since nothing comes after this text for a while. */
async function begin(t: TestApp, text: string) {
  const body = typed();
  const response = stream(t, body.readable);
  await body.write(text);
  const reader = (await response).body!.pipeThrough(new TextDecoderStream()).getReader();
  return {
    body,
    next: async () => JSON.parse((await reader.read()).value!),
    async end() {
      await body.writer.close();
      assert.equal((await reader.read()).done, true);
    },
  };
}

async function results(response: Response | Promise<Response>) {
  const text = await (await response).text();
  assert.equal((await response).status, 200, text);
  assert.equal((await response).headers.get("content-type"), "application/x-ndjson");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

const values = async (t: TestApp) => (await readTopic(t.bootstrap, t.topic)).map(({ value }) => value?.toString());
const written = (offset: number) => ({ partition: 0, offset, error_code: null, error: null });

Deno.test("every line is a record, every record gets a line, in order", async () => {
  await using t = await startApp();
  const lines = Array.from({ length: 2_500 }, (_, i) => `{"key":"k","value":${i}}`);
  const found = await results(stream(t, lines.join("\n")));
  assert.deepEqual(found, lines.map((_, i) => written(i)));
  assert.deepEqual(await values(t), lines.map((_, i) => String(i)));
});

Deno.test("blank lines and a missing last line end are no trouble, and formats are as elsewhere", async () => {
  await using t = await startApp();
  assert.equal((await results(stream(t, '\n\n{"value":"a"}\r\n\n{"value":null,"key":"b"}', "?format=text"))).length, 2);
  assert.equal((await results(stream(t, '{"value":"Yw=="}\n', "?format=binary"))).length, 1);
  assert.deepEqual(await values(t), ["a", undefined, "c"]);
});

Deno.test("a broken line gets its number and its error, and the rest goes on", async () => {
  await using t = await startApp({ env: { HTTP_MAX_BODY_BYTES: "100" } });
  const body = [
    '{"value":1}',
    "",
    "{",
    '{"valur":1}',
    `{"value":"${"x".repeat(100)}"}`,
    '{"value":2,"partition":9}',
    '{"value":2}',
  ].join("\n");
  const found = await results(stream(t, body));
  assert.deepEqual(found.map((r) => [r.line, r.error_code, r.offset]), [
    [undefined, null, 0],
    [3, 400, undefined],
    [4, 422, undefined],
    [5, 413, undefined],
    [6, 50002, undefined],
    [undefined, null, 1],
  ]);
  assert.match(found[1].error, /The line is not JSON/);
  assert.match(found[2].error, /The record has an unknown field "valur"/);
  assert.deepEqual(await values(t), ["1", "2"]);
});

Deno.test("bytes that are not UTF-8 break their line alone", async () => {
  await using t = await startApp();
  const body = new Uint8Array([
    ...new TextEncoder().encode('{"value":1}\n{"value":"'),
    0xff,
    ...new TextEncoder().encode('"}\n{"value":2}'),
  ]);
  assert.deepEqual((await results(stream(t, body))).map((r) => r.error_code), [null, 400, null]);
});

Deno.test("on_error=stop ends at the first line that is wrong; those before it stand", async () => {
  await using t = await startApp();
  const found = await results(stream(t, '{"value":1}\n{"value":2}\nbroken\n{"value":3}\n', "?on_error=stop"));
  assert.deepEqual(found.map((r) => r.error_code), [null, null, 400, 400]); // to send it again would not help
  assert.match(found[3].error, /The stream ended after line 3: line 3 is wrong/);
  assert.deepEqual(await values(t), ["1", "2"]);
  await refused(
    stream(t, '{"value":1}', "?on_error=maybe"),
    [422, 422],
    /on_error is "maybe"; expected one of continue, stop/,
  );
  await refused(stream(t, '{"value":1}', "?format=avro"), [422, 422], /format is "avro"/);
});

Deno.test("never 200 when nothing was written", async () => {
  await using t = await startApp();
  await refused(stream(t, ""), [422, 422], /no records/);
  await refused(stream(t, "\n\n"), [422, 422], /no records/);
  await refused(
    stream(t, "a\nb\n"),
    [400, 400],
    /None of the first 2 lines was written; the first: The line is not JSON/,
  );
  await refused(stream(t, '{"value":1}', "", `/topics/${t.topic}/partitions/4`), [404, 40402], /has no partition 4/);
  await refused(stream(t, '{"value":1}', "", "/topics/never-there"), [404, 40401], /does not exist/);
  const endless = new ReadableStream({ pull: (c) => c.enqueue(new TextEncoder().encode("wrong\n".repeat(100))) });
  await refused(stream(t, endless), [400, 400], /None of the first 1\d{3} lines was written/);
  await refused(t.post(`/topics/${t.topic}`, "{}", { ...NDJSON, "content-encoding": "gzip" }), [415, 415], /gzip/);
  await refused(t.post(`/topics/${t.topic}`, "{}", { ...NDJSON, accept: "text/html" }), [406, 406], /Accept/);
});

Deno.test("results come while the upload goes on", async () => {
  await using t = await startApp();
  const { body, next, end } = await begin(t, '{"value":1}\n{"val');
  assert.deepEqual(await next(), written(0));
  await body.write('ue":2}\n');
  assert.deepEqual(await next(), written(1));
  await end();
});

Deno.test("results wait for the end of an upload without pauses, and take little room", async () => {
  await using t = await startApp({ partitions: 3 });
  const chunk = new TextEncoder().encode(
    Array.from({ length: 1_000 }, (_, i) => `{"key":${i},"value":"x"}\n`).join(""),
  );
  let left = 200;
  const body = new ReadableStream({ pull: (c) => left-- > 0 ? c.enqueue(chunk) : c.close() });
  const found = await results(stream(t, body));
  assert.equal(found.length, 200_000);
  const last: number[] = [];
  for (const { partition, offset } of found) {
    assert.ok(offset === (last[partition] ?? -1) + 1); // no key changes its partition, no offset is told twice
    last[partition] = offset;
  }
});

Deno.test("when nobody reads the results, the upload stands still instead of filling the memory", async () => {
  await using t = await startApp();
  let pieces = 0;
  const piece = new TextEncoder().encode(`{"value":"${"x".repeat(1_000)}"}\n`.repeat(64));
  const body = new ReadableStream({
    async pull(controller) {
      if (pieces++ === 1) await new Promise((resolve) => setTimeout(resolve, 500)); // a pause: results may begin
      controller.enqueue(piece);
    },
  });
  const response = await stream(t, body);
  let before = -1;
  await waitFor(async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const still = pieces === before;
    before = pieces;
    return still;
  }, { what: "the upload to stand still" });
  assert.ok(pieces < 100, `${pieces} pieces of 64 kB were taken`);
  await response.body!.cancel();
  await t.app.drain();
  const { length } = await values(t);
  assert.ok(length > 0 && length <= pieces * 64);
});

Deno.test("a stream whose answer has begun is not ended for memory that others take", async () => {
  await using t = await startApp();
  const { body, next, end } = await begin(t, '{"value":1}\n');
  assert.deepEqual(await next(), written(0));
  const before = Deno.memoryUsage().rss;
  const others = Array.from({ length: 30 }, () => new Uint8Array(10 << 20).fill(1));
  assert.ok(Deno.memoryUsage().rss - before > 128 << 20);
  await new Promise((resolve) => setTimeout(resolve, 200)); // memory is looked at meanwhile
  assert.equal(others.length, 30);
  await body.write('{"value":2}\n');
  assert.deepEqual(await next(), written(1));
  await end();
});

Deno.test("what was accepted is delivered when the client goes in the middle", async () => {
  await using t = await startApp();
  const body = typed();
  const response = stream(t, body.readable);
  await body.write('{"value":1}\n{"value":2}\n{"value":"half');
  await body.writer.abort(new Error("gone"));
  const found = await results(response);
  assert.deepEqual(found.map((r) => r.error_code), [null, null, 50301]);
  assert.match(found[2].error, /The stream ended after line 2: the client broke off/);
  await t.app.drain();
  assert.deepEqual(await values(t), ["1", "2"]);
});

Deno.test("a silent upload is ended after the time limit, and draining ends any", async () => {
  await using t = await startApp({ env: { HTTP_BODY_TIMEOUT_MS: "300" } });
  const silent = typed();
  const response = stream(t, silent.readable);
  await silent.write('{"value":1}\n');
  assert.match((await results(response))[1].error, /The body was not there after 300 ms/);

  await using other = await startApp();
  const open = typed();
  const answer = stream(other, open.readable);
  await open.write('{"value":1}\n');
  const reading = results(answer);
  await answer;
  await other.app.drain();
  assert.match((await reading)[1].error, /the server is stopping/);
});

Deno.test("a silent upload of which nothing was written is told 408", async () => {
  await using t = await startApp({ env: { HTTP_BODY_TIMEOUT_MS: "300" } });
  const silent = typed();
  const response = stream(t, silent.readable);
  await silent.write('{"value":');
  await refused(response, [408, 408], /has no records: The body was not there after 300 ms/);
});

Deno.test("streams that are open count, also when their answer has begun", async () => {
  await using t = await startApp({ env: { HTTP_MAX_CONNECTIONS: "1" } });
  const first = typed();
  const response = stream(t, first.readable);
  await first.write('{"value":1}\n');
  await response;
  await refused(stream(t, '{"value":2}'), [503, 50301], /1 streams of records are open; expected at most 1/);
  await first.writer.close();
  assert.equal((await results(response)).length, 1);
  assert.equal((await results(stream(t, '{"value":2}'))).length, 1);
});

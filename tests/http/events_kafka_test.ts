import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import { answer, refused, startApp, type TestApp } from "./app_test_util.ts";

interface Event {
  id?: string;
  event?: string;
  // deno-lint-ignore no-explicit-any -- as in answers: tests fail where it is not so
  data?: any;
  comment?: string;
}

/** Reads a stream of server-sent events, as the specification says. */
class Events implements AsyncDisposable {
  readonly all: Event[] = [];
  ended = false;
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor(response: Response) {
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    void this.#read();
  }

  async #read(): Promise<void> {
    let text = "";
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) this.all.push(toEvent(block));
    }
    this.ended = true;
  }

  get records(): Event[] {
    return this.all.filter(({ event, data }) => data !== undefined && event === undefined);
  }

  get values(): (string | null)[] {
    return this.records.map(({ data }) => data.value);
  }

  async until(count: number): Promise<void> {
    await waitFor(() => this.records.length >= count, { what: `${count} events` });
  }

  async [Symbol.asyncDispose]() {
    await this.#reader.cancel();
  }
}

function toEvent(block: string): Event {
  const event: Event = {};
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) event.comment = line.slice(1).trim();
    else if (line.startsWith("id: ")) event.id = line.slice(4);
    else if (line.startsWith("event: ")) event.event = line.slice(7);
    else if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
  }
  return event;
}

const open = async (t: TestApp, query = "", headers: Record<string, string> = {}) =>
  new Events(await t.request(`/topics/${t.topic}/events${query}`, { headers }));
const write = (t: TestApp, ...records: unknown[]) => answer(t.post(`/topics/${t.topic}`, { records }), 200);
const texts = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ value: from + i, partition: 0 }));

Deno.test("a stream brings what is written from now on, with its place, and nothing older", async () => {
  await using t = await startApp({ partitions: 2 });
  await write(t, { value: "old" });
  await using events = await open(t);
  const { offsets: [{ partition, offset }] } = await write(t, {
    key: "k",
    value: { n: 1.0 },
    timestamp: 1_700_000_000_000,
    headers: [{ key: "h", value: "AQI=" }, { key: "h", value: null }],
  });
  await events.until(1);
  assert.deepEqual(events.records[0].data, {
    partition,
    offset,
    timestamp: 1_700_000_000_000,
    key: '"k"',
    value: '{"n":1}',
    headers: [{ key: "h", value: "AQI=" }, { key: "h", value: null }],
  });
});

Deno.test("from=beginning brings all, and Last-Event-ID goes on exactly behind the last event", async () => {
  await using t = await startApp({ partitions: 2 });
  await write(t, ...texts(0, 5), { value: "other", partition: 1 });
  await using first = await open(t, "?from=beginning");
  await first.until(6);
  await write(t, ...texts(5, 8));
  await first.until(9);
  assert.deepEqual(first.records.filter((e) => e.data.partition === 0).map((e) => e.data.value), [
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
  ]);
  for (let seen = 1; seen <= 9; seen++) {
    await using again = await open(t, "?from=end", { "last-event-id": first.records[seen - 1].id! });
    await again.until(9 - seen);
    const rest = first.records.slice(seen).map(({ data }) => data);
    const order = (a: { partition: number; offset: number }, b: typeof a) =>
      a.partition - b.partition || a.offset - b.offset;
    assert.deepEqual(again.records.map(({ data }) => data).sort(order), rest.sort(order));
  }
});

Deno.test("the first thing a stream says is where it begins", async () => {
  await using t = await startApp({ partitions: 3 });
  await write(t, ...texts(0, 2));
  await using events = await open(t);
  await waitFor(() => events.all.length > 0, { what: "the first lines" });
  assert.equal(events.all[0].id, "2,0,0");
});

Deno.test("filters by partition and key, and ids go on all the same", async () => {
  await using t = await startApp({ partitions: 2 });
  await using one = await open(t, "?partition=1&format=json");
  await using key = await open(t, "?key=%22a%22&format=json");
  await write(t, { value: 1, partition: 0, key: "a" }, { value: 2, partition: 1, key: "b" }, {
    value: 3,
    partition: 1,
    key: "a",
  });
  await one.until(2);
  await key.until(2);
  assert.deepEqual(one.values, [2, 3]);
  assert.deepEqual(key.values.sort(), [1, 3]);
  assert.equal(one.records[1].id?.split(",")[1], "2");
});

Deno.test("formats show keys and values as text, JSON with its numbers as they are, or base64", async () => {
  await using t = await startApp();
  const post = (type: string, value: string) =>
    answer(
      t.post(`/topics/${t.topic}`, `{"records":[{"value":${value}}]}`, {
        "content-type": `application/vnd.kafka.${type}.v2+json`,
      }),
      200,
    );
  await post("json", '{"a": 9007199254740993, "b":"\\u4e2d"}');
  await post("text", '"line\\nbreak"');
  await post("binary", '"/w=="');
  await post("json", "null");
  const raw = await (await t.request(`/topics/${t.topic}/events?from=beginning&format=json`)).body!.getReader();
  let text = "";
  await waitFor(async () => (text += new TextDecoder().decode((await raw.read()).value)).includes('"offset":3'), {
    what: "all four",
  });
  await raw.cancel();
  assert.match(text, /"value":\{"a":9007199254740993,"b":"中"\},/);
  await using asText = await open(t, "?from=beginning");
  await using binary = await open(t, "?from=beginning&format=binary");
  await asText.until(4);
  await binary.until(4);
  assert.deepEqual(asText.values, ['{"a":9007199254740993,"b":"中"}', "line\nbreak", undefined, null]);
  assert.equal(asText.records[2].data.value_base64, "/w==");
  assert.deepEqual(binary.values.slice(1), [btoa("line\nbreak"), "/w==", null]);
});

Deno.test("many readers are served by one loop, and get the same", async () => {
  await using t = await startApp({ eventParts: { maxStreams: 50 } });
  const readers = await Promise.all(Array.from({ length: 20 }, () => open(t)));
  await write(t, ...texts(0, 10));
  for (const reader of readers) await reader.until(10);
  for (const reader of readers) assert.deepEqual(reader.records, readers[0].records);
  for (const reader of readers) await reader[Symbol.asyncDispose]();
});

Deno.test("a silent stream says that it is alive, and where it is", async () => {
  await using t = await startApp({ eventParts: { heartbeatMs: 50 } });
  await using events = await open(t);
  await waitFor(() => events.all.filter(({ comment }) => comment === "alive").length >= 3, { what: "heartbeats" });
  assert.equal(events.all.at(-1)!.id, "0");
  await write(t, { value: 1 });
  await events.until(1);
  assert.equal(events.all.filter(({ data }) => data).length, 1);
});

Deno.test("a reader that is too slow is dropped with the place to go on, and others don't notice", async () => {
  await using t = await startApp();
  const slow = await t.request(`/topics/${t.topic}/events`);
  await using quick = await open(t);
  const value = "x".repeat(100_000);
  for (let i = 0; i < 120; i++) await write(t, { value, partition: 0 });
  await quick.until(120);
  const events = new Events(slow);
  await waitFor(() => events.ended, { what: "the slow reader to be dropped" });
  const last = events.all.at(-1)!;
  assert.equal(last.event, "dropped");
  assert.equal(last.data.resume, String(events.records.length));
  await using again = await open(t, "", { "last-event-id": last.id! });
  await again.until(120 - events.records.length);
  assert.equal(again.records[0].data.offset, events.records.length);
});

Deno.test("streams end when the server stops, with the place to go on", async () => {
  await using t = await startApp();
  const events = await open(t);
  await write(t, { value: 1 });
  await events.until(1);
  await t.app.drain();
  await waitFor(() => events.ended, { what: "the stream to end" });
  const last = events.all.at(-1)!;
  assert.deepEqual([last.event, last.id, last.data.resume], ["end", "1", "1"]);
});

Deno.test("what cannot be followed is refused", async () => {
  await using t = await startApp({ eventParts: { maxStreams: 1 } });
  const get = (query: string, headers: Record<string, string> = {}) =>
    t.request(`/topics/${t.topic}/events${query}`, { headers });
  for (const id of ["x", "1,", "-1", "1.5", "1;2", "9".repeat(16), "<script>", "1,2\u00e9"]) {
    await refused(get("", { "last-event-id": id }), [400, 400], /^Last-Event-ID is/);
  }
  await refused(get("?from=middle"), [422, 422], /from is "middle"/);
  await refused(get("?format=xml"), [422, 422], /format is "xml"/);
  await refused(get("?partition=x"), [404, 404], /expected a whole number/);
  for (const none of [1, -1, 99]) await refused(get(`?partition=${none}`), [404, 40402], /expected 0 to 0/);
  await refused(get("", { accept: "application/json" }), [406, 406], /expected text\/event-stream/);
  await refused(t.request("/topics/never-there/events"), [404, 40401], /does not exist/);
  await refused(t.request("/topics/__consumer_offsets/events"), [403, 40301], /internal/);
  await using _one = await open(t);
  await refused(get(""), [503, 50301], /1 event streams are open; expected at most 1/);
});

Deno.test("an id beyond the end, of a topic that was made anew, begins at its beginning", async () => {
  await using t = await startApp();
  await write(t, { value: 1 });
  await using events = await open(t, "", { "last-event-id": "1000" });
  await events.until(1);
  assert.deepEqual(events.values, ["1"]);
});

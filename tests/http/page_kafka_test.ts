import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import { waitFor } from "../support/wait.ts";
import { answer, refused, startApp, type TestApp } from "./app_test_util.ts";

// deno-lint-ignore no-explicit-any -- tests look into it as they please, and fail where it is not so
type Untyped = any;

/** The feed's events so far, by name. */
async function openFeed(t: TestApp, query = "", headers: Record<string, string> = {}) {
  const response = await t.request(`/page/feed${query}`, { headers });
  assert.equal(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const events: { name: string; data: Untyped }[] = [];
  let [rest, ended] = ["", false];
  const read = (async () => {
    for (let part; !(part = await reader.read()).done;) {
      const blocks = (rest + part.value).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block)!;
        events.push({ name, data: JSON.parse(data) });
      }
    }
    ended = true;
  })();
  const all = (name: string) => events.filter((event) => event.name === name).map(({ data }) => data);
  return {
    all,
    ended: () => ended,
    records: () => all("records").flatMap(({ records }) => records),
    async [Symbol.asyncDispose]() {
      await reader.cancel();
      await read;
    },
  };
}

const write = (t: TestApp, ...records: unknown[]) => answer(t.post(`/topics/${t.topic}`, { records }), 200);
const search = (t: TestApp, query: string) => answer(t.request(`/page/search?${query}`), 200);
const values = ({ records }: Untyped) => records.map(({ value }: Untyped) => value?.text ?? null);

Deno.test("GET / is the page: nothing inline, nothing from elsewhere, every file there", async () => {
  await using t = await startApp();
  const response = await t.request("/");
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:|data:/);
  const html = await response.text();
  assert.doesNotMatch(html, /<style|style=|\son\w+=|https?:\/\/|<script(?! src="page\/)/i);
  const modules = [...html.matchAll(/(?:src|href)="page\/([\w.]+)"/g)].map(([, name]) => name);
  assert.ok(modules.includes("main.js"));
  for (const name of modules) { // grows: what modules import is looked at as well
    const file = await t.request(`/page/${name}`);
    assert.equal(file.status, 200, name);
    const text = await file.text();
    assert.doesNotMatch(text.slice(0, name.startsWith("uplot") ? 0 : undefined), /innerHTML|insertAdjacentHTML|eval\(/);
    for (const [, found] of text.matchAll(/from "\.\/([\w.]+)"/g)) if (!modules.includes(found)) modules.push(found);
  }
  await refused(t.request("/page/secrets.txt"), [404, 404], /The page has no file "secrets.txt"/);
  await refused(t.request("/page/..%2fdeno.json"), [404, 404], /The page has no file/);
});

Deno.test("the page's files are asked for again only when they have changed", async () => {
  await using t = await startApp();
  for (const path of ["/", "/page/main.js"]) {
    const first = await t.request(path);
    await first.text();
    const tag = first.headers.get("etag")!;
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`]) {
      const again = await t.request(path, { headers: { "if-none-match": known } });
      assert.equal(again.status, 304);
      assert.equal(await again.text(), "");
    }
    const other = await t.request(path, { headers: { "if-none-match": '"other"' } });
    assert.equal(other.status, 200);
    await other.text();
  }
});

Deno.test("the feed tells the topic's partitions, the newest records, and what comes", async () => {
  await using t = await startApp({ partitions: 2 });
  await write(t, { key: "old", value: "before", partition: 1 });
  await using feed = await openFeed(t);
  await waitFor(() => feed.records().length === 1, { what: "the record that was there before" });
  const { offsets: [{ offset }] } = await write(t, { value: "new", partition: 1 });
  await waitFor(() => feed.records().length === 2, { what: "the record that came" });
  const [before, after] = feed.records();
  assert.deepEqual([before.key.text, before.value.text, before.partition], ['"old"', '"before"', 1]);
  assert.deepEqual([after.key, after.value.text, after.offset], [null, '"new"', offset]);
  assert.deepEqual(feed.all("hello")[0].topic, t.topic);
  await waitFor(() => feed.all("second").some(({ extents }) => extents), { what: "the partitions" });
  const { state, extents } = feed.all("second").at(-1);
  assert.equal(state.kind, "connected");
  assert.ok(feed.all("second").some(({ topics }) => topics?.includes(t.topic)));
  assert.deepEqual(extents.partitions.map(({ partition }: Untyped) => partition), [0, 1]);
});

Deno.test("however many records come, the feed counts all and tells few", async () => {
  await using t = await startApp();
  await using feed = await openFeed(t);
  await waitFor(() => feed.all("records").length > 0, { what: "the feed to follow" });
  for (let i = 0; i < 20; i++) {
    await write(t, ...Array.from({ length: 250 }, (_, n) => ({ value: `${i} ${n}` })));
  }
  const came = () => feed.all("records").reduce((sum, { came }) => sum + came, 0);
  await waitFor(() => came() === 5_000, { what: "5,000 records to be counted" });
  const told = feed.records();
  assert.ok(told.length <= 3 * feed.all("records").length, `${told.length} records were told`);
  assert.equal(told.at(-1).value.text, '"19 249"');
});

Deno.test("of a key or value the feed tells the beginning, and of what is no text hexadecimal digits", async () => {
  await using t = await startApp();
  await using feed = await openFeed(t);
  const binary = { "content-type": "application/vnd.kafka.binary.v2+json" };
  await answer(t.post(`/topics/${t.topic}`, { records: [{ key: "/w==", value: "/9j/4A==" }] }, binary), 200);
  await write(t, { value: `a${"好".repeat(100_000)}` }, { value: null });
  await waitFor(() => feed.records().length === 3, { what: "three records" });
  const [bytes, long, none] = feed.records();
  assert.deepEqual(bytes.value, { text: "ffd8ffe0", bytes: 4, binary: true });
  assert.match(long.value.text, /^"a好{20,60}$/);
  assert.deepEqual([long.value.bytes, long.value.cut], [300_003, true]);
  assert.equal(none.value, null);
});

Deno.test("the feed tells members, what they read, and how far they are behind", async () => {
  await using t = await startApp({ partitions: 2 });
  const client = new Kafka({ brokers: t.bootstrap.split(","), clientId: "reader", logLevel: logLevel.NOTHING });
  const consumer = client.consumer({ groupId: t.topic });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic: t.topic, fromBeginning: true });
    await write(t, ...Array.from({ length: 5 }, () => ({ value: 1, partition: 0 })));
    await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
    await using feed = await openFeed(t);
    t.page.start();
    const groupOf = (second: Untyped) => second?.groups?.find(({ group }: Untyped) => group === t.topic);
    const latest = () => groupOf(feed.all("second").at(-1));
    await waitFor(() => latest()?.members[0]?.partitions.length === 2, { what: "the member's partitions" });
    await consumer.commitOffsets([{ topic: t.topic, partition: 0, offset: "3" }]);
    await waitFor(() => latest()?.partitions[0]?.lag === 2, { what: "the lag" });
    const { state, members: [{ clientId, host, partitions }] } = latest();
    assert.deepEqual([state, clientId], ["Stable", "reader"]);
    assert.match(host, /^[\d.]+$/);
    assert.deepEqual(partitions.map(({ topic }: Untyped) => topic), [t.topic, t.topic]);
  } finally {
    await consumer.disconnect();
  }
});

Deno.test("a server that stops says so and ends the feed", async () => {
  await using t = await startApp();
  await using feed = await openFeed(t);
  await t.app.drain();
  await waitFor(() => feed.ended(), { what: "the end of the feed" });
  assert.deepEqual(feed.all("second").at(-1), { state: { kind: "draining" } });
});

Deno.test("feed and search need a token where one is needed; the page itself, which asks for it, does not", async () => {
  await using t = await startApp({ env: { HTTP_TOKENS: "secret" } });
  for (const path of ["/page/feed", "/page/search"]) await refused(t.request(path), [401, 40101], /no Authorization/);
  assert.equal((await t.request("/")).status, 200);
  assert.equal((await t.request("/page/main.js")).status, 200);
  await using feed = await openFeed(t, "", { authorization: "Bearer secret" });
  await waitFor(() => feed.all("hello").length === 1, { what: "the feed to begin" });
});

Deno.test("a page that is opened again is told the samples of before", async () => {
  await using t = await startApp();
  t.page.start();
  await using first = await openFeed(t);
  await waitFor(() => first.all("second").filter(({ sample }) => sample).length >= 2, { what: "two samples" });
  await using again = await openFeed(t);
  await waitFor(() => again.all("hello").length === 1, { what: "the feed to begin" });
  const times = first.all("second").flatMap(({ sample }) => sample?.time ?? []);
  assert.deepEqual(again.all("hello")[0].samples.slice(0, 2).map(({ time }: Untyped) => time), times.slice(0, 2));
});

Deno.test("other web sites get neither the feed nor a search, though they may link to the page", async () => {
  await using t = await startApp();
  const site = { "sec-fetch-site": "cross-site" };
  for (const path of ["/page/feed", "/page/search", "/page/main.js"]) {
    await refused(t.request(path, { headers: site }), [403, 403], /Sec-Fetch-Site is "cross-site"/);
    await refused(t.request(`http://evil.example${path}`), [403, 403], /Host is "evil.example"/);
  }
  const link = await t.request("/", { headers: { ...site, "sec-fetch-mode": "navigate" } });
  assert.equal(link.status, 200);
});

Deno.test("topics that are closed to HTTP are closed to the page", async () => {
  await using t = await startApp({ env: { HTTP_TOPICS: "others" } });
  for (const path of ["feed", "search"]) {
    for (const [topic, why] of [[t.topic, /not among the topics open to HTTP/], ["__consumer_offsets", /internal/]]) {
      const response = await t.request(`/page/${path}?topic=${topic}`);
      assert.equal(response.status, 403, `${topic} is open to the ${path}`); // a feed would have no end to be read
      await refused(response, [403, 40301], why as RegExp);
    }
  }
});

Deno.test("a search finds by part of key or text, by offset, by time and within a partition", async () => {
  await using t = await startApp({ partitions: 2 });
  const [first, second] = [1_700_000_000_000, 1_700_000_060_000];
  await write(
    t,
    { key: "order-1", value: "red apple", partition: 0, timestamp: first },
    { key: "order-2", value: "green pear", partition: 0, timestamp: second },
    { key: "order-21", value: "red pear", partition: 1, timestamp: second },
  );
  const found = await search(t, "text=pear");
  assert.deepEqual(values(found).sort(), ['"green pear"', '"red pear"']);
  assert.deepEqual([found.searched, found.cut], [3, false]);
  assert.deepEqual(values(await search(t, "key=order-2&text=red")), ['"red pear"']);
  assert.deepEqual(values(await search(t, "partition=0&offset=1")), ['"green pear"']);
  assert.deepEqual(values(await search(t, `since=${first + 1}&partition=0`)), ['"green pear"']);
  assert.deepEqual(values(await search(t, `since=${second + 1}`)), []);
  await refused(t.request("/page/search?partition=9"), [404, 40402], /has no partition 9; expected 0 to 1/);
  await refused(t.request("/page/search?offset=x"), [422, 422], /offset is "x"; expected a whole number/);
});

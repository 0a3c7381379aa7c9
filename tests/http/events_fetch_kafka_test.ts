// How often Kafka is asked for what event streams show. The brokers are reached through a proxy that counts.

import assert from "node:assert/strict";
import { startProxiedKafka } from "../support/proxied_kafka.ts";
import { waitFor } from "../support/wait.ts";
import { answer, startApp, type TestApp } from "./app_test_util.ts";

const RECORDS = 30;
const READERS = 50;

/** Counts the records that an event stream brings. */
class CountingReader implements AsyncDisposable {
  count = 0;
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor({ body }: Response) {
    this.#reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    void this.#read();
  }

  async #read(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      this.count += value.split("\ndata: ").length - 1; // each event comes in one piece
    }
  }

  async [Symbol.asyncDispose]() {
    await this.#reader.cancel();
  }
}

const follow = async (t: TestApp) => new CountingReader(await t.request(`/topics/${t.topic}/events`));

Deno.test("fifty event streams of a topic ask Kafka no more than one does", async () => {
  await using kafka = await startProxiedKafka();
  const { bootstrap, proxies: [proxy] } = kafka;
  await using t = await startApp({ bootstrap, eventParts: { maxStreams: READERS } });
  await using stack = new AsyncDisposableStack();
  const readers: CountingReader[] = [];
  /** Writes records one by one, each when all have seen the one before. @returns how many fetches that took */
  const fetchesFor = async (count: number) => {
    const { Fetch: before = 0 } = proxy.stats.requests;
    for (let i = 0; i < count; i++) {
      const seen = readers.map(({ count }) => count);
      await answer(t.post(`/topics/${t.topic}`, { records: [{ value: i }] }), 200);
      await waitFor(() => readers.every(({ count }, reader) => count === seen[reader] + 1), { what: `record ${i}` });
    }
    return proxy.stats.requests.Fetch - before;
  };
  readers.push(stack.use(await follow(t)));
  const fetches = await fetchesFor(RECORDS);
  const { open } = proxy.stats.connections;
  while (readers.length < READERS) readers.push(stack.use(await follow(t)));
  const fetchesForAll = await fetchesFor(RECORDS);
  assert.ok(fetches >= RECORDS, `${fetches} fetches`);
  // A fetch that finds nothing in time is sent again: a slower run has a few more of these.
  assert.ok(fetchesForAll < 2 * fetches, `${fetchesForAll} fetches for ${READERS} streams, ${fetches} for one`);
  assert.equal(proxy.stats.connections.open, open, "connections to Kafka");
});

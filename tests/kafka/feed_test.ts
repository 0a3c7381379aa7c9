import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import type { Chunk } from "../../kafka/chunk.ts";
import { Feed } from "../../kafka/feed.ts";

const NEVER = new AbortController().signal;

function chunk(from: number, next: number, end?: number): Chunk {
  return { topic: "t", partition: 0, records: Buffer.alloc(0), aborted: [], from, next, end };
}

async function next(feed: Feed, signal = NEVER): Promise<Chunk | undefined> {
  return await feed.filled(signal) ? feed.take() : undefined;
}

function feed(): { feed: Feed; taken: Chunk[] } {
  const taken: Chunk[] = [];
  return { feed: new Feed({ topic: "t", partition: 0 }, 0, (chunk) => taken.push(chunk)), taken };
}

Deno.test("one chunk waits at most: there is room again when it is taken", async () => {
  const { feed: it, taken } = feed();
  assert.ok(it.hungry);
  it.put(chunk(0, 5));
  assert.deepEqual([it.hungry, it.position], [false, 5]);
  assert.equal((await next(it))?.next, 5);
  assert.deepEqual([it.hungry, taken.length], [true, 1]);
});

Deno.test("whoever waits gets the chunk when it comes, or nothing when told to stop", async () => {
  const { feed: it } = feed();
  const coming = next(it);
  it.put(chunk(0, 1));
  assert.equal((await coming)?.next, 1);
  const stop = new AbortController();
  const none = next(it, stop.signal);
  stop.abort();
  assert.equal(await none, undefined);
});

Deno.test("an end is told once, and again after there was more", async () => {
  const { feed: it } = feed();
  assert.equal(it.put(chunk(0, 0)), false, "nothing, and no end");
  assert.equal(it.put(chunk(0, 0, 0)), true, "an empty partition");
  await next(it);
  assert.equal(it.put(chunk(0, 0, 0)), false, "known");
  assert.equal(it.put(chunk(0, 2, 2)), true);
  await next(it);
  assert.equal(it.put(chunk(2, 2, 2)), false, "told with the records");
});

Deno.test("a seek drops what waits, and whoever waits goes on waiting for what comes then", async () => {
  const { feed: it, taken } = feed();
  it.put(chunk(0, 5));
  const coming = next(it);
  await coming;
  const later = next(it);
  it.seek(3);
  it.put(chunk(3, 4));
  assert.equal((await later)?.from, 3);
  it.put(chunk(4, 9));
  it.seek(6);
  assert.deepEqual([it.hungry, it.position, taken.length], [true, 6, 3]);
});

// Keys of a megabyte: written and read back exactly, or refused as too large.

import assert from "node:assert/strict";
import { readTopic } from "../support/reader.ts";
import { answer, refused, startApp, type TestApp } from "./app_test_util.ts";

const MEGABYTE = 1_000_000;
const BATCH_BYTES = 1_030_000;
/** What a batch takes without its records, see https://kafka.apache.org/documentation/#recordbatch */
const BATCH_HEADER_BYTES = 61;

/** How a key of ASCII is sent, and how many bytes fewer than in Kafka it then has. */
const FORMATS = {
  json: { send: (key: string) => key, less: 2 }, // in Kafka it has its quotes
  text: { send: (key: string) => key, less: 0 },
  binary: { send: btoa, less: 0 },
} as const;
type Format = keyof typeof FORMATS;

/** Sends a record whose key has so many bytes in Kafka. */
function send(t: TestApp, format: Format, size: number): { key: string; response: Promise<Response> } {
  const text = Array.from({ length: 200 }, (_, i) => String.fromCharCode(0x23 + i * 7 % 57)).join(""); // # to [
  const key = text.repeat(Math.ceil(size / text.length)).slice(0, size - FORMATS[format].less);
  const response = t.post(`/topics/${t.topic}`, { records: [{ key: FORMATS[format].send(key), value: null }] }, {
    "content-type": `application/vnd.kafka.${format}.v2+json`,
  });
  return { key: format === "json" ? JSON.stringify(key) : key, response };
}

Deno.test("a key of a megabyte is written as it is where the limits let it be, and refused one byte beyond", async () => {
  // Kafka's own limit is 1,048,588.
  const env = { KAFKA_BATCH_BYTES: String(BATCH_BYTES), HTTP_MAX_BODY_BYTES: "2000000" };
  await using t = await startApp({ env });
  for (const format of Object.keys(FORMATS) as Format[]) {
    const { key, response } = send(t, format, MEGABYTE);
    const { offsets: [{ offset }] } = await answer(response, 200);
    const [{ key: found }] = await readTopic(t.bootstrap, t.topic, { from: [BigInt(offset)] });
    assert.ok(found?.toString() === key, `the key is in Kafka as it was sent, with ${format}`); // not shown: a megabyte
    assert.equal(found.length, MEGABYTE);
    const most = await longestKey(t, format);
    await answer(send(t, format, most).response, 200);
    await refused(send(t, format, most + 1).response, [413, 413], /The record takes \d+ bytes; expected at most/);
  }
});

/** The size of the longest key that KAFKA_BATCH_BYTES lets in, by what is said of a longer one. */
async function longestKey(t: TestApp, format: Format): Promise<number> {
  const size = 1_040_000; // its length takes as many bytes as that of the longest
  const { message } = await answer(send(t, format, size).response, 413);
  const [, bytes, limit] = /takes (\d+) bytes; expected at most (\d+) \(KAFKA_BATCH_BYTES\)$/.exec(message)!;
  assert.equal(Number(limit), BATCH_BYTES - BATCH_HEADER_BYTES);
  return size - (Number(bytes) - Number(limit));
}

Deno.test("with the limits as they are by default a key of a megabyte is refused, and nothing is written", async () => {
  await using t = await startApp();
  await refused(send(t, "json", MEGABYTE).response, [413, 413], /takes 10000\d\d bytes; .*\(KAFKA_BATCH_BYTES\)/);
  await refused(send(t, "text", MEGABYTE).response, [413, 413], /takes 10000\d\d bytes; .*\(KAFKA_BATCH_BYTES\)/);
  await refused(
    send(t, "binary", MEGABYTE).response,
    [413, 413],
    /has more than 1048576 bytes; .*\(HTTP_MAX_BODY_BYTES\)/,
  );
  assert.deepEqual(await readTopic(t.bootstrap, t.topic), []);
});

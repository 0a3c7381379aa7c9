/** Our Produce request against kafkajs's, its response in any order, and what each error code means. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import produceV7 from "kafkajs/src/protocol/requests/produce/v7/request.js";
import {
  decodeProduceResponse,
  encodeProduceRequest,
  type PartitionBatch,
  type PartitionResult,
  type Verdict,
  verdictOf,
} from "../../kafka/produce_request.ts";
import { anyText } from "./random_records.ts";

// deno-lint-ignore no-explicit-any
type Any = any; // kafkajs has no types for its internals

function test(name: string, fn: () => void | Promise<void>) {
  Deno.test({ name, permissions: "none", fn });
}

const anyTopic = fc.stringMatching(/^[\w.-]{1,30}$/);
const anyTopicData = fc.uniqueArray(
  fc.record({
    topic: anyTopic,
    partitions: fc.uniqueArray(
      fc.record({
        partition: fc.nat(2 ** 31 - 1),
        firstSequence: fc.nat(),
        messages: fc.array(
          fc.record({ key: fc.constant(null), value: anyText.map((text) => Buffer.from(text)), timestamp: fc.nat() }),
          { minLength: 1, maxLength: 3 },
        ),
      }),
      { selector: (it) => it.partition, minLength: 1, maxLength: 4 },
    ),
  }),
  { selector: (it) => it.topic, minLength: 1, maxLength: 4 },
);

/** The batches of a request's body, as kafkajs reads them. */
function batchesOf(body: Buffer): PartitionBatch[] {
  const decoder = new (Decoder as Any)(body);
  decoder.readString();
  decoder.readInt16();
  decoder.readInt32();
  return decoder.readArray((topics: Any) => {
    const topic = topics.readString();
    return topics.readArray((it: Any) => ({ topic, partition: it.readInt32(), bytes: Buffer.from(it.readBytes()) }));
  }).flat();
}

test("the same batches make the same request as kafkajs's", async () => {
  const anyOptions = fc.record({ acks: fc.constantFrom(-1, 0, 1), timeout: fc.nat(), topicData: anyTopicData });
  await fc.assert(fc.asyncProperty(anyOptions, async (options) => {
    const { buffer: theirs } = await (produceV7 as Any)(options).encode();
    const ours = encodeProduceRequest(batchesOf(theirs), { acks: options.acks, timeoutMs: options.timeout });
    assert.deepEqual(ours, theirs);
  }));
});

test("batches of one topic stand together, whatever the order they came in", () => {
  const batches = [["b", 0], ["a", 1], ["b", 2], ["名字", 5], ["a", 0]] as const;
  const body = encodeProduceRequest(
    batches.map(([topic, partition]) => ({ topic, partition, bytes: Buffer.from(`${topic}${partition}`) })),
    { acks: -1, timeoutMs: 1 },
  );
  const read = batchesOf(body);
  assert.deepEqual(read.map(({ topic, partition }) => [topic, partition]), [
    ...[["b", 0], ["b", 2], ["a", 1], ["a", 0], ["名字", 5]],
  ]);
  for (const { topic, partition, bytes } of read) assert.equal(String(bytes), `${topic}${partition}`);
});

test("a request may be written into a larger buffer with somebody's old bytes in it", () => {
  const batches = [0, 1].map((partition) => ({ topic: "t", partition, bytes: new Uint8Array([1, 2, 3]) }));
  const options = { acks: -1, timeoutMs: 1 };
  const allocate = (bytes: number) => Buffer.alloc(2 * bytes, 0xff);
  assert.deepEqual(encodeProduceRequest(batches, { ...options, allocate }), encodeProduceRequest(batches, options));
});

test("a batch is copied: its buffer may be used again while the request is on its way", () => {
  const bytes = Buffer.from("batch");
  const body = encodeProduceRequest([{ topic: "t", partition: 0, bytes }], { acks: -1, timeoutMs: 1 });
  bytes.fill(0);
  assert.equal(String(batchesOf(body)[0].bytes), "batch");
});

/** One partition of a response, as kafkajs's encoder writes the protocol guide's layout. */
function encodeResult({ partition, code, baseOffset, logAppendTime, invalid }: Omit<PartitionResult, "topic">): Any {
  const encoder = () => new (Encoder as Any)();
  return encoder().writeInt32(partition).writeInt16(code).writeInt64(baseOffset).writeInt64(logAppendTime)
    .writeInt64(0)
    .writeArray(invalid.map(({ index, message }) => encoder().writeInt32(index).writeString(message)))
    .writeString(code === 0 ? null : "why");
}

/** A response; topics may come in several pieces. */
function encodeResponse(results: PartitionResult[], throttleMs: number): Buffer {
  const topics = results.map((result) =>
    new (Encoder as Any)().writeString(result.topic).writeArray([encodeResult(result)])
  );
  return new (Encoder as Any)().writeArray(topics).writeInt32(throttleMs).buffer;
}

const anyResult: fc.Arbitrary<PartitionResult> = fc.record({
  topic: anyTopic,
  partition: fc.nat(2 ** 31 - 1),
  code: fc.integer({ min: -1, max: 120 }),
  baseOffset: fc.oneof(fc.constant(-1), fc.maxSafeNat()),
  logAppendTime: fc.oneof(fc.constant(-1), fc.nat(2 ** 42)),
  invalid: fc.array(
    fc.record({ index: fc.nat(2 ** 31 - 1), message: fc.constantFrom(null, "名字") }, { noNullPrototype: true }),
    { maxLength: 5 },
  ),
}, { noNullPrototype: true });

test("a response is read whole, in the broker's order, whatever errors are in it", () => {
  fc.assert(fc.property(fc.array(anyResult), fc.nat(2 ** 31 - 1), (results, throttleMs) => {
    assert.deepEqual(decodeProduceResponse(encodeResponse(results, throttleMs)), { results, throttleMs });
  }));
});

test("several partitions of one topic are read from its one entry", () => {
  const partition = (partition: number, code: number, baseOffset: number) =>
    encodeResult({ partition, code, baseOffset, logAppendTime: -1, invalid: [] });
  const topic = (name: string, partitions: Any[]) => new (Encoder as Any)().writeString(name).writeArray(partitions);
  const topics = [topic("b", [partition(2, 0, 7), partition(0, 6, -1)]), topic("a", [partition(1, 0, 2 ** 40)])];
  const { results } = decodeProduceResponse(new (Encoder as Any)().writeArray(topics).writeInt32(0).buffer);
  assert.deepEqual(results.map(({ topic, partition, code, baseOffset }) => [topic, partition, code, baseOffset]), [
    ...[["b", 2, 0, 7], ["b", 0, 6, -1], ["a", 1, 0, 2 ** 40]],
  ]);
});

test("a response that is cut short is an error, not half an answer", () => {
  const result = {
    topic: "t",
    partition: 0,
    code: 87,
    baseOffset: 5,
    logAppendTime: -1,
    invalid: [{ index: 3, message: "no" }],
  };
  const body = encodeResponse([result], 0);
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => decodeProduceResponse(body.subarray(0, length)), RangeError, `${length} bytes`);
  }
});

/** Issue and design name the codes of the first line each; the rest follow from what Kafka says of them. */
const VERDICTS: Record<Verdict, number[]> = {
  "retry": [3, 5, 6, 19, 56, 2, 9, 14, 15, 16, 72, 74, 75, 89],
  "maybe-written": [7, 20, -1, 13],
  "identity-lost": [45, 47, 59, 46],
  "too-large": [10, 18],
  "invalid-records": [32, 87],
  "refused": [17, 29, 1, 4, 8, 11, 12, 21, 22, 31, 35, 42, 43, 48, 49, 58, 76, 90, -2, 121, 32_767],
};

for (const [verdict, codes] of Object.entries(VERDICTS)) {
  test(`codes ${codes.join(", ")} mean "${verdict}"`, () => {
    for (const code of codes) assert.equal(verdictOf(code), verdict, String(code));
  });
}

test("a code that is not known is final", () => {
  const known = Object.entries(VERDICTS).flatMap(([verdict, codes]) => verdict === "refused" ? [] : codes);
  for (let code = -(2 ** 15); code < 2 ** 15; code++) {
    if (!known.includes(code)) assert.equal(verdictOf(code), "refused", String(code));
  }
});

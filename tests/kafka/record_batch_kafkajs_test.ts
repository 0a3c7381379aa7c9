import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import fc from "fast-check";
import Decoder from "kafkajs/src/protocol/decoder.js";
import { Codecs } from "kafkajs/src/protocol/message/compression/index.js";
import kafkajsRecord from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import decodeWithKafkajs from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
import { RecordBatch as encodeBatchWithKafkajs } from "kafkajs/src/protocol/recordBatch/v0/index.js";
import type { ProducerRecord } from "../../kafka/record_batch.ts";
import {
  anyCompression,
  anyData,
  anyHeaders,
  anyIdentity,
  anyRecord,
  asBuffer,
  batchOf,
  freeze,
  NOW,
} from "./random_records.ts";

// kafkajs reads zstd once it is given a codec.
Codecs[4] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: promisify(zstdDecompress),
});

/** Headers as kafkajs shows them: one property a name, an array of values where the name repeats. */
function folded(headers: ProducerRecord["headers"] = []) {
  const byName = Map.groupBy(headers, ([name]) => Buffer.from(name).toString());
  const entries = Array.from(byName, ([name, same]) => [name, same.map(([, value]) => asBuffer(value))] as const);
  return Object.fromEntries(entries.map(([name, values]) => [name, values.length > 1 ? values : values[0]]));
}

Deno.test("kafkajs decodes every field of random batches, with each compression", async () => {
  // kafkajs folds headers into an object, where names like "toString" or "__proto__" are not free.
  const name = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !(text in {}));
  const records = fc.array(anyRecord(anyHeaders(name)), { minLength: 1, maxLength: 40 });
  await fc.assert(fc.asyncProperty(records, anyIdentity, anyCompression, async (records, identity, compression) => {
    const decoded = await decodeWithKafkajs(new Decoder(await freeze(batchOf(records), identity, compression)));
    const timestamps = records.map((record) => record.timestamp ?? NOW);
    assert.deepEqual(
      {
        firstOffset: decoded.firstOffset,
        partitionLeaderEpoch: decoded.partitionLeaderEpoch,
        inTransaction: decoded.inTransaction,
        isControlBatch: decoded.isControlBatch,
        timestampType: decoded.timestampType,
        lastOffsetDelta: decoded.lastOffsetDelta,
        firstTimestamp: decoded.firstTimestamp,
        maxTimestamp: decoded.maxTimestamp,
        producerId: BigInt(decoded.producerId),
        producerEpoch: decoded.producerEpoch,
        baseSequence: decoded.firstSequence,
      },
      {
        firstOffset: "0",
        partitionLeaderEpoch: -1,
        inTransaction: false,
        isControlBatch: false,
        timestampType: 0,
        lastOffsetDelta: records.length - 1,
        firstTimestamp: String(timestamps[0]),
        maxTimestamp: String(Math.max(...timestamps)),
        ...identity,
      },
    );
    // deno-lint-ignore no-explicit-any -- kafkajs's internals have no types
    const fields = decoded.records.map(({ offset, timestamp, key, value, headers }: any) => ({
      offset,
      timestamp,
      key,
      value,
      headers,
    }));
    assert.deepEqual(
      fields,
      records.map(({ key, value, headers }, index) => ({
        offset: String(index),
        timestamp: String(timestamps[index]),
        key: asBuffer(key),
        value: asBuffer(value),
        headers: folded(headers),
      })),
    );
  }));
});

Deno.test("the bytes are kafkajs's own, for all that kafkajs can express", async () => {
  // Not in kafkajs: a header with the value null. Repeated names only side by side, and none that an object would
  // reorder.
  const value = anyData.filter((data) => data !== null);
  const headers = fc.uniqueArray(
    fc.tuple(fc.string().map((text) => `h${text}`), fc.array(value, { minLength: 1, maxLength: 3 })),
    {
      selector: ([name]) => name,
      maxLength: 3,
    },
  );
  const repeated = headers.map((named) =>
    named.flatMap(([name, values]) => values.map((value): [string, typeof value] => [name, value]))
  );
  const records = fc.array(anyRecord(repeated), { minLength: 1, maxLength: 20 });
  await fc.assert(fc.asyncProperty(records, anyIdentity, anyCompression, async (records, identity, compression) => {
    const ours = await freeze(batchOf(records), identity, compression);
    const timestamps = records.map((record) => record.timestamp ?? NOW);
    const theirs = await encodeBatchWithKafkajs({
      compression: ours[22], // the codec that was used: a batch that would only grow is not compressed
      firstTimestamp: timestamps[0],
      maxTimestamp: Math.max(...timestamps),
      partitionLeaderEpoch: -1,
      lastOffsetDelta: records.length - 1,
      producerId: identity.producerId,
      producerEpoch: identity.producerEpoch,
      firstSequence: identity.baseSequence,
      records: records.map(({ key, value, headers }, offsetDelta) =>
        kafkajsRecord({
          offsetDelta,
          timestampDelta: timestamps[offsetDelta] - timestamps[0],
          key: asBuffer(key),
          value: asBuffer(value),
          headers: Object.fromEntries(Object.entries(folded(headers)).map(([name, value]) => [name, [value].flat()])),
        })
      ),
    });
    assert.deepEqual(ours, theirs.buffer);
  }));
});

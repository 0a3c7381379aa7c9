/**
 * Record batch v2, the form in which records travel and lie on the broker's disk: a header of 61 bytes, then the
 * records, compressed or not. Source: https://kafka.apache.org/documentation/#recordbatch (in use since Kafka 0.11,
 * KIP-98; the only one since 4.0, KIP-724).
 *
 * @module
 */

/**
 * Where each field of the header starts. Integers are big-endian, the checksum covers everything from `attributes` to
 * the end.
 */
export const Field = {
  baseOffset: 0, // int64
  batchLength: 8, // int32, counted from the end of this field
  partitionLeaderEpoch: 12, // int32
  magic: 16, // int8
  crc: 17, // uint32
  attributes: 21, // int16
  lastOffsetDelta: 23, // int32
  baseTimestamp: 27, // int64
  maxTimestamp: 35, // int64
  producerId: 43, // int64
  producerEpoch: 51, // int16
  baseSequence: 53, // int32
  recordCount: 57, // int32
} as const;

/** Size of the header; the records begin here. */
export const HEADER_BYTES = 61;

/** Bytes before those that `batchLength` counts. */
export const LENGTH_PREFIX_BYTES = 12;

export const MAGIC = 2;

/** Bits of `attributes`. The lowest three are the codec: an index into `CODECS`. */
export const Attribute = { codec: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20 } as const;

export const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/** How the records of a batch are compressed. */
export type Codec = typeof CODECS[number];

/**
 * The records of a batch as its producer encoded them, whichever of Kafka's codecs it was sent with.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import { HEADER_BYTES } from "./batch_layout.ts";
import { decodeLz4, decodeSnappy } from "./lz.ts";
import type { BatchHeader } from "./record_reader.ts";

const inflate = promisify(gunzip);
const unzstd = promisify(zstdDecompress);

/** Each takes the compressed bytes and the most that may come out. */
const DECODERS: Record<string, (bytes: Buffer, limit: number) => Buffer | Promise<Buffer>> = {
  gzip: (bytes, maxOutputLength) => inflate(bytes, { maxOutputLength }),
  snappy: decodeSnappy,
  lz4: decodeLz4,
  zstd: (bytes, maxOutputLength) => unzstd(bytes, { maxOutputLength }),
};

/** What `recordBytes` may do. */
export interface RecordBytesOptions {
  /**
   * The most that the records may take when uncompressed. Default: 256 MiB, far beyond what producers put into a batch.
   */
  maxBytes?: number;
}

/**
 * The bytes of the batch's records, uncompressed: what `readRecords` walks. A promise only where there is something to
 * decompress.
 *
 * @throws {Error} if the codec is not known, the compressed bytes are damaged, or there is more in them than allowed:
 * some kilobytes of compressed zeros must not fill the memory.
 */
export function recordBytes(
  bytes: Buffer,
  header: BatchHeader,
  options?: RecordBytesOptions,
): Buffer | Promise<Buffer> {
  const records = bytes.subarray(header.start + HEADER_BYTES, header.end);
  return header.compression === "none" ? records : decompress(records, header, options);
}

async function decompress(
  records: Buffer,
  { compression, baseOffset }: BatchHeader,
  { maxBytes = 256 * 1024 * 1024 }: RecordBytesOptions = {},
): Promise<Buffer> {
  const decode = DECODERS[compression];
  const where = `the batch at offset ${baseOffset}`;
  if (!decode) {
    const known = Object.keys(DECODERS).join(", ");
    throw new Error(`Cannot decompress ${where}: its codec is ${compression}, expected one of ${known}`);
  }
  try {
    return await decode(records, maxBytes);
  } catch (cause) {
    throw new Error(`Cannot decompress ${where} with ${compression}: ${(cause as Error).message}`, { cause });
  }
}

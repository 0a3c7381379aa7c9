/**
 * CRC32C (Castagnoli), the checksum of Kafka's record batches. Every byte that is produced or consumed passes through
 * here once, hence the effort.
 *
 * The usual table method looks up four bytes at a time, but each step has to wait for the one before. So four
 * checksums run side by side, each over every fourth word, and are put together at the end; the processor then works on
 * all four at once. This is what zlib does under the name "braided" (Kadatch and Jenkins, "Everything we know about
 * CRC but afraid to forget"). It works because a CRC is linear: the checksum of the whole is the exclusive or of what
 * each word contributes, moved on by the bytes that follow it.
 *
 * @module
 */

/** The polynomial 0x1EDC6F41 with its bits reversed, as this CRC shifts to the right. */
const POLYNOMIAL = 0x82f63b78;
const STREAMS = 4;
const BLOCK_BYTES = STREAMS * 4;

/** `tables[z][b]`: what byte `b` contributes when `z` more bytes follow it. */
const tables = makeTables(BLOCK_BYTES);
const [next0, next1, next2, next3] = tables;
/** What the four bytes of a word contribute when the rest of their block follows, each in 256 places; first byte first. */
const block = Int32Array.from(tables.slice(-4).reverse().flatMap((table) => [...table]));

function makeTables(count: number): Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc;
  }
  const made = [first];
  while (made.length < count) made.push(made[made.length - 1].map((crc) => (crc >>> 8) ^ first[crc & 255]));
  return made;
}

/**
 * The CRC32C of `bytes` from `start` (default: the beginning) up to but without `end` (default: the length), as an
 * unsigned 32-bit number. Words are read in the byte order of the machine: little-endian on everything that Deno runs
 * on.
 */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const misaligned = -(bytes.byteOffset + start) & 3; // words can only be read at multiples of four
  const from = Math.min(start + misaligned, end);
  const blocks = Math.floor((end - from) / BLOCK_BYTES);
  let crc = crcOfBytes(-1, bytes, start, from);
  if (blocks > 0) crc = crcOfWords(crc, new Int32Array(bytes.buffer, bytes.byteOffset + from, blocks * STREAMS));
  return ~crcOfBytes(crc, bytes, from + blocks * BLOCK_BYTES, end) >>> 0;
}

function crcOfBytes(crc: number, bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ next0[(crc ^ bytes[i]) & 255];
  return crc;
}

function crcOfWords(crc: number, words: Int32Array): number {
  let a = crc, b = 0, c = 0, d = 0;
  const last = words.length - STREAMS;
  for (let i = 0; i < last; i += STREAMS) {
    const w = a ^ words[i], x = b ^ words[i + 1], y = c ^ words[i + 2], z = d ^ words[i + 3];
    a = block[w & 255] ^ block[256 + (w >>> 8 & 255)] ^ block[512 + (w >>> 16 & 255)] ^ block[768 + (w >>> 24)];
    b = block[x & 255] ^ block[256 + (x >>> 8 & 255)] ^ block[512 + (x >>> 16 & 255)] ^ block[768 + (x >>> 24)];
    c = block[y & 255] ^ block[256 + (y >>> 8 & 255)] ^ block[512 + (y >>> 16 & 255)] ^ block[768 + (y >>> 24)];
    d = block[z & 255] ^ block[256 + (z >>> 8 & 255)] ^ block[512 + (z >>> 16 & 255)] ^ block[768 + (z >>> 24)];
  }
  // The last block in order, word by word: each stream joins where its next word is due.
  a = advanceOneWord(a ^ words[last]);
  a = advanceOneWord(a ^ b ^ words[last + 1]);
  a = advanceOneWord(a ^ c ^ words[last + 2]);
  return advanceOneWord(a ^ d ^ words[last + 3]);
}

function advanceOneWord(crc: number): number {
  return next3[crc & 255] ^ next2[crc >>> 8 & 255] ^ next1[crc >>> 16 & 255] ^ next0[crc >>> 24];
}

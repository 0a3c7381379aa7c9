/**
 * Which partition a key belongs to: the same as for Kafka's Java producer and the clients that follow it, so that a
 * key's records stay together and in order whoever sends them. Records without a key have no place of their own: the
 * accumulator chooses for them.
 *
 * @module
 */

const encoder = new TextEncoder();
/** Room for a key's UTF-8, three bytes a character at most. Used from call to call, as keys are many and small. */
const scratch = new Uint8Array(3 * 256);

/**
 * The partition, from 0 to `partitionCount` - 1, of the records with this key. Strings count as their UTF-8.
 * Source: `BuiltInPartitioner.partitionForKey` in Apache Kafka's `org.apache.kafka.clients.producer.internals`.
 */
export function partitionForKey(key: string | Uint8Array, partitionCount: number): number {
  const hash = typeof key === "string" ? hashText(key) : murmur2(key);
  return (hash & 0x7fffffff) % partitionCount; // the sign is cut off, not inverted: Java's `Utils.toPositive`
}

function hashText(key: string): number {
  return key.length * 3 > scratch.length ? murmur2(encoder.encode(key)) : murmur2(scratch, encodeToScratch(key));
}

/**
 * Returns the number of bytes. A loop over the characters is faster for short ASCII keys, which most are, than a call
 * into the runtime.
 */
function encodeToScratch(key: string): number {
  if (key.length > 48) return encoder.encodeInto(key, scratch).written;
  for (let i = 0; i < key.length; i++) {
    const character = key.charCodeAt(i);
    if (character > 0x7f) return encoder.encodeInto(key, scratch).written;
    scratch[i] = character;
  }
  return key.length;
}

/**
 * MurmurHash2 of the first `length` bytes (default: all), with the seed of Kafka's Java clients, as a signed 32-bit
 * number.
 * Source: `org.apache.kafka.common.utils.Utils.murmur2`.
 */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  const multiplier = 0x5bd1e995;
  const wordsEnd = length & ~3;
  let hash = 0x9747b28c ^ length;
  for (let i = 0; i < wordsEnd; i += 4) {
    let word = bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
    word = Math.imul(word, multiplier);
    word = Math.imul(word ^ word >>> 24, multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  if (wordsEnd < length) {
    for (let i = length - 1; i >= wordsEnd; i--) hash ^= bytes[i] << 8 * (i - wordsEnd);
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ hash >>> 13, multiplier);
  return hash ^ hash >>> 15;
}

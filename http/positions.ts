/**
 * Where records are in Kafka, kept small: while a stream is uploaded, results may have to wait by the million. Offsets
 * of a partition follow one another, so that the distance to the one before takes a byte, and the partition another.
 *
 * @module
 */

/** Partitions and offsets (up to 2^52) in order, about two bytes for each. */
export class Positions {
  #bytes = new Uint8Array(256);
  #length = 0;
  readonly #last: number[] = [];

  push(partition: number, offset: number): void {
    if (this.#length + 20 > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    const distance = offset - (this.#last[partition] ?? 0);
    this.#last[partition] = offset;
    this.#write(partition);
    // Zigzag: the sign in the lowest bit. Arithmetic instead of shifts, as offsets have more than 32 bits.
    this.#write(distance < 0 ? -distance * 2 - 1 : distance * 2);
  }

  *[Symbol.iterator](): Generator<[partition: number, offset: number], void, undefined> {
    const last: number[] = [];
    let at = 0;
    const read = () => {
      let value = 0;
      for (let scale = 1;; scale *= 128) {
        const byte = this.#bytes[at++];
        value += (byte & 127) * scale;
        if (byte < 128) return value;
      }
    };
    while (at < this.#length) {
      const partition = read();
      const zigzag = read();
      const distance = zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2;
      last[partition] = (last[partition] ?? 0) + distance;
      yield [partition, last[partition]];
    }
  }

  /** Seven bits a byte, the lowest first; the eighth says that another follows. */
  #write(value: number): void {
    for (; value >= 128; value = Math.floor(value / 128)) this.#bytes[this.#length++] = value % 128 + 128;
    this.#bytes[this.#length++] = value;
  }
}

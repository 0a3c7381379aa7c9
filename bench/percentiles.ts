/**
 * Percentiles of times.
 *
 * @module
 */

/** Times, in any unit, of which percentiles are wanted. */
export class Times {
  readonly #values: number[] = [];
  #sorted = true;

  get count(): number {
    return this.#values.length;
  }

  add(value: number): void {
    this.#values.push(value);
    this.#sorted = false;
  }

  /** The smallest of them that at least this share of all do not exceed: 0.99 for p99. NaN when there are none. */
  at(share: number): number {
    if (!this.#sorted) this.#values.sort((a, b) => a - b);
    this.#sorted = true;
    if (this.count === 0) return NaN;
    // Products such as 0.07 * 100 come out a little above what they are.
    return this.#values[Math.max(1, Math.ceil(share * this.count - 1e-9)) - 1];
  }
}

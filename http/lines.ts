/**
 * Cuts a stream of bytes into lines, within bounded memory.
 *
 * @module
 */
import { concat } from "./body.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** A line without its end, which was too long to keep if it is `undefined`. */
export interface Line {
  /** From 1 on. */
  number: number;
  bytes: Uint8Array | undefined;
}

/** Takes pieces, gives lines. */
export class LineSplitter {
  readonly #maxBytes: number;
  #number = 0;
  /** The beginning of a line whose end has not come yet. */
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in this piece; empty ones are counted and left out. */
  *split(piece: Uint8Array): Generator<Line, void, undefined> {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      const line = this.#end(piece.subarray(start, end));
      if (line) yield line;
      start = end + 1;
    }
    this.#keep(piece.subarray(start));
  }

  /** What came after the last line end. */
  rest(): Line | undefined {
    return this.#end(new Uint8Array());
  }

  #keep(piece: Uint8Array): void {
    this.#size += piece.length;
    // Beyond the limit only the length is of interest.
    if (this.#size > this.#maxBytes) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }

  #end(last: Uint8Array): Line | undefined {
    if (this.#size > 0) this.#keep(last);
    const size = Math.max(this.#size, last.length);
    let bytes = this.#size > 0 ? concat(this.#pieces, size) : last;
    const tooLong = size > this.#maxBytes;
    this.#pieces = [];
    this.#size = 0;
    this.#number++;
    if (tooLong) return { number: this.#number, bytes: undefined };
    if (bytes.at(-1) === RETURN) bytes = bytes.subarray(0, -1);
    return bytes.length === 0 ? undefined : { number: this.#number, bytes };
  }
}

/**
 * Cuts a stream of bytes into lines, within bounded memory.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { concat } from "./body.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const NOTHING = new Uint8Array();

/** A line without its end. */
export interface Line {
  /** From 1 on. */
  number: number;
  /** Nothing, where it was too long to keep. */
  bytes: Uint8Array;
  fault: "too long" | "not UTF-8" | undefined;
}

/** Takes pieces, gives lines; empty ones are counted and left out. */
export class LineSplitter {
  readonly #maxBytes: number;
  #number = 0;
  #piece: Uint8Array = NOTHING;
  /** How much of the piece has been looked through. */
  #position = 0;
  /** Whether all of the lines that begin and end in the piece are UTF-8. */
  #areUtf8 = true;
  /** The beginning of a line whose end has not come yet. */
  #begun: Uint8Array[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes a piece, when {@linkcode next} has given all that the last one brought. */
  push(piece: Uint8Array): void {
    this.#piece = piece;
    this.#position = 0;
    // Looking at all lines at once costs much less than at one after the other.
    const start = this.#size === 0 ? 0 : piece.indexOf(NEWLINE) + 1;
    this.#areUtf8 = isUtf8(piece.subarray(start, piece.lastIndexOf(NEWLINE) + 1));
  }

  /** The next line that ends in the piece. */
  next(): Line | undefined {
    for (;;) {
      const start = this.#position;
      const end = this.#piece.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#position = end + 1;
      const line = this.#end(this.#piece.subarray(start, end));
      if (line) return line;
    }
    this.#keep(this.#piece.subarray(this.#position));
    this.#piece = NOTHING;
    this.#position = 0;
    return undefined;
  }

  /** What came after the last line end. */
  rest(): Line | undefined {
    return this.#end(NOTHING);
  }

  #keep(piece: Uint8Array): void {
    this.#size += piece.length;
    // Beyond the limit only the length is of interest.
    if (this.#size > this.#maxBytes) this.#begun = [];
    else if (piece.length > 0) this.#begun.push(piece);
  }

  #end(bytes: Uint8Array): Line | undefined {
    const number = ++this.#number;
    let fault: Line["fault"];
    if (this.#size > 0) {
      this.#keep(bytes);
      if (this.#size > this.#maxBytes) fault = "too long";
      else bytes = concat(this.#begun, this.#size);
      this.#begun = [];
      this.#size = 0;
      if (!isUtf8(bytes)) fault ??= "not UTF-8";
    } else if (bytes.length > this.#maxBytes) fault = "too long";
    else if (!this.#areUtf8 && !isUtf8(bytes)) fault = "not UTF-8";
    if (fault === "too long") return { number, bytes: NOTHING, fault };
    if (bytes[bytes.length - 1] === RETURN) bytes = bytes.subarray(0, -1);
    return bytes.length === 0 ? undefined : { number, bytes, fault };
  }
}

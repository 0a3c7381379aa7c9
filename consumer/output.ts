/**
 * Standard output, written as fast as its reader takes it.
 *
 * @module
 */
import { fstatSync } from "node:fs";
import type { Output } from "../handlers/print.ts";

/** Its file descriptor. */
const STDOUT = 1;
/** What a pipe holds. When its reader closes during a write, Deno does not tell how much of that was taken. */
const PIPE_BYTES = 64 << 10;

/** stdout. What waits there is the reader's to slow down: nothing is buffered here. */
export const stdout: Output = {
  get isTerminal() {
    return Deno.stdout.isTerminal();
  },
  get isPipe() {
    const kind = fstatSync(STDOUT);
    return kind.isFIFO() || kind.isSocket();
  },
  async write(bytes) {
    const piece = this.isPipe ? PIPE_BYTES : bytes.length;
    let written = 0;
    try {
      while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written, written + piece));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
    return written;
  },
};

/**
 * Standard output, written as fast as its reader takes it.
 *
 * @module
 */
import type { Output } from "../handlers/print.ts";

/** stdout. What waits there is the reader's to slow down: nothing is buffered here. */
export const stdout: Output = {
  get isTerminal() {
    return Deno.stdout.isTerminal();
  },
  async write(bytes) {
    let written = 0;
    try {
      while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
    return written;
  },
};

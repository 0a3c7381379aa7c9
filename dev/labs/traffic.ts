/**
 * A steady flow of records, and what becomes of them.
 *
 * @module
 */
import type { LabRecord, LabServer } from "./lab_server.ts";

/** Sends a record every so often, whatever became of those before. Disposing of it ends that. */
export class Traffic implements Disposable {
  /** Records by what is known of them, and the longest that an answer took, in ms. */
  readonly counts = {
    waiting: 0,
    acknowledged: 0,
    refused: 0,
    unknown: 0,
    slowestMs: 0,
    refusal: null as string | null,
  };
  readonly #send: (record: LabRecord) => ReturnType<LabServer["send"]>;
  readonly #timer: ReturnType<typeof setInterval>;
  #number = 0;

  /** @param record Makes a record of its number, which counts from 1. */
  constructor(
    server: LabServer,
    topic: string,
    { everyMs, record }: { everyMs: number; record: (n: number) => LabRecord },
  ) {
    this.#send = (record) => server.send(topic, [record]);
    this.#timer = setInterval(() => void this.#sendOne(record(++this.#number)), everyMs);
  }

  async #sendOne(record: LabRecord): Promise<void> {
    const { counts } = this;
    const began = performance.now();
    counts.waiting++;
    try {
      const { status, message } = await this.#send(record);
      if (status === 200) {
        counts.acknowledged++;
        counts.slowestMs = Math.max(counts.slowestMs, Math.round(performance.now() - began));
      } else if (status === 503) {
        counts.refused++;
        counts.refusal = message ?? null;
      } else counts.unknown++;
    } catch {
      counts.unknown++; // the server ended before it had answered
    } finally {
      counts.waiting--;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * Commits what was handled: at once after a pause, else in intervals, one request for all partitions.
 *
 * @module
 */
import type { Position } from "../kafka/group_requests.ts";
import type { Worker } from "./worker.ts";

/** How long handled records may stay uncommitted, in ms: what a crash repeats. */
const INTERVAL_MS = 200;

/** Commits the positions of some workers. */
export class Commits {
  readonly #workers: () => Iterable<Worker>;
  readonly #commit: (positions: Position[]) => Promise<boolean>;
  readonly #onError: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();
  #nextAt = 0;
  #stopped = false;

  /** @param options.commit Resolves to whether it was done; not when the partitions are ours no longer. */
  constructor(options: {
    workers: () => Iterable<Worker>;
    commit: (positions: Position[]) => Promise<boolean>;
    onError: (error: unknown) => void;
  }) {
    this.#workers = options.workers;
    this.#commit = options.commit;
    this.#onError = options.onError;
  }

  /** Something was handled. */
  touch(): void {
    if (this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.flush().catch(this.#onError);
    }, Math.max(0, this.#nextAt - Date.now()));
  }

  /** Commits everything that was handled up to now. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#running = this.#running.catch(() => {}).then(() => this.#flush());
    return this.#running;
  }

  /** Ends the intervals. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    this.#nextAt = Date.now() + INTERVAL_MS;
    const due = [...this.#workers()].filter((worker) => worker.handled !== worker.committed)
      .map((worker) => ({ worker, offset: worker.handled }));
    if (due.length === 0) return;
    const positions = due.map(({ worker: { feed }, offset }) => ({
      topic: feed.topic,
      partition: feed.partition,
      offset,
    }));
    if (!await this.#commit(positions)) return;
    for (const { worker, offset } of due) worker.committed = offset;
  }
}

/**
 * Producer ids. All partitions start with the same one; a partition whose batch was given up takes one of its own.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { rootCause } from "../errors.ts";
import type { PartitionQueue } from "./accumulator.ts";
import { backoff } from "./backoff.ts";
import type { Cluster } from "./cluster.ts";

type ProducerId = Awaited<ReturnType<Cluster["initProducerId"]>>;

/** Hands out producer ids. */
export class Identities {
  readonly #cluster: Cluster;
  readonly #log: Logger;
  readonly #asking = new Set<PartitionQueue>();
  #shared?: Promise<ProducerId | undefined>;
  #problem?: string;
  #stopped = false;

  constructor(cluster: Cluster, log: Logger) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /** Gets a queue that has no identity one, however long that takes, and calls back then. */
  provide(queue: PartitionQueue, onReady: () => void): void {
    if (this.#asking.has(queue)) return;
    this.#asking.add(queue);
    const asked = queue.hadIdentity ? this.#ask() : (this.#shared ??= this.#ask());
    void asked.then((id) => {
      this.#asking.delete(queue);
      if (!id) return;
      queue.hadIdentity = true;
      queue.identity = { ...id, nextSequence: 0 };
      onReady();
    });
  }

  /** Why there is none yet, in a few words; undefined when the last one that was asked for came. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Asks no more. */
  stop(): void {
    this.#stopped = true;
  }

  async #ask(): Promise<ProducerId | undefined> {
    for (let failures = 1; !this.#stopped; failures++) {
      try {
        const id = await this.#cluster.initProducerId();
        this.#problem = undefined;
        return id;
      } catch (error) {
        this.#problem = `Kafka gives no producer id (${rootCause(error)})`;
        this.#log.debug(this.#problem);
        await new Promise((resolve) => setTimeout(resolve, backoff(failures)));
      }
    }
  }
}

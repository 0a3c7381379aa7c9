/**
 * Questions to brokers, beside the loops that produce and fetch.
 *
 * @module
 */
import type { BrokerRequest, Cluster } from "./cluster.ts";

/** Questions to one broker or to any, that are answered or rejected. */
export class Asker {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Ids of all brokers. */
  async nodes(): Promise<number[]> {
    await this.#cluster.fetchMetadata([]);
    return this.#cluster.nodes();
  }

  /** Asks one broker. */
  async ask<T>(nodeId: number, request: BrokerRequest<T>): Promise<T> {
    // The broker may be one that came after we last looked.
    if (!this.#cluster.nodes().includes(nodeId)) await this.#cluster.fetchMetadata([]);
    return (await this.#cluster.send(nodeId, request))!;
  }

  /** Asks whichever broker answers. */
  async askAny<T>(request: BrokerRequest<T>): Promise<T> {
    return await this.ask(await this.#cluster.anyNode(), request);
  }
}

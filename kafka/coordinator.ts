/**
 * The broker that looks after a group: found, and found again when it moves.
 *
 * @module
 */
import { rootCause } from "../errors.ts";
import type { Logger } from "@std/log";
import { backoff } from "./backoff.ts";
import { BrokerError, check, Code, errorFor, isFatal } from "./broker_error.ts";
import type { BrokerRequest, Cluster } from "./cluster.ts";
import {
  findCoordinator,
  type MemberIdentity,
  offsetCommit,
  offsetFetch,
  type Position,
  type TopicPartition,
} from "./group_requests.ts";
import { sleep } from "./wait.ts";

/** Answers that say: ask another broker, or the same one a little later. */
export const COORDINATOR_MOVED: readonly number[] = [
  Code.coordinatorLoading,
  Code.coordinatorNotAvailable,
  Code.notCoordinator,
];

/** Answers to a member that the group goes on without. */
export const NOT_A_MEMBER: readonly number[] = [Code.illegalGeneration, Code.unknownMember];

/** How long a coordinator may be on the move, in ms, before we give up and begin anew. */
const MOVE_MS = 5_000;

/**
 * Asks again while the coordinator is on the move, for 5 s at most. In a Kafka that no group has used yet it is so at
 * first: whoever asks for it has the topic of the groups' positions made.
 */
export async function onceCoordinated<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + MOVE_MS;
  for (let failures = 1;; failures++) {
    try {
      return await ask();
    } catch (error) {
      const moved = error instanceof BrokerError && COORDINATOR_MOVED.includes(error.code);
      if (!moved || Date.now() > deadline) throw error;
    }
    await sleep(backoff(failures));
  }
}

/** Talks to one group's coordinator. */
export class Coordinator {
  readonly #cluster: Cluster;
  readonly #groupId: string;
  readonly #log: Logger;
  #nodeId: number | undefined;

  constructor(cluster: Cluster, groupId: string, log: Logger) {
    this.#cluster = cluster;
    this.#groupId = groupId;
    this.#log = log;
  }

  /** Sends a request. After anything that goes wrong, the next one looks for the coordinator again. */
  async ask<T>(request: BrokerRequest<T>): Promise<T> {
    try {
      this.#nodeId ??= await this.#find();
      return (await this.#cluster.send(this.#nodeId, request))!;
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** It has moved: look for it before the next request. */
  forget(): void {
    this.#nodeId = undefined;
  }

  /** The group's committed positions; -1 where it has none. */
  async committed(partitions: readonly TopicPartition[]): Promise<Position[]> {
    const deadline = Date.now() + MOVE_MS;
    for (let failures = 1;; failures++) {
      const { code, positions } = await this.ask(offsetFetch(this.#groupId, partitions));
      if (COORDINATOR_MOVED.includes(code) && Date.now() < deadline) {
        this.forget();
        await sleep(backoff(failures));
        continue;
      }
      check(`read the positions of group "${this.#groupId}"`, code);
      for (const { topic, code } of positions) check(`read the position of group "${this.#groupId}" in ${topic}`, code);
      return positions;
    }
  }

  /**
   * Commits, and tries again while it may still work.
   *
   * @param isCurrent Whether the partitions are still the member's: nothing is sent when they are not.
   * @param patienceMs How long to go on.
   * @returns whether it was done; not when the partitions are another's by now
   */
  async commit(
    positions: readonly Position[],
    { identity, isCurrent, patienceMs }: { identity: MemberIdentity; isCurrent: () => boolean; patienceMs: number },
  ): Promise<boolean> {
    const deadline = Date.now() + patienceMs;
    for (let failures = 1; isCurrent(); failures++) {
      try {
        const refused = await this.ask(offsetCommit(identity, positions));
        if (refused.length === 0) return true;
        const { topic, code } = refused[0];
        if (NOT_A_MEMBER.includes(code) || code === Code.rebalanceInProgress) return false;
        const error = errorFor(`commit a position in ${topic} for group "${this.#groupId}"`, code);
        if (!COORDINATOR_MOVED.includes(code)) throw error;
        this.forget();
        this.#log.debug("commit failed", { cause: error.message });
      } catch (error) {
        if (isFatal(error) || Date.now() > deadline) throw error;
        this.#log.debug("commit failed", { cause: rootCause(error) });
      }
      await sleep(backoff(failures));
    }
    return false;
  }

  async #find(): Promise<number> {
    await this.#cluster.fetchMetadata([]); // the coordinator may be a broker that we have not heard of
    const { code, nodeId } = (await this.#cluster.send(await this.#cluster.anyNode(), findCoordinator(this.#groupId)))!;
    check(`find the coordinator of group "${this.#groupId}"`, code);
    return nodeId;
  }
}

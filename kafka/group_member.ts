/**
 * Membership in a consumer group: join, share, stay, and give back in time what others are to have.
 *
 * kafkajs's own consumer is not used: it waits for all partitions of a fetch before it asks for more, so that one
 * slow partition holds up the others; it has no static members and cannot read without a group; and it crashes,
 * falls silent or commits what nobody handled in more ways than could be mended from outside.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { rootCause } from "../errors.ts";
import {
  assignRange,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  RANGE,
} from "./assignment.ts";
import { backoff } from "./backoff.ts";
import { check, Code, errorFor, isFatal } from "./broker_error.ts";
import type { Cluster } from "./cluster.ts";
import { Coordinator, COORDINATOR_MOVED, NOT_A_MEMBER } from "./coordinator.ts";
import {
  heartbeat,
  type JoinAnswer,
  joinGroup,
  leaveGroup,
  type MemberIdentity,
  type Position,
  syncGroup,
  type TopicPartition,
} from "./group_requests.ts";
import type { Metadata } from "./metadata.ts";
import { nextTurn, sleep, unlessAborted } from "./wait.ts";

/** Settings of a membership. */
export interface GroupOptions {
  groupId: string;
  topics: readonly string[];
  /** Makes a static member (KIP-345): it keeps its partitions over a restart that is shorter than the session timeout. */
  instanceId: string | null;
  /** A member that is silent for so long is out, in ms. */
  sessionTimeoutMs: number;
  /** How long members may take to finish their work when the group rebalances, in ms. */
  rebalanceTimeoutMs: number;
  heartbeatMs: number;
}

/** Who wants to know about partitions that come and go. */
export interface GroupListener {
  /** The group is being asked for partitions. */
  joining(): void;
  /** These are ours, in this generation of the group. */
  assigned(partitions: TopicPartition[], generation: number): Promise<void>;
  /**
   * They are to be given back: finish what is under way, commit unless they are lost, resolve.
   *
   * @param hurry Aborts when the time is up: resolve as soon as possible.
   */
  revoked(ending: Ending, hurry: AbortSignal): Promise<void>;
}

/** Why a member stops working on its partitions; `lost` are those that others have already. */
export type Ending = "stop" | "rebalance" | "lost";

/** A member of a group. */
export class GroupMember {
  readonly #cluster: Cluster;
  readonly #metadata: Metadata;
  readonly #options: GroupOptions;
  readonly #log: Logger;
  readonly #coordinator: Coordinator;
  #identity: MemberIdentity;
  #partitionCounts = new Map<string, number>();
  #leads = false;
  #lastAnswer = 0;
  #attention = new AbortController();

  /**
   * @param parts.cluster For this member alone: the answer to a join may take minutes, and whatever else is asked on
   * the same connection waits behind it.
   * @param memberId Of an earlier client of this process, so that the group need not wait for it to time out.
   */
  constructor(
    parts: { cluster: Cluster; metadata: Metadata; log: Logger },
    options: GroupOptions,
    memberId = "",
  ) {
    this.#cluster = parts.cluster;
    this.#metadata = parts.metadata;
    this.#log = parts.log;
    this.#options = options;
    this.#coordinator = new Coordinator(parts.cluster, options.groupId, parts.log);
    this.#identity = { groupId: options.groupId, generation: -1, memberId, instanceId: options.instanceId };
  }

  get memberId(): string {
    return this.#identity.memberId;
  }

  /**
   * Is a member until told to stop, then gives everything back and leaves.
   *
   * @param when.abandon Ends it at once, without leaving: this client is useless, the next one takes over.
   * @param when.drainMs How long the listener may take to give back.
   * @throws {Error} when the coordinator cannot be reached for longer than the session lasts, or refuses us for good
   */
  async run(
    listener: GroupListener,
    { stop, abandon, drainMs }: { stop: AbortSignal; abandon: AbortSignal; drainMs: number },
  ): Promise<void> {
    const signal = AbortSignal.any([stop, abandon]);
    while (!signal.aborted) {
      listener.joining();
      const partitions = await this.#join(signal);
      if (!partitions) break;
      let ending: Ending = "lost";
      try {
        await listener.assigned(partitions, this.#identity.generation);
        ending = await this.#stay(signal);
      } finally {
        await this.#giveBack(listener, abandon.aborted ? "lost" : ending, drainMs);
      }
    }
    if (!abandon.aborted) await this.#leave();
  }

  /** Partitions may have been added: has the group share them out again if that is so. */
  checkPartitionCounts(): void {
    if (!this.#leads) return;
    for (const [topic, count] of this.#partitionCounts) {
      const now = this.#metadata.known(topic)?.leaders.length ?? count;
      if (now !== count) this.#attend();
    }
  }

  /** The group's committed positions; -1 where it has none. */
  committed(partitions: readonly TopicPartition[]): Promise<Position[]> {
    return this.#coordinator.committed(partitions);
  }

  /**
   * Commits, and tries again while it may still work.
   *
   * @param generation In which the partitions were ours. In another one nothing is sent.
   * @returns whether it was done; not when the partitions are ours no longer
   */
  async commit(positions: readonly Position[], generation: number): Promise<boolean> {
    const isCurrent = () => generation === this.#identity.generation;
    const patienceMs = this.#options.sessionTimeoutMs;
    const done = await this.#coordinator.commit(positions, { identity: this.#identity, isCurrent, patienceMs });
    if (!done && isCurrent()) this.#attend();
    return done;
  }

  async #join(signal: AbortSignal): Promise<TopicPartition[] | undefined> {
    const giveUp = Date.now() + this.#options.rebalanceTimeoutMs + this.#options.sessionTimeoutMs;
    for (let failures = 0; !signal.aborted;) {
      try {
        const joined = this.#tryToJoin();
        const partitions = await unlessAborted(joined, signal);
        if (partitions) return partitions;
      } catch (error) {
        if (isFatal(error) || Date.now() > giveUp) throw error;
        this.#log.debug("joining failed", { cause: rootCause(error) });
        await sleep(backoff(++failures), signal);
      }
    }
    // Else our leaving would wait behind our joining.
    this.#cluster.reset("stopping while joining");
    await nextTurn(); // until the connection has noticed
  }

  /** @returns nothing when it has to be done again at once */
  async #tryToJoin(): Promise<TopicPartition[] | undefined> {
    const { groupId, topics, ...timeouts } = this.#options;
    const subscription = encodeSubscription(topics);
    const answer = await this.#coordinator.ask(
      joinGroup(this.#identity, { protocol: RANGE, subscription, ...timeouts }),
    );
    if (this.#startsOver(answer.code, answer.memberId)) return;
    check(`join group "${groupId}"`, answer.code);
    const { memberId, generation } = answer;
    this.#identity = { ...this.#identity, memberId, generation: -1 };
    const identity = { ...this.#identity, generation };
    const { code, assignment } = await this.#coordinator.ask(syncGroup(identity, await this.#share(answer)));
    if (this.#startsOver(code, memberId)) return;
    check(`get partitions from group "${groupId}"`, code);
    this.#identity = identity;
    this.#lastAnswer = Date.now();
    this.#attention = new AbortController();
    return decodeAssignment(assignment);
  }

  /** Whether an answer means that the group has moved on, or we have to begin anew. */
  #startsOver(code: number, memberId: string): boolean {
    if (code === Code.memberIdRequired) this.#identity = { ...this.#identity, memberId };
    else if (NOT_A_MEMBER.includes(code)) this.#identity = { ...this.#identity, memberId: "" };
    else if (COORDINATOR_MOVED.includes(code)) throw errorFor("talk to the group's coordinator", code);
    else return code === Code.rebalanceInProgress;
    return true;
  }

  async #share({ members }: JoinAnswer): Promise<[string, Buffer][]> {
    this.#leads = members.length > 0;
    const subscribers = members.map(({ memberId, subscription }) => ({
      memberId,
      topics: decodeSubscription(subscription),
    }));
    this.#partitionCounts = new Map();
    for (const topic of new Set(subscribers.flatMap(({ topics }) => topics))) {
      // A topic that does not exist (any more) must not keep the others from their partitions.
      const found = await this.#metadata.lookUp(topic).catch(() => undefined);
      this.#partitionCounts.set(topic, found?.leaders.length ?? 0);
    }
    const shares = assignRange(subscribers, this.#partitionCounts);
    return [...shares].map(([memberId, partitions]) => [memberId, encodeAssignment(partitions)]);
  }

  /** Has the next heartbeat sent at once, or the group joined again. */
  #attend(): void {
    this.#attention.abort();
  }

  /** Keeps the membership alive until something ends it. */
  async #stay(signal: AbortSignal): Promise<Ending> {
    for (;;) {
      await sleep(this.#options.heartbeatMs, AbortSignal.any([signal, this.#attention.signal]));
      if (signal.aborted) return "stop";
      const ending = await unlessAborted(this.#beat(), signal);
      if (ending) return ending;
      if (this.#attention.signal.aborted) return "rebalance";
    }
  }

  async #beat(): Promise<Ending | undefined> {
    try {
      const code = await this.#coordinator.ask(heartbeat(this.#identity));
      if (code === Code.rebalanceInProgress || code === Code.none) this.#lastAnswer = Date.now();
      if (code === Code.rebalanceInProgress) return "rebalance";
      if (NOT_A_MEMBER.includes(code)) return "lost";
      if (COORDINATOR_MOVED.includes(code)) this.#coordinator.forget();
      else check(`stay in group "${this.#options.groupId}"`, code);
    } catch (error) {
      if (isFatal(error)) throw error;
      this.#log.debug("heartbeat failed", { cause: rootCause(error) });
    }
    if (Date.now() - this.#lastAnswer > this.#options.sessionTimeoutMs) return "lost";
  }

  /** Lets the listener finish, within bounds, while heartbeats keep the partitions ours. */
  async #giveBack(listener: GroupListener, ending: Ending, drainMs: number): Promise<void> {
    const hurry = new AbortController();
    // The group waits since before we heard of it; what is not finished in time will be handled by others again.
    const { rebalanceTimeoutMs, heartbeatMs } = this.#options;
    const limit = ending === "stop" ? drainMs : Math.max(rebalanceTimeoutMs / 2, rebalanceTimeoutMs - 2 * heartbeatMs);
    const timer = setTimeout(() => hurry.abort(), limit);
    if (ending === "lost") hurry.abort();
    const done = new AbortController();
    const revoked = listener.revoked(ending, hurry.signal).finally(() => done.abort());
    try {
      while (!done.signal.aborted && !hurry.signal.aborted) {
        await sleep(heartbeatMs, done.signal);
        if (done.signal.aborted) break;
        const heard = await unlessAborted(this.#beat().catch((): Ending => "lost"), done.signal);
        if (heard === "lost") hurry.abort();
      }
      await revoked;
    } finally {
      clearTimeout(timer);
      this.#identity = { ...this.#identity, generation: -1 };
    }
  }

  /** So that others need not wait until we time out. A static member stays: it will be back. */
  async #leave(): Promise<void> {
    if (!this.#identity.memberId || this.#identity.instanceId !== null) return;
    try {
      const left = this.#coordinator.ask(leaveGroup(this.#identity));
      await unlessAborted(left, AbortSignal.timeout(LEAVE_MS));
    } catch (error) {
      this.#log.debug("leaving failed", { cause: rootCause(error) });
    }
    this.#identity = { ...this.#identity, memberId: "" };
  }
}

/** How long leaving may take, in ms. */
const LEAVE_MS = 1_000;

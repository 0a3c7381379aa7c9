/**
 * One Kafka client's life as a consumer: gets partitions, reads them, has them worked on, gives them back.
 *
 * @module
 */
import type { Logger } from "@std/log";
import type { Config } from "../config.ts";
import { rootCause } from "../errors.ts";
import { untilDone } from "../kafka/backoff.ts";
import { FatalError, fatalIn } from "../kafka/broker_error.ts";
import { createKafka } from "../kafka/client.ts";
import { Cluster } from "../kafka/cluster.ts";
import { Fetcher } from "../kafka/fetcher.ts";
import { type Ending, type GroupListener, GroupMember } from "../kafka/group_member.ts";
import type { Position, TopicPartition } from "../kafka/group_requests.ts";
import { Metadata } from "../kafka/metadata.ts";
import { ensureTopic } from "../kafka/topics.ts";
import { sleep, unlessAborted } from "../kafka/wait.ts";
import { loggerFor } from "../log.ts";
import { Commits } from "./commits.ts";
import { resolve } from "./positions.ts";
import { keyOf } from "./run.ts";
import { Worker, type WorkerTools } from "./worker.ts";

/** A member's heartbeat, in ms. */
const HEARTBEAT_MS = 3_000;
/** Seconds without an answer to a Fetch, while Kafka answers other things, after which a new client is to try. */
const WATCHDOG_S = 30;
/** How long the last commit of a generation may take, in ms. */
const LAST_COMMIT_MS = 2_000;

/** What outlives a client. */
export interface Shared extends Omit<WorkerTools, "onHandled" | "onProgress"> {
  /** Of the last client, so that its successor takes its place in the group. */
  memberId: string;
  /** Partitions that were begun, and where they were left: a new client does not begin them again. */
  left: Map<string, number>;
  /** Handler calls that nobody waits for any more. Until they end, their partition is not begun again. */
  unfinished: Map<string, Promise<void>>;
}

/** A worker and its end. */
interface Job {
  worker: Worker;
  done: Promise<void>;
  ended: boolean;
}

/** A client's life. */
export class Session implements GroupListener {
  readonly #config: Config<"consume">;
  readonly #shared: Shared;
  readonly #log: Logger;
  readonly #cluster: Cluster;
  readonly #groupCluster: Cluster;
  readonly #metadata: Metadata;
  readonly #fetcher: Fetcher;
  readonly #member: GroupMember | undefined;
  readonly #jobs = new Map<string, Job>();
  readonly #abandon = new AbortController();
  #stopWork = new AbortController();
  #hurry = new AbortController();
  #commits: Commits | undefined;

  constructor(config: Config<"consume">, shared: Shared) {
    this.#config = config;
    this.#shared = shared;
    this.#log = shared.log;
    const log = loggerFor("kafka");
    this.#cluster = new Cluster(createKafka(config));
    this.#groupCluster = new Cluster(createKafka(config), this.#cluster.reachability);
    this.#metadata = new Metadata(this.#cluster, log);
    this.#fetcher = new Fetcher({ cluster: this.#cluster, metadata: this.#metadata, log }, {
      maxPartitionBytes: config.fetchBytes,
      onFatal: (error) => shared.run.end(error),
    });
    const { groupId, topics, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs } = config;
    if (groupId === "none") return;
    const options = { groupId, topics, sessionTimeoutMs, rebalanceTimeoutMs, heartbeatMs: HEARTBEAT_MS };
    const parts = { cluster: this.#groupCluster, metadata: this.#metadata, log };
    this.#member = new GroupMember(parts, { ...options, instanceId: groupInstanceId ?? null }, shared.memberId);
  }

  /** Where each partition is: what was handled, and where it ends. */
  get positions(): { topic: string; partition: number; handled: number; end: number | undefined }[] {
    return [...this.#jobs.values()].map(({ worker: { feed, handled } }) => {
      return { topic: feed.topic, partition: feed.partition, handled, end: feed.end };
    });
  }

  /** Works until the run stops. @throws {Error} when another client has to try, or nothing will help */
  async run(): Promise<void> {
    const { stop } = this.#shared.run;
    const watchdog = setInterval(this.#watchdog(), 1_000);
    this.#metadata.onChange = () => this.#leadersChanged();
    void this.#metadata.start();
    try {
      await unlessAborted(this.#metadata.whenConnected, stop);
      if (stop.aborted) return;
      const until = AbortSignal.any([stop, this.#abandon.signal]);
      for (const topic of this.#config.topics) await this.#prepare(topic, until);
      if (stop.aborted) return;
      this.#abandon.signal.throwIfAborted();
      const when = { stop, abandon: this.#abandon.signal, drainMs: this.#config.shutdownTimeoutMs * 0.8 };
      await (this.#member?.run(this, when) ?? this.#readWithoutGroup(when));
      if (this.#abandon.signal.aborted) throw this.#abandon.signal.reason;
    } finally {
      clearInterval(watchdog);
      this.#shared.memberId = this.#member?.memberId ?? "";
      this.#fetcher.stop();
      // What is under way is a Fetch that waits for records: nobody wants its answer any more.
      this.#cluster.reset("closing");
      await Promise.all([this.#cluster.close(), this.#groupCluster.close()]);
      await this.#metadata.stop();
    }
  }

  joining(): void {
    this.#log.info("waiting for partition assignment (re-joining a group soon after leaving it may take a while)");
  }

  async assigned(partitions: TopicPartition[], generation: number): Promise<void> {
    const names = [...Map.groupBy(partitions, ({ topic }) => topic)]
      .map(([topic, its]) => `${topic}[${its.map(({ partition }) => partition).join(", ")}]`);
    this.#log.info(names.length > 0 ? `assigned ${names.join(" ")}` : "assigned nothing: other members have it all");
    this.#commits = new Commits({
      workers: () => [...this.#jobs.values()].map(({ worker }) => worker),
      commit: (positions) => this.#member!.commit(positions, generation),
      onError: (error) => this.#failed(error),
    });
    const committed = partitions.length > 0 ? await this.#member!.committed(partitions) : [];
    await this.#begin(partitions, committed);
  }

  async revoked(ending: Ending, hurry: AbortSignal): Promise<void> {
    const jobs = [...this.#jobs.values()];
    this.#stopWork.abort();
    const giveUp = () => this.#hurry.abort();
    if (hurry.aborted) giveUp();
    hurry.addEventListener("abort", giveUp);
    await unlessAborted(Promise.all(jobs.map(({ done }) => done)), hurry);
    await sleep(0); // those that were told to hurry may be done by now
    if (ending !== "lost") await this.#commitLast();
    this.#commits?.stop();
    for (const [key, { worker, done, ended }] of this.#jobs) {
      this.#shared.left.set(key, worker.handled);
      this.#fetcher.remove(worker.feed);
      if (ended) continue;
      this.#log.warn(`handling offset ${worker.handled} of ${key} did not end in time; it will be handled again`);
      this.#shared.unfinished.set(key, done);
      void done.then(() => this.#shared.unfinished.delete(key));
    }
    this.#jobs.clear();
    this.#stopWork = new AbortController();
    this.#hurry = new AbortController();
    if (ending === "rebalance") this.#log.info("gave all partitions back: the group is sharing them out again");
    if (ending === "lost") this.#log.warn("lost all partitions: the group went on without us");
  }

  async #commitLast(): Promise<void> {
    try {
      await unlessAborted(this.#commits?.flush() ?? Promise.resolve(), AbortSignal.timeout(LAST_COMMIT_MS));
    } catch (error) {
      this.#log.warn(`what was handled last is not committed and will be handled again: ${rootCause(error)}`);
    }
  }

  /** Finds a topic, or makes it, however long that takes: a new client would fare no better, each attempt has one. */
  async #prepare(topic: string, until: AbortSignal): Promise<void> {
    const { createTopic: create } = this.#config;
    let told = false;
    await untilDone(async () => {
      const made = await ensureTopic(createKafka(this.#config), topic, { create });
      if (made) this.#log.info(`created topic ${topic}`);
      await this.#metadata.lookUp(topic);
    }, {
      signal: until,
      onFailure: (error) => {
        if (error instanceof Deno.errors.NotFound || fatalIn(error)) throw error;
        const tell = !told && this.#metadata.connected; // else it has been told that Kafka does not answer
        this.#log[tell ? "warn" : "debug"](`topic ${topic} cannot be prepared; trying again`, {
          cause: rootCause(error),
        });
        told ||= tell;
      },
    });
  }

  async #readWithoutGroup({ stop, abandon, drainMs }: { stop: AbortSignal; abandon: AbortSignal; drainMs: number }) {
    const signal = AbortSignal.any([stop, abandon]);
    await this.#begin(this.#allPartitions(), []);
    await unlessAborted(new Promise(() => {}), signal);
    await this.revoked("stop", abandon.aborted ? abandon : AbortSignal.timeout(drainMs));
  }

  #allPartitions(): TopicPartition[] {
    const { topics, partitions } = this.#config;
    const all = topics.flatMap((topic) =>
      [...(this.#metadata.known(topic)?.leaders ?? [])].map((_, partition) => ({ topic, partition }))
    );
    if (partitions.length === 0) return all;
    const missing = partitions.find((wanted) => !all.some(({ partition }) => partition === wanted));
    if (missing !== undefined) throw new FatalError(`There is no partition ${missing} in ${topics}`);
    return all.filter(({ partition }) => partitions.includes(partition));
  }

  /** Starts to work on partitions: where the group, the last client or the command line says. */
  async #begin(partitions: readonly TopicPartition[], committed: readonly Position[]): Promise<void> {
    const { run, left } = this.#shared;
    const places = { cluster: this.#cluster, metadata: this.#metadata };
    const known = new Map(committed.filter(({ offset }) => offset >= 0).map((p) => [keyOf(p), p.offset]));
    const { from } = this.#config;
    const start = new Map(this.#member ? known : left);
    const asks = (p: TopicPartition) => !start.has(keyOf(p)) || (from.at !== "committed" && !left.has(keyOf(p)));
    for (const found of await resolve(from, partitions.filter(asks), places)) start.set(keyOf(found), found.offset);
    for (const end of await resolve({ at: "end" }, run.withoutEnd(partitions), places)) run.setEnd(end, end.offset);
    for (const partition of partitions) {
      const key = keyOf(partition);
      const offset = start.get(key)!;
      left.set(key, offset);
      run.reached(partition, offset);
      const worker = this.#start({ ...partition, offset }, known.get(key));
      if (worker.committed !== worker.handled) this.#commits?.touch();
    }
    run.endIfDone(partitions);
  }

  #start(position: Position, committed: number | undefined): Worker {
    const { run, unfinished } = this.#shared;
    const { signal: stop } = this.#stopWork;
    const { signal: hurry } = this.#hurry;
    const key = keyOf(position);
    const onHandled = () => this.#commits?.touch();
    const onProgress = () => {
      onHandled();
      run.reached(worker.feed, worker.handled);
      run.endIfDone([...this.#jobs.values()].map(({ worker }) => worker.feed));
    };
    // A group that had no position gets one when there is something to commit, or when one was asked for.
    const none = this.#config.from.at === "committed" ? position.offset : -1;
    const worker = new Worker(
      this.#fetcher.add(position),
      { ...this.#shared, onHandled, onProgress },
      committed ?? none,
    );
    const work = async () => {
      await unfinished.get(key);
      await worker.work(stop, hurry);
    };
    const job: Job = { worker, ended: false, done: work().catch((error) => this.#failed(error)) };
    void job.done.then(() => job.ended = true);
    this.#jobs.set(key, job);
    return worker;
  }

  #leadersChanged(): void {
    this.#fetcher.pump();
    this.#member?.checkPartitionCounts();
    if (this.#member || this.#jobs.size === 0 || this.#config.partitions.length > 0) return;
    const added = this.#allPartitions().filter((partition) => !this.#jobs.has(keyOf(partition)));
    if (added.length > 0) this.#begin(added, []).catch((error) => this.#failed(error));
  }

  #failed(error: unknown): void {
    const fatal = fatalIn(error);
    if (fatal) this.#shared.run.end(fatal);
    else this.#abandon.abort(error);
  }

  /**
   * Looks every second whether there is still any hope for this client. Counts seconds and not time: a process that
   * was stopped for a while has missed nothing.
   */
  #watchdog(): () => void {
    let silent = 0;
    let lastAnswer = 0;
    return () => {
      const refused = fatalIn(this.#metadata.failure);
      if (refused) return this.#failed(refused);
      const answered = this.#fetcher.lastAnswer !== lastAnswer;
      lastAnswer = this.#fetcher.lastAnswer;
      silent = answered || !this.#fetcher.isHungry || !this.#metadata.connected ? 0 : silent + 1;
      if (silent > WATCHDOG_S) this.#failed(new Error(`no broker answered a fetch for ${WATCHDOG_S} s`));
    };
  }
}

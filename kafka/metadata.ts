/**
 * What is known of the cluster: whether it answers, which topics there are, who leads which partition. One loop
 * keeps it fresh, and brings the connection back, for ever.
 *
 * @module
 */
import { DeliveryError, rootCause } from "../errors.ts";
import type { Cluster, TopicMetadata } from "./cluster.ts";
import type { StateLog } from "./reachability.ts";
import { PRODUCE } from "./produce_request.ts";
import { backoff } from "./backoff.ts";
import { sleep } from "./wait.ts";

/** How often to look when nothing calls for it: partitions may be added, and readiness must notice a silent broker. */
const REFRESH_MS = 5_000;
/** After trouble, how often to look and for how long, in ms: a new leader is to be found soon after its election. */
const TROUBLE_REFRESH_MS = 200;
const TROUBLE_MS = 2_000;
/** At least this time lies between two looks, in ms: a storm of errors must not become a storm of refreshes. */
const PAUSE_MS = 50;
/** A topic that did not exist is looked for again after this time. */
const UNKNOWN_TOPIC_MS = 1_000;
/** A topic that was there is taken for deleted after this time: brokers that come back need one to hear of it. */
const GONE_MS = 3_000;
const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** Keeps a cluster's metadata. */
export class Metadata {
  /** Called after every refresh that changed what a sender could do, and when the connection comes back. */
  onChange: () => void = () => {};
  readonly #cluster: Cluster;
  readonly #log: StateLog;
  readonly #topics = new Map<string, TopicMetadata>();
  readonly #missing = new Map<string, number>();
  /** Topics that were there, and since when brokers say that they are not. */
  readonly #goneSince = new Map<string, number>();
  readonly #looks = new Map<string, Promise<TopicMetadata>>();
  #state: "new" | "up" | "down" = "new";
  #problem: unknown = new Error("no connection yet");
  readonly #stopping = new AbortController();
  #wake = Promise.withResolvers<void>();
  #troubleUntil = 0;
  #loop?: Promise<void>;
  readonly #firstTry = Promise.withResolvers<void>();
  readonly #firstConnection = Promise.withResolvers<void>();

  constructor(cluster: Cluster, log: StateLog) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /** Starts the loop. Resolves after the first attempt to connect, whatever came of it. */
  start(): Promise<void> {
    this.#loop ??= this.#run();
    return this.#firstTry.promise;
  }

  /** Resolves when Kafka has answered for the first time. */
  get whenConnected(): Promise<void> {
    return this.#firstConnection.promise;
  }

  /** Whether Kafka answered the last time it was asked. */
  get connected(): boolean {
    return this.#state === "up";
  }

  /** Why Kafka does not answer, undefined while it does. */
  get failure(): unknown {
    return this.connected ? undefined : this.#problem;
  }

  /** Why Kafka does not answer, in a few words. */
  get problem(): string {
    return rootCause(this.#problem);
  }

  /** Leader of a partition; -1 while nobody leads it, or nothing is known. */
  leaderOf(topic: string, partition: number): number {
    return this.#topics.get(topic)?.leaders[partition] ?? -1;
  }

  /** What is known of a topic that exists; undefined: call {@linkcode lookUp}. */
  known(topic: string): TopicMetadata | undefined {
    const known = this.#topics.get(topic);
    return known?.code === 0 ? known : undefined;
  }

  /** Whether somebody waits for {@linkcode lookUp}, so that whoever comes now should not overtake them. */
  isLooking(topic: string): boolean {
    return this.#looks.has(topic);
  }

  /**
   * Asks Kafka for a topic, at most once a second for one that does not exist.
   *
   * @throws {DeliveryError} when there is no such topic, it may not be seen, or Kafka does not answer
   */
  async lookUp(topic: string): Promise<TopicMetadata> {
    if (Date.now() - (this.#missing.get(topic) ?? 0) < UNKNOWN_TOPIC_MS) throw unknownTopic(topic);
    if (!this.connected) throw new DeliveryError("kafka", `Kafka does not answer: ${this.problem}`);
    let look = this.#looks.get(topic);
    if (!look) {
      look = this.#ask(topic).finally(() => this.#looks.delete(topic));
      this.#looks.set(topic, look);
    }
    return await look;
  }

  async #ask(topic: string): Promise<TopicMetadata> {
    const found = await this.#cluster.fetchMetadata([topic]).catch((cause) => {
      throw new DeliveryError("kafka", `Kafka does not answer: ${rootCause(cause)}`, { cause });
    });
    const metadata = found[0] ?? { topic, code: UNKNOWN_TOPIC_OR_PARTITION, leaders: [] };
    if (metadata.code === 0) {
      this.#topics.set(topic, metadata);
      this.onChange();
      return metadata;
    }
    if (metadata.code === UNKNOWN_TOPIC_OR_PARTITION) {
      this.#missing.set(topic, Date.now());
      throw unknownTopic(topic);
    }
    throw topicError(topic, metadata.code);
  }

  /** Something was wrong: refresh now, or as soon as the last refresh is not too fresh; and keep looking for a while. */
  refreshSoon(topic?: string): void {
    this.#troubleUntil = Date.now() + TROUBLE_MS;
    if (topic !== undefined && !this.#topics.has(topic)) {
      this.#topics.set(topic, { topic, code: UNKNOWN_TOPIC_OR_PARTITION, leaders: [] });
    }
    this.#wake.resolve();
  }

  /** Ends the loop. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.resolve();
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      try {
        await this.#refresh();
        failures = 0;
        this.#enter("up");
        this.#cluster.reachability.report(this.#cluster.addresses(), this.#log);
      } catch (error) {
        failures++;
        this.#problem = error;
        this.#enter("down");
      }
      this.#firstTry.resolve();
      await sleep(failures === 0 ? PAUSE_MS : backoff(failures), this.#stopping.signal);
      if (failures > 0) continue;
      await this.#sleepUntilWoken(Date.now() < this.#troubleUntil ? TROUBLE_REFRESH_MS : REFRESH_MS);
    }
  }

  async #refresh(): Promise<void> {
    await this.#cluster.connect();
    const produce = this.#cluster.maxVersion(PRODUCE.apiKey);
    if (produce >= 0 && produce < PRODUCE.apiVersion) {
      throw new Error(`the broker speaks Produce up to version ${produce}; expected ${PRODUCE.apiVersion}, Kafka 2.4`);
    }
    const before = JSON.stringify([...this.#topics.values()]);
    const topics = await this.#cluster.fetchMetadata([...this.#topics.keys()]);
    for (const topic of topics) if (!this.#mayComeBack(topic)) this.#topics.set(topic.topic, topic);
    this.#missing.clear();
    if (before !== JSON.stringify([...this.#topics.values()])) this.onChange();
  }

  /** A broker that was away may not have heard of a topic yet; what is known of it goes on to hold for a while. */
  #mayComeBack({ topic, code }: TopicMetadata): boolean {
    const gone = code === UNKNOWN_TOPIC_OR_PARTITION && this.#topics.get(topic)?.code === 0;
    if (!gone) this.#goneSince.delete(topic);
    if (!gone) return false;
    const since = this.#goneSince.get(topic) ?? Date.now();
    this.#goneSince.set(topic, since);
    return Date.now() - since < GONE_MS;
  }

  #enter(state: "up" | "down"): void {
    if (state === this.#state || this.#stopping.signal.aborted) return;
    this.#state = state;
    if (state === "down") {
      this.#log.warn("Kafka does not answer; trying again until it does", { cause: this.problem });
    } else {
      this.#cluster.reachability.reset();
      this.#log.info("Kafka answers", { brokers: this.#cluster.nodes().length });
      this.#firstConnection.resolve();
      this.onChange();
    }
  }

  async #sleepUntilWoken(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#wake.resolve(), ms);
    await this.#wake.promise;
    clearTimeout(timer);
    this.#wake = Promise.withResolvers<void>();
  }
}

function unknownTopic(topic: string): DeliveryError {
  return topicError(topic, UNKNOWN_TOPIC_OR_PARTITION);
}

function topicError(topic: string, code: number): DeliveryError {
  if (code === UNKNOWN_TOPIC_OR_PARTITION || code === INVALID_TOPIC) {
    return new DeliveryError("unknown-topic", `Topic "${topic}" does not exist`, { code });
  }
  if (code === TOPIC_AUTHORIZATION_FAILED) {
    return new DeliveryError("not-authorized", `Kafka does not let us see topic "${topic}"`, { code });
  }
  return new DeliveryError("kafka", `Topic "${topic}" cannot be used now: Kafka's error ${code}`, { code });
}

const INVALID_TOPIC = 17;
const TOPIC_AUTHORIZATION_FAILED = 29;

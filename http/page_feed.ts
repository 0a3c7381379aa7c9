/**
 * `GET /page/feed?topic=T`: all that the live page shows, in one stream of server-sent events, as browsers open few
 * connections to a server:
 *
 * - `hello`, once: the samples of the last 15 minutes;
 * - `second`, every second: the state, a sample, topics, the topic's partitions, groups;
 * - `records`, up to four times a second: how many came, and the newest few of each partition.
 *
 * However fast records come, the stream stays small.
 *
 * @module
 */
import { unavailable } from "./errors.ts";
import type { PageParts } from "./page.ts";
import type { PageHistory, Sample } from "./page_history.ts";
import { followLanes } from "./page_lanes.ts";
import { PageLook } from "./page_look.ts";
import { queryParameter } from "./target.ts";
import type { Token } from "./tokens.ts";
import type { Call, Handler } from "./types.ts";

const SECOND_MS = 1_000;
/** While nobody watches, groups are looked at every so many seconds, for the history of their lag. */
const IDLE_LOOK = 10;
/** How long a second's news wait for Kafka's answers, in ms. */
const PATIENCE_MS = 700;
/** Pages at a time. */
const MAX_VIEWERS = 100;
/** Events that may wait for a slow page; it misses those beyond. */
const MAX_WAITING = 32;

/** What a page is told of the way to Kafka. */
interface State {
  kind: "connected" | "starting" | "gone" | "draining";
  /** Why, in a few words. */
  problem?: string;
}

/** One page that is open. */
interface Viewer {
  topic: string;
  token: Token | undefined;
  /** The topics that it was told last: they are told again only when there are others. */
  topics?: string;
  /** @returns whether there was room for it */
  send(event: string, data: unknown): boolean;
  end(): void;
}

const encoder = new TextEncoder();

/** Tells open pages what is new. */
export class PageFeed {
  readonly #parts: PageParts;
  readonly #history: PageHistory;
  readonly #look: PageLook;
  readonly #viewers = new Set<Viewer>();
  #seconds = 0;
  #connectedOnce = false;
  #timer?: ReturnType<typeof setInterval>;

  constructor(parts: PageParts, history: PageHistory) {
    this.#parts = parts;
    this.#history = history;
    this.#look = new PageLook(parts.view);
  }

  /** Begins to sample. */
  start(): void {
    this.#timer = setInterval(() => void this.#second(), SECOND_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const viewer of this.#viewers) viewer.end();
  }

  readonly handle: Handler = (call) => {
    const { gate, topic: first } = this.#parts;
    const topic = queryParameter(call.query, "topic") ?? first;
    gate.check(topic, call.token);
    if (this.#viewers.size >= MAX_VIEWERS) {
      throw unavailable(`${this.#viewers.size} pages are open; expected at most ${MAX_VIEWERS}`);
    }
    return new Response(this.#open(topic, call), {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
    });
  };

  #open(topic: string, { token, stopping }: Call): ReadableStream<Uint8Array> {
    const ending = new AbortController();
    const { signal } = ending;
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const forget = () => {
      this.#viewers.delete(viewer);
      stopping.removeEventListener("abort", farewell);
      ending.abort();
    };
    const viewer: Viewer = {
      topic,
      token,
      send: (event, data) => {
        if (signal.aborted || controller.desiredSize! <= 0) return false;
        controller.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
        return true;
      },
      end: () => {
        if (signal.aborted) return;
        forget();
        controller.close();
      },
    };
    const farewell = () => {
      viewer.send("second", { state: { kind: "draining" } satisfies State });
      viewer.end();
    };
    return new ReadableStream({
      start: (it) => {
        controller = it;
        this.#viewers.add(viewer);
        stopping.addEventListener("abort", farewell);
        viewer.send("hello", this.#hello(viewer));
        void this.#lookFor([viewer]);
        void followLanes(this.#parts, { topic, signal, send: (news) => void viewer.send("records", news) });
      },
      cancel: forget,
    }, { highWaterMark: MAX_WAITING });
  }

  #hello({ topic, token }: Viewer) {
    // The history of lag is that of all topics: it is not for tokens that may see some of them.
    const samples = this.#history.samples.map((sample) => token?.topics ? { ...sample, lag: undefined } : sample);
    return { topic, firstTopic: this.#parts.topic, samples };
  }

  #state(): State {
    const problem = this.#parts.problem();
    this.#connectedOnce ||= problem === undefined;
    return problem === undefined ? { kind: "connected" } : { kind: this.#connectedOnce ? "gone" : "starting", problem };
  }

  async #second(): Promise<void> {
    const sample = await this.#history.take();
    const idle = this.#viewers.size === 0;
    if (idle && this.#seconds++ % IDLE_LOOK > 0) return;
    await this.#lookFor([...this.#viewers], sample);
  }

  /** Looks, and tells. What Kafka does not answer in time is told a second later. */
  async #lookFor(viewers: readonly Viewer[], sample?: Sample): Promise<void> {
    const state = this.#state();
    if (state.kind === "connected") {
      const topics = new Set([...this.#viewers].map(({ topic }) => topic));
      await atMost(PATIENCE_MS, this.#look.look([...topics]));
      if (sample) sample.lag = this.#look.lag((topic) => this.#parts.gate.isOpen(topic, undefined));
    }
    for (const viewer of viewers) {
      if (!viewer.send("second", { state, sample, ...this.#seenBy(viewer) })) viewer.topics = undefined;
    }
  }

  #seenBy(viewer: Viewer) {
    const { topic, token } = viewer;
    const isOpen = (topic: string) => this.#parts.gate.isOpen(topic, token);
    const { groups, groupsProblem, extents } = this.#look;
    const topics = this.#look.topics.filter(isOpen);
    const known = viewer.topics;
    viewer.topics = topics.join();
    const open = <T extends { topic: string }>(partitions: readonly T[]) => partitions.filter((p) => isOpen(p.topic));
    return {
      topics: viewer.topics === known ? undefined : topics,
      extents: extents.get(topic),
      groupsProblem,
      groups: groups.map((group) => ({
        ...group,
        partitions: open(group.partitions),
        members: group.members.map((member) => ({ ...member, partitions: open(member.partitions) })),
      })),
    };
  }
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer;
  const timeout = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}

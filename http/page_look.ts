/**
 * What Kafka says about topics and groups, asked for all open pages together.
 *
 * @module
 */
import { rootCause } from "../errors.ts";
import type { GroupStanding, PartitionExtent } from "../kafka/inspector.ts";
import type { PageParts } from "./page.ts";

/** After a look that took long comes a pause so many times as long: a cluster with a thousand groups is left in peace. */
const PAUSE_FACTOR = 9;
/** And no longer, in ms: it may have taken long only because Kafka was away, which says nothing of work. */
const LONGEST_PAUSE_MS = 10_000;
/** Groups whose lag is kept with each sample. */
const MOST_LAGS = 20;

/** The partitions of a topic, or why they are not known. */
export type Extents = { partitions: PartitionExtent[] } | { problem: string };

/** The last that was seen. */
export class PageLook {
  topics: string[] = [];
  groups: GroupStanding[] = [];
  /** Why the groups cannot be seen; undefined while they can. */
  groupsProblem?: string;
  readonly extents = new Map<string, Extents>();
  readonly #view: PageParts["view"];
  #looking?: Promise<void>;
  /** Not before this time, in ms. */
  #next = 0;

  constructor(view: PageParts["view"]) {
    this.#view = view;
  }

  /** How many records groups have before them, in all topics that count; of many groups, those with the most. */
  lag(counts: (topic: string) => boolean): Record<string, number> {
    const lags = this.groups.map(({ group, partitions }) =>
      [group, partitions.reduce((sum, { topic, lag }) => sum + (counts(topic) ? lag ?? 0 : 0), 0)] as const
    );
    return Object.fromEntries(lags.length > MOST_LAGS ? lags.sort((a, b) => b[1] - a[1]).slice(0, MOST_LAGS) : lags);
  }

  /**
   * Looks again, unless that is under way, or was much work a moment ago and no topic is new. Never rejects: what
   * cannot be seen stays as it was seen last.
   *
   * @param watched Topics that somebody sees; none: the groups alone are looked at.
   */
  async look(watched: readonly string[]): Promise<void> {
    if (this.#looking) return await this.#looking;
    const began = performance.now();
    if (began < this.#next && watched.every((topic) => this.extents.has(topic))) return;
    await (this.#looking = this.#ask(watched));
    this.#looking = undefined;
    const took = performance.now() - began;
    this.#next = began + Math.min(PAUSE_FACTOR * took, took + LONGEST_PAUSE_MS);
  }

  async #ask(watched: readonly string[]): Promise<void> {
    const groups = this.#view.standings().then(
      (groups) => [this.groups, this.groupsProblem] = [groups, undefined],
      (error) => this.groupsProblem = rootCause(error),
    );
    const topics = watched.length > 0 ? this.#view.topics().then((topics) => this.topics = topics) : undefined;
    const extents = watched.map((topic) =>
      this.#view.extents(topic).then(
        (partitions) => this.extents.set(topic, { partitions }),
        (error) => this.extents.set(topic, { problem: rootCause(error) }),
      )
    );
    await Promise.allSettled([groups, topics, ...extents]);
    for (const topic of this.extents.keys()) if (!watched.includes(topic)) this.extents.delete(topic);
  }
}

/**
 * `GET /` and what belongs to it: the live page's files, its feed, its search.
 *
 * @module
 */
import type { Registry } from "prom-client";
import type { Inspector } from "../kafka/inspector.ts";
import type { Tails } from "../kafka/tail.ts";
import { HttpError } from "./errors.ts";
import { PageFeed } from "./page_feed.ts";
import { PageHistory } from "./page_history.ts";
import { type Control, labsHandler } from "./page_labs.ts";
import { pageSearch } from "./page_search.ts";
import type { TopicGate } from "./topic.ts";
import type { Handler, RecordSink } from "./types.ts";

/** What the page works with. */
export interface PageParts {
  /** The files by name; `index.html` is the page. Called once, when the first is asked for. */
  files: () => Promise<ReadonlyMap<string, string>>;
  /** The metrics that are kept and shown. */
  registry: Registry;
  view: Pick<Inspector, "topics" | "extents" | "offsetsAt" | "standings">;
  tails: Pick<Tails, "follow">;
  gate: TopicGate;
  sink: Pick<RecordSink, "lookUp">;
  /** The topic that is shown first. */
  topic: string;
  /** Where the labs are, under `deno task start`. */
  control?: Control;
  /** Why Kafka cannot be written to; undefined when all is well. */
  problem: () => string | undefined;
}

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/**
 * Everything from here and nothing inline. With trusted types a browser refuses to make markup of any text, so that
 * no key and no value can become more than a text even if the page had a mistake.
 */
function policy(control: Control | undefined): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self'${control ? ` ${control.url}` : ""}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

interface PageFile {
  body: string;
  headers: Record<string, string>;
}

/** The page's handlers. From `start` to its disposal it samples the metrics. */
export class Page implements Disposable {
  readonly feed: Handler;
  readonly search: Handler;
  readonly labs: Handler;
  readonly #history: PageHistory;
  readonly #feed: PageFeed;
  readonly #load: PageParts["files"];
  readonly #policy: string;
  #files?: Promise<Map<string, PageFile>>;

  constructor(parts: PageParts) {
    this.#load = parts.files;
    this.#history = new PageHistory(parts.registry);
    this.#feed = new PageFeed(parts, this.#history);
    this.feed = this.#feed.handle;
    this.search = pageSearch(parts);
    this.labs = labsHandler(parts.control);
    this.#policy = policy(parts.control);
  }

  /** Begins to sample, once a second. */
  start(): void {
    this.#feed.start();
  }

  [Symbol.dispose](): void {
    this.#feed.stop();
  }

  /** `GET /`. */
  readonly document: Handler = ({ request }) => this.#serve("index.html", request);

  /** `GET /page/{file}`. */
  readonly file: Handler = ({ request, parameters: [name] }) => this.#serve(name, request);

  async #serve(name: string, request: Request): Promise<Response> {
    this.#files ??= this.#load().then((files) => prepare(files, this.#policy));
    const file = (await this.#files).get(name);
    if (!file) throw new HttpError(404, `The page has no file ${JSON.stringify(name.slice(0, 100))}`);
    // Whatever compresses the answer on its way makes the tag a weak one.
    const known = request.headers.get("if-none-match")?.replaceAll("W/", "").split(/\s*,\s*/) ?? [];
    const fresh = known.includes(file.headers.etag);
    return new Response(fresh ? null : file.body, { status: fresh ? 304 : 200, headers: file.headers });
  }
}

async function prepare(files: ReadonlyMap<string, string>, policy: string): Promise<Map<string, PageFile>> {
  const prepared = new Map<string, PageFile>();
  for (const [name, body] of files) {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(policy + body));
    prepared.set(name, {
      body,
      headers: {
        "content-type": TYPES[name.slice(name.lastIndexOf(".") + 1)],
        "etag": `"${new Uint8Array(digest).toHex().slice(0, 32)}"`,
        "cache-control": "no-cache",
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
      },
    });
  }
  return prepared;
}

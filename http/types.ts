/**
 * What the handlers are given. Collaborators are described by what is needed of them, so that `http/` knows neither
 * Kafka nor the process it runs in.
 *
 * @module
 */
import type { Outcome } from "../kafka/delivery.ts";
import type { ProducerRecord } from "../kafka/record.ts";
import type { Route } from "./router.ts";
import type { Right, Token } from "./tokens.ts";

/** Where records go: the `Producer`, as far as it is needed here. */
export interface RecordSink {
  /** Why nothing can be written now; undefined when all is well. */
  readonly problem: string | undefined;
  /** At once where it is known; rejects with a `DeliveryError` when there is no such topic or it cannot be seen. */
  lookUp(topic: string): { leaders: readonly number[] } | Promise<{ leaders: readonly number[] }>;
  /** One outcome for each record, in their order. Never rejects. */
  send(records: readonly ProducerRecord[], options: { topic: string }): Promise<Outcome[]>;
  /** A stream, with back-pressure: outcomes in the arrays that came in. */
  deliver(
    chunks: AsyncIterable<readonly ProducerRecord[]>,
    options: { topic: string },
  ): AsyncGenerator<Outcome[], void, undefined>;
}

/** One request on its way to its handler. */
export interface Call {
  readonly request: Request;
  /** What comes after the question mark. */
  readonly query: string;
  /** Its X-Request-Id, or one of ours. */
  readonly id: string;
  /** The address it came from; "unknown" where that cannot be told. */
  readonly client: string;
  /** Whom the request's token stands for; undefined where nobody needs one. */
  readonly token: Token | undefined;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
  /** For a stream: the request counts as work until the returned function is called. */
  hold(): () => void;
  /** What the braces of the route's path stood for, decoded. */
  readonly parameters: readonly string[];
}

/** Answers a request, or throws an `HttpError` or a `DeliveryError`. */
export type Handler = (call: Call) => Response | Promise<Response>;

/** A row of the route table. */
export interface HandledRoute extends Route {
  handle: Handler;
  /** The right that a token must give; `open`: no token is needed, and work at hand is no reason to refuse. */
  access: Right | "open";
  /** Not in the access log, as it comes every few seconds. */
  quiet?: true;
}

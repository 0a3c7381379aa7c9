/**
 * One connection through the fault proxy: pairs each response with its request
 * and does to both what the rules say.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type net from "node:net";
import { refusal, withErrors, withoutParts, withThrottle } from "./kafka_errors.ts";
import { frameOf, parseRequest, type Request, responseFrame } from "./kafka_frames.ts";
import type { Direction, Ending, Rule } from "./proxy_rules.ts";
import { Wire, type WireHost } from "./proxy_wire.ts";

/** What a connection asks of its proxy. */
export interface LinkHost extends WireHost {
  /** The rule that acts on a message, if any. */
  match(
    direction: Direction,
    request: Request,
    response?: Buffer,
  ): Rule | undefined;
  /** Between `-ms` and `ms`. */
  jitter(ms: number): number;
  counted(request: Request): void;
  /** A rule acted on a message of connection `id`. */
  applied(rule: Rule, request: Request, id: number): void;
}

/** A request whose answer has not been passed on yet. */
interface Pending {
  request: Request;
  /** The rule that took partitions out of it before it was forwarded. */
  refusedBy?: Rule;
  /** An answer of the proxy's own, which waits for those before it. */
  answer?: Buffer;
}

/** One proxied connection. */
export class Link {
  #host: LinkHost;
  #wire: Wire;
  #pending: Pending[] = [];
  #expiry?: ReturnType<typeof setTimeout>;

  constructor(readonly id: number, client: net.Socket, host: LinkHost) {
    this.#host = host;
    this.#wire = new Wire(
      client,
      host,
      (direction, frame) => direction === "request" ? this.#onRequest(frame) : this.#onResponse(frame),
    );
  }

  /** Resolves when both of its sockets are closed. */
  get closed(): Promise<void> {
    return this.#wire.closed.then(() => clearTimeout(this.#expiry));
  }

  /** Ends both sides now, whatever is on its way. */
  cut(ending: Ending): void {
    clearTimeout(this.#expiry);
    this.#wire.cut(ending);
  }

  /** Calls `cut` after `ms`, instead of an earlier wish; never if undefined. */
  expireAfter(ms: number | undefined, cut: () => void): void {
    clearTimeout(this.#expiry);
    this.#expiry = ms === undefined ? undefined : setTimeout(cut, ms);
  }

  async #onRequest(frame: Buffer): Promise<void> {
    const request = parseRequest(frame);
    this.#host.counted(request);
    const rule = this.#host.match("request", request);
    switch (rule?.action.do) {
      case "drop":
        return this.#applied(rule, request);
      case "cut":
        return await this.#cutInside(rule, request, frame);
      case "answer":
        return this.#answer(rule, request, rule.action.body(request));
      case "error":
        return await this.#refuse(rule, request);
      case "hold":
      case "delay":
        await this.#linger(rule, request);
    }
    if (request.answered) this.#pending.push({ request });
    await this.#wire.write("request", frame);
  }

  /** Answers with an error; other partitions of a Produce go on alone. */
  async #refuse(rule: Rule, request: Request): Promise<void> {
    const hit = rule.errors;
    const rest = request.api === "Produce" ? withoutParts(request, hit.isHit) : undefined;
    if (!rest) return this.#answer(rule, request, refusal(request, hit.error));
    if (request.answered) this.#pending.push({ request, refusedBy: rule });
    else this.#applied(rule, request);
    await this.#wire.write("request", rest);
  }

  /** Passes on an answer of our own, after those that are still to come. */
  #answer(rule: Rule, request: Request, body: Uint8Array): void {
    this.#applied(rule, request);
    if (!request.answered) return;
    const answer = responseFrame(request, body);
    this.#pending.push({ request, answer });
    if (this.#pending.length > 1) return;
    this.#wire.enqueue("response", 0, () => this.#passOnAnswers());
  }

  async #passOnAnswers(): Promise<void> {
    while (this.#pending[0]?.answer) {
      await this.#wire.write("response", this.#pending.shift()!.answer!);
    }
  }

  async #onResponse(frame: Buffer): Promise<void> {
    const id = frame.readInt32BE(4);
    const at = this.#pending.findIndex(({ request, answer }) => !answer && request.correlationId === id);
    if (at < 0) {
      throw new Error(`the broker answered ${id}, which nobody had asked`);
    }
    const [{ request, refusedBy }] = this.#pending.splice(at, 1);
    if (refusedBy) {
      frame = withErrors(request, frame, refusedBy.errors);
      this.#applied(refusedBy, request);
    }
    const rule = this.#host.match("response", request, frame);
    if (rule) await this.#disturb(rule, request, frame);
    else await this.#wire.write("response", frame);
    await this.#passOnAnswers();
  }

  async #disturb(rule: Rule, request: Request, frame: Buffer): Promise<void> {
    switch (rule.action.do) {
      case "drop":
        return this.#applied(rule, request);
      case "cut":
        return await this.#cutInside(rule, request, frame);
      case "hold":
      case "delay":
        await this.#linger(rule, request);
        return await this.#wire.write("response", frame);
    }
    await this.#wire.write("response", changed(rule, request, frame));
    this.#applied(rule, request);
  }

  async #cutInside(rule: Rule, request: Request, frame: Buffer): Promise<void> {
    const { action } = rule;
    if (action.do !== "cut") return;
    const bytes = action.bytes === "half" ? Math.floor(frame.length / 2) : action.bytes ?? 0;
    await this.#wire.write(action.at, frame.subarray(0, bytes));
    // A reset overtakes what the peer has not taken in: let it arrive first.
    await this.#wire.sleep(action.with === "rst" && bytes > 0 ? 20 : 0);
    this.#applied(rule, request);
    this.cut(action.with);
  }

  async #linger(rule: Rule, request: Request): Promise<void> {
    const { action, released } = rule;
    this.#applied(rule, request);
    if (action.do === "hold") await this.#wire.unlessGone(released);
    if (action.do !== "delay") return;
    await this.#wire.sleep(action.ms + this.#host.jitter(action.jitter ?? 0));
  }

  #applied(rule: Rule, request: Request): void {
    this.#host.applied(rule, request, this.id);
  }
}

function changed(rule: Rule, request: Request, frame: Buffer): Buffer {
  const { action } = rule;
  switch (action.do) {
    case "error":
      return withErrors(request, frame, rule.errors);
    case "throttle":
      return withThrottle(request, frame, action.ms);
    case "rewrite":
      return frameOf(
        frame.subarray(4, 8),
        action.body(frame.subarray(8), request),
      );
    default:
      throw new Error(`the action ${action.do} does not change a response`);
  }
}

/** A control channel for tests, and a page's side of it. */
import assert from "node:assert/strict";
import { loadConfig } from "../../config.ts";
import { Control } from "../../dev/control.ts";
import { offerLabs } from "../../dev/labs.ts";
import type { LocalKafka } from "../../dev/local_kafka.ts";
import { waitFor } from "../support/wait.ts";

/** Where the tests' page says it comes from. */
export const ORIGIN = "http://localhost:8082";

// deno-lint-ignore no-explicit-any -- facts differ from lab to lab
type Facts = any;

/** What the channel says. */
export interface State {
  labs: { name: string; obstacle: string | null }[];
  open: string | null;
  facts: Facts;
  busy: string | null;
}

/** The labs on a Kafka, as a page works them. */
export class LabPage implements AsyncDisposable {
  readonly control: Control;
  readonly #stopping = new AbortController();

  constructor({ bootstrap, local, leaseMs }: { bootstrap: string; local?: LocalKafka; leaseMs?: number }) {
    const config = loadConfig("start", { args: [], env: () => undefined, envFile: "" });
    const place = {
      config: { ...config, brokers: bootstrap.split(",") },
      local,
      stopping: this.#stopping.signal,
    };
    this.control = new Control(offerLabs(place), { origins: [ORIGIN], leaseMs, print: () => {} });
  }

  /** Sends a request as a page does; headers of the test's win. */
  request(path: string, { headers = {}, ...init }: RequestInit & { headers?: Record<string, string> } = {}) {
    const [url, token] = this.control.address.split("#");
    return fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, origin: ORIGIN, ...headers } });
  }

  async state(): Promise<State> {
    return await (await this.request("/lab")).json();
  }

  /** Presses a button. */
  async act(action: string, input: Record<string, unknown> = {}): Promise<State> {
    const response = await this.request(`/lab/${action}`, { method: "POST", body: JSON.stringify(input) });
    const answer = await response.json();
    assert.equal(response.status, 200, answer.message);
    return answer;
  }

  /** Waits until the facts of the lab are as they should be. */
  async until(what: string, isTrue: (facts: Facts) => boolean, timeout = 60_000): Promise<Facts> {
    let facts: Facts;
    await waitFor(async () => isTrue(facts = (await this.state()).facts), { what, timeout }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(facts)}`, { cause: error });
    });
    return facts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.control[Symbol.asyncDispose]();
  }
}

/**
 * What the tests of the fault proxy share.
 *
 * @module
 */
import assert from "node:assert/strict";
import { FakeClient, startFakeBroker } from "./frame_peers.ts";
import { type FaultProxy, type RuleOptions, startProxy } from "./proxy.ts";
import { waitFor } from "./wait.ts";

/** A fake broker, the proxy before it, and a client that has one answer. */
export async function setUp(rule?: RuleOptions) {
  const stack = new AsyncDisposableStack();
  const broker = stack.use(startFakeBroker());
  const proxy = stack.use(await startProxy({ target: broker }));
  const client = stack.use(await FakeClient.connect(proxy.port));
  await client.ask(1);
  await answersAre(client, ["echo 1"]);
  return {
    broker,
    proxy,
    client,
    rule: proxy.rule(rule ?? { action: { do: "count" } }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export async function answersAre(client: FakeClient, expected: string[]) {
  await waitFor(() => client.answers.length >= expected.length, {
    what: `the answers ${expected}`,
  });
  assert.deepEqual(client.answers, expected);
}

export async function endOf(client: { ended?: "fin" | "rst" }) {
  return await waitFor(() => client.ended, { what: "the client's end" });
}

export function faultsOf(proxy: FaultProxy): string[] {
  return proxy.stats.faults.map(({ what }) => what);
}

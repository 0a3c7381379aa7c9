import assert from "node:assert/strict";
import type { Cluster, TopicMetadata } from "../../kafka/cluster.ts";
import { Metadata } from "../../kafka/metadata.ts";
import { Reachability, type StateLog } from "../../kafka/reachability.ts";
import { loggerFor } from "../../log.ts";
import { waitFor } from "../support/wait.ts";

/** A cluster that counts how often it is asked, and whose only partition has moved by the fourth time. */
function movingCluster() {
  const cluster = {
    asked: 0,
    connect: () => Promise.resolve(),
    maxVersion: () => -1,
    nodes: () => [1, 2],
    addresses: (): { nodeId: number; host: string; port: number }[] => [],
    reachability: new Reachability(),
    fetchMetadata: (topics: string[]): Promise<TopicMetadata[]> => {
      const leader = ++cluster.asked < 4 ? 1 : 2;
      return Promise.resolve(topics.map((topic) => ({ topic, code: 0, leaders: [leader] })));
    },
  };
  return cluster;
}

Deno.test("after trouble it looks again and again, so that a new leader is found soon after its election", async () => {
  const cluster = movingCluster();
  const metadata = new Metadata(cluster as unknown as Cluster, loggerFor("kafka"));
  await metadata.start();
  try {
    await metadata.lookUp("orders");
    let changes = 0;
    metadata.onChange = () => changes++;
    metadata.refreshSoon("orders");
    // Without trouble it looks every 5 s: it would take longer than this.
    await waitFor(() => metadata.leaderOf("orders", 0) === 2, { what: "the new leader", timeout: 4_000 });
    assert.equal(changes, 1, "nobody is disturbed by a look that finds nothing new");
  } finally {
    await metadata.stop();
  }
});

Deno.test("a broker that could not be reached while Kafka was away as a whole is not told of", async () => {
  const cluster = movingCluster();
  cluster.reachability.note("b:9093", new Error("refused"), 0);
  cluster.addresses = () => [{ nodeId: 2, host: "b", port: 9093 }];
  const lines: unknown[] = [];
  const note = (text: unknown) => void lines.push(text);
  const metadata = new Metadata(cluster as unknown as Cluster, { info: note, warn: note } as unknown as StateLog);
  await metadata.start();
  await metadata.stop();
  assert.deepEqual(lines, ["Kafka answers"]);
});

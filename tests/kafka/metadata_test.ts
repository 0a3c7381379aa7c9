import assert from "node:assert/strict";
import type { Cluster, TopicMetadata } from "../../kafka/cluster.ts";
import { Metadata } from "../../kafka/metadata.ts";
import { loggerFor } from "../../log.ts";
import { waitFor } from "../support/wait.ts";

/** A cluster that counts how often it is asked, and whose only partition has moved by the fourth time. */
function movingCluster() {
  const cluster = {
    asked: 0,
    connect: () => Promise.resolve(),
    maxVersion: () => -1,
    nodes: () => [1, 2],
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

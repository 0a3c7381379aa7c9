import assert from "node:assert/strict";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { sharedKafka, withAdmin } from "../support/kafka.ts";

Deno.test("a real Kafka is recognized, with the addresses it tells clients, and nothing is created", async () => {
  const { bootstrap } = await sharedKafka();
  const [address] = bootstrap.split(",");
  const found = await probeKafka(address);
  assert.equal(found.kind, "kafka");
  assert.ok(found.kind === "kafka" && found.brokers.includes(address));
  const topics = await withAdmin(bootstrap, (admin) => admin.listTopics());
  assert.deepEqual(topics.filter((name) => name.includes("probe")), []);
});

Deno.test("a real Kafka with fewer brokers than wanted is not ready", async () => {
  const [address] = (await sharedKafka()).bootstrap.split(",");
  const found = await probeKafka(address, { brokers: 1000 });
  assert.equal(found.kind, "not ready");
  assert.match(found.reason, /^\d of 1000 brokers are there$/);
});

/** A cluster of three loses the broker that coordinates a group, or leads its partitions. */
import assert from "node:assert/strict";
import { startLocalKafka } from "../../dev/local_kafka.ts";
import { createTopic } from "../support/kafka.ts";
import { waitFor } from "../support/wait.ts";
import { coordinatorOf, newGroup, numbered, produce, startConsumer, untilCommitted } from "./consumer_test_util.ts";

Deno.test("the coordinator and a leader die: others take over, nothing is skipped", async () => {
  await using kafka = await startLocalKafka({ brokers: 3, heap: "400m" });
  const { bootstrap, nodes } = kafka;
  const topic = await createTopic(bootstrap, { partitions: 6 }); // it ends with the cluster
  const group = newGroup();
  await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
  await produce(bootstrap, topic.name, numbered(600, { partitions: 6 }));
  await untilCommitted(bootstrap, { group, topic: topic.name }, Array(6).fill(100));

  const coordinator = await coordinatorOf(bootstrap, group);
  await nodes.find(({ id }) => id === coordinator)!.kill();
  await produce(bootstrap, topic.name, numbered(600, { partitions: 6, from: 600 }));
  await untilCommitted(bootstrap, { group, topic: topic.name }, Array(6).fill(200));
  assert.notEqual(await coordinatorOf(bootstrap, group), coordinator);

  const offsets = Array.from({ length: 200 }, (_, offset) => offset);
  for (let partition = 0; partition < 6; partition++) {
    const its = consumer.handled.filter((record) => record.partition === partition).map(({ offset }) => offset);
    assert.deepEqual([...new Set(its)], offsets, `partition ${partition}`);
  }
  await waitFor(() => consumer.handled.length <= 1_250, { what: "little to be handled twice" });
  assert.equal(await consumer.stop(), true);
});

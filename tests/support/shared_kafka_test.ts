import assert from "node:assert/strict";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { createTopic, sharedKafka, withAdmin } from "./kafka.ts";

const strict = { sanitizeOps: true, sanitizeResources: true };

Deno.test("the shared Kafka answers, and is the same for all who ask", strict, async () => {
  const [a, b] = await Promise.all([sharedKafka(), sharedKafka()]);
  assert.equal(a.bootstrap, b.bootstrap);
  const found = await probeKafka(a.bootstrap.split(",")[0]);
  assert.equal(found.kind, "kafka");
});

Deno.test("a topic of a test has the partitions it asked for, and is deleted afterwards", strict, async () => {
  const { bootstrap } = await sharedKafka();
  let name: string;
  {
    await using topic = await createTopic(bootstrap, { partitions: 3 });
    name = topic.name;
    const { topics } = await withAdmin(bootstrap, (admin) => admin.fetchTopicMetadata({ topics: [name] }));
    assert.equal(topics[0].partitions.length, 3);
  }
  assert.ok(!(await withAdmin(bootstrap, (admin) => admin.listTopics())).includes(name));
});

Deno.test("a topic that the test deleted itself is no trouble at the end", strict, async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  await withAdmin(bootstrap, (admin) => admin.deleteTopics({ topics: [topic.name] }));
});

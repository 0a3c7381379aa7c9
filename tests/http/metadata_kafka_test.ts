import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import { startLocalKafka } from "../../dev/local_kafka.ts";
import { createKafka } from "../../kafka/client.ts";
import { Inspector } from "../../kafka/inspector.ts";
import { createTopic, withAdmin } from "../support/kafka.ts";
import { waitFor } from "../support/wait.ts";
import { answer, refused, serveConfig, startApp, type TestApp } from "./app_test_util.ts";

const KAFKA = "application/vnd.kafka.v2+json";
const get = (t: TestApp, path: string) => answer(t.request(path), 200);

Deno.test("topics, partitions and brokers are told as REST Proxy tells them", async () => {
  await using t = await startApp({ partitions: 2, config: { "retention.ms": "1234567" } });
  const [broker] = (await get(t, "/brokers")).brokers;
  assert.ok((await get(t, "/topics")).includes(t.topic));
  assert.ok(!(await get(t, "/topics")).some((name: string) => name.startsWith("__")));
  const partition = (partition: number) => ({
    partition,
    leader: broker,
    replicas: [{ broker, leader: true, in_sync: true }],
  });
  const { name, configs, partitions } = await get(t, `/topics/${t.topic}`);
  assert.deepEqual({ name, partitions }, { name: t.topic, partitions: [partition(0), partition(1)] });
  assert.equal(configs["retention.ms"], "1234567");
  assert.equal(configs["cleanup.policy"], "delete");
  assert.deepEqual(await get(t, `/topics/${t.topic}/partitions/`), partitions);
  assert.deepEqual(await get(t, `/topics/${t.topic}/partitions/1`), partition(1));
  const response = await t.request("/brokers", { headers: { accept: KAFKA } });
  assert.equal(response.headers.get("content-type"), KAFKA);
});

Deno.test("offsets move with what is written and what is deleted", async () => {
  await using t = await startApp();
  const path = `/topics/${t.topic}/partitions/0/offsets`;
  assert.deepEqual(await get(t, path), { beginning_offset: 0, end_offset: 0 });
  await answer(t.post(`/topics/${t.topic}`, { records: [{ value: 1 }, { value: 2 }, { value: 3 }] }), 200);
  await withAdmin(t.bootstrap, async (admin) => {
    await admin.fetchTopicOffsets(t.topic); // kafkajs deletes nothing in a topic that it has not looked at
    await admin.deleteTopicRecords({ topic: t.topic, partitions: [{ partition: 0, offset: "2" }] });
  });
  assert.deepEqual(await get(t, path), { beginning_offset: 2, end_offset: 3 });
});

Deno.test("what is not there is told with REST Proxy's codes, and looking does not make it", async () => {
  await using t = await startApp();
  const name = `never-${crypto.randomUUID()}`;
  await refused(t.request(`/topics/${name}`), [404, 40403], /does not host this topic|does not exist/i);
  await refused(t.request(`/topics/${name}/partitions`), [404, 40401], /topic/);
  await refused(t.request(`/topics/${name}/partitions/0`), [404, 40401], /topic/);
  await refused(t.request(`/topics/${name}/partitions/0/offsets`), [404, 40401], /topic/);
  await refused(t.request("/topics/a%20b"), [404, 40403], /does not exist; a topic's name has/);
  await refused(t.request(`/topics/${t.topic}/partitions/7`), [404, 40402], /has no partition 7; expected 0 to 0/);
  await refused(t.request(`/topics/${t.topic}/partitions/7/offsets`), [404, 40402], /has no partition 7/);
  await refused(t.request(`/topics/${t.topic}/partitions/x`), [404, 404], /expected a whole number/);
  await refused(t.request(`/topics/${t.topic}/partitions/x/offsets`), [404, 404], /expected a whole number/);
  await refused(t.request("/topics/__consumer_offsets"), [403, 40301], /internal/);
  assert.ok(!(await get(t, "/topics")).includes(name));
});

Deno.test("metadata in another form than JSON is refused", async () => {
  await using t = await startApp();
  for (
    const accept of ["application/octet-stream", "application/vnd.kafka+foo", "application/text", "bar/json", "*/baz"]
  ) {
    await refused(t.request("/brokers", { headers: { accept } }), [406, 406], /^Accept is/);
  }
});

Deno.test("groups and their lag are told, for open topics", async () => {
  await using t = await startApp({ partitions: 2 });
  await using other = await createTopic(t.bootstrap);
  const records = [0, 0, 0, 1].map((partition) => ({ value: 1, partition }));
  await answer(t.post(`/topics/${t.topic}`, { records }), 200);
  const group = `test/${crypto.randomUUID()} ü`;
  await withAdmin(t.bootstrap, async (admin) => {
    await admin.setOffsets({
      groupId: group,
      topic: t.topic,
      partitions: [{ partition: 0, offset: "1" }, { partition: 1, offset: "1" }],
    });
    await admin.setOffsets({ groupId: group, topic: other.name, partitions: [{ partition: 0, offset: "0" }] });
  });
  const path = `/groups/${encodeURIComponent(group)}/lag`;
  const entry = (partition: number, end: number, lag: number) => ({
    topic: t.topic,
    partition,
    committed: 1,
    end_offset: end,
    lag,
  });
  const all = await get(t, path);
  assert.equal(all.lag, 2);
  assert.equal(all.state, "Empty");
  assert.deepEqual(all.partitions.filter((p: { topic: string }) => p.topic === t.topic), [
    entry(0, 3, 2),
    entry(1, 1, 0),
  ]);
  assert.equal(all.partitions.length, 3);
  const listed = await get(t, "/groups");
  assert.deepEqual(listed.find((g: { group: string }) => g.group === group), { group, state: "Empty", members: 0 });
  await refused(t.request("/groups/nobody/lag"), [404, 404], /Group "nobody" does not exist/);

  await using narrow = await startApp({ env: { HTTP_TOPICS: other.name } });
  assert.deepEqual((await get(narrow, path)).partitions.map((p: { topic: string }) => p.topic), [other.name]);
  assert.deepEqual(await get(narrow, "/topics"), [other.name]);
  await withAdmin(t.bootstrap, (admin) => admin.deleteGroups([group]));
});

Deno.test("a group with a member is told as such", async () => {
  await using t = await startApp();
  const groupId = `test-${crypto.randomUUID()}`;
  const consumer = new Kafka({ brokers: t.bootstrap.split(","), logLevel: logLevel.NOTHING }).consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic: t.topic });
  await consumer.run({ eachMessage: () => Promise.resolve() });
  const mine = async () => (await get(t, "/groups")).find((g: { group: string }) => g.group === groupId);
  await waitFor(async () => (await mine())?.state === "Stable", { what: "the group to be stable" });
  assert.equal((await mine()).members, 1);
  await consumer.disconnect();
});

Deno.test("in a Kafka that no group has used yet, a group is simply not there", async () => {
  await using kafka = await startLocalKafka();
  const view = new Inspector(() => createKafka(serveConfig({ KAFKA_BROKERS: kafka.bootstrap })));
  assert.equal(await view.lag("nobody"), undefined);
  await view.close();
});

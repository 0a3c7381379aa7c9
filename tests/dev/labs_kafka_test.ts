/** What the labs on partitions and on delivery claim, seen over the control channel and, by an independent reader, in Kafka. */
import assert from "node:assert/strict";
import { sharedKafka, withAdmin } from "../support/kafka.ts";
import { committedOffsets, readTopic } from "../support/reader.ts";
import { waitFor } from "../support/wait.ts";
import { LabPage } from "./labs_util.ts";

Deno.test("partition: one key takes one lane, and lanes change owner as consumers come and go", async () => {
  const { bootstrap } = await sharedKafka();
  await using page = new LabPage({ bootstrap });
  const { facts: { topic } } = await page.act("partition/begin");
  await page.until("one consumer to own all lanes", ({ members }) => members[0]?.partitions.length === 3);
  for (const key of ["apple", "pear", "apple", "plum", "apple"]) await page.act("partition/send", { key });
  const inKafka = await readTopic(bootstrap, topic, { until: 5 });
  const lanes = (key: string) =>
    new Set(inKafka.filter((record) => record.key?.toString() === key).map(({ partition }) => partition));
  assert.equal(lanes("apple").size, 1);
  const { records } = await page.until("all records to be printed", ({ records }) => records.length === 5);
  for (const { partition, offset, key, value } of records) {
    const found = inKafka.find((record) => record.partition === partition && record.offset === BigInt(offset));
    assert.equal(`${found?.key} ${found?.value}`, `${key} ${value}`);
  }
  const untilShared = (...shares: number[]) =>
    page.until(`shares of ${shares}`, ({ members }) => {
      const found = members.map(({ partitions }: { partitions: number[] }) => partitions.length);
      return `${found.toSorted()}` === `${shares}`;
    });
  await page.act("partition/addConsumer");
  await untilShared(1, 2);
  await page.act("partition/addConsumer");
  await untilShared(1, 1, 1);
  await page.act("partition/addConsumer");
  await untilShared(0, 1, 1, 1);
  await page.act("partition/removeConsumer");
  await page.act("partition/removeConsumer");
  await untilShared(1, 2);
  await page.act("partition/end");
  await withAdmin(bootstrap, async (admin) => {
    assert.ok(!(await admin.listTopics()).includes(topic), "its topic is gone");
    assert.ok(!(await admin.listGroups()).groups.some(({ groupId }) => groupId === topic), "and its group");
  });
});

Deno.test("delivery: what a killed consumer had not committed comes again, poison is set aside and sent back", async () => {
  const { bootstrap } = await sharedKafka();
  await using page = new LabPage({ bootstrap });
  const { facts: { topic } } = await page.act("delivery/begin");
  await page.act("delivery/order");
  await page.until("two orders to be handled", ({ records }) => records.length >= 2);
  const { facts: { records: before } } = await page.act("delivery/kill");
  assert.ok(before.length < 8, "killed in mid-batch");
  assert.deepEqual(await committedOffsets(bootstrap, topic, topic), [undefined]);
  await page.act("delivery/restart");
  const all = (records: { handled: number }[]) => records.length === 8 && records.every(({ handled }) => handled > 0);
  const { records } = await page.until("all orders to be handled", ({ records }) => all(records));
  const again = records.filter(({ handled }: { handled: number }) => handled === 2);
  assert.deepEqual(
    again.map(({ offset }: { offset: number }) => offset),
    before.map((it: { offset: number }) => it.offset),
  );
  await waitFor(async () => (await committedOffsets(bootstrap, topic, topic))[0] === 8n, {
    what: "all to be committed",
  });

  await page.act("delivery/poison");
  await page.until("a dead letter", ({ deadLetters }) => deadLetters.length === 1);
  const [letter] = await readTopic(bootstrap, `${topic}.dlt`, { until: 1 });
  assert.equal(letter.value?.toString(), "poison");
  const headers = Object.fromEntries(letter.headers.map(([name, value]) => [name, value?.toString()]));
  assert.equal(headers["dead-letter.attempts"], "3");
  assert.equal(headers["dead-letter.offset"], "8");
  await page.act("delivery/mend");
  await page.act("delivery/sendBack");
  const { records: mended } = await page.until("what was sent back to be handled", ({ records }) => {
    return records.some((it: { value: string; handled: number }) => it.value === "poison" && it.handled === 1);
  });
  assert.deepEqual(mended.slice(8), [
    { offset: 8, value: "poison", handled: 0, failed: 3 },
    { offset: 9, value: "poison", handled: 1, failed: 0 },
  ]);
});

Deno.test("delivery: of a record whose answer is lost there is one copy with idempotence, and two without", async () => {
  const { bootstrap } = await sharedKafka();
  await using page = new LabPage({ bootstrap });
  const { facts: { topic } } = await page.act("delivery/begin");
  await page.act("delivery/loseAnswer", { idempotence: true });
  const { facts: { lostAnswers: [safe, unsafe] } } = await page.act("delivery/loseAnswer", { idempotence: false });
  const values = (await readTopic(bootstrap, topic)).map(({ value }) => value?.toString());
  assert.deepEqual([safe.records.length, unsafe.records.length, values.length], [1, 2, 3]);
  assert.equal(values[1], values[2]);
  assert.deepEqual([safe, unsafe].flatMap(({ records }) => records.map((it: { value: string }) => it.value)), values);
  assert.match(safe.reports.join("\n"), /1 delivered/);
  assert.match(unsafe.reports.join("\n"), /1 delivered/);
});

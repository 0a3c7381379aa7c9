/** What the labs that stop and pause brokers claim, seen over the control channel and, by an independent reader, in Kafka. */
import assert from "node:assert/strict";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { startLocalKafka } from "../../dev/local_kafka.ts";
import { endOffsets, readTopic } from "../support/reader.ts";
import { LabPage } from "./labs_util.ts";

Deno.test("broker and flush, on three brokers: leaders move and records flow; a pause fills the buffer, which drains", async () => {
  await using local = await startLocalKafka({ brokers: 3 });
  const { bootstrap } = local;
  await using page = new LabPage({ bootstrap, local });
  const { facts: { topic } } = await page.act("broker/begin");
  const { partitions } = await page.until("leaders", ({ partitions, acknowledged }) => {
    return partitions.length === 3 && acknowledged > 3;
  });
  const victim = partitions[0].leader;
  const { facts: { acknowledged } } = await page.act("broker/stop", { broker: victim });
  await page.until("another leader, and records to flow", (facts) => {
    return facts.partitions.every(({ leader }: { leader: number }) => leader > 0 && leader !== victim) &&
      facts.acknowledged > acknowledged + 5;
  });
  assert.equal((await page.request("/lab/broker/stop", { method: "POST", body: '{"broker":1}' })).status, 409);
  await page.act("broker/start", { broker: victim });
  const after = await page.until("the broker to be in sync again", (facts) => {
    return facts.partitions.every(({ inSync }: { inSync: number[] }) => inSync.length === 3);
  });
  assert.deepEqual([after.refused, after.unknown], [0, 0]);
  const ends = await endOffsets(bootstrap, topic);
  assert.ok(ends.reduce((a, b) => a + b) >= BigInt(after.acknowledged));

  const { facts: flush } = await page.act("flush/begin");
  await page.until("records to flow", ({ acknowledged }) => acknowledged > 2);
  await page.act("flush/pause");
  const full = await page.until("refusals", ({ refused }) => refused > 0);
  assert.ok(full.waiting > 1 && full.buffer.bytes > 0, JSON.stringify(full));
  assert.match(full.refusal, /buffer/i);
  await page.act("flush/resume");
  const drained = await page.until("the buffer to drain", ({ buffer, waiting, slowestMs }) => {
    return buffer.bytes === 0 && waiting <= 1 && slowestMs > 1_000;
  });
  const written = await readTopic(bootstrap, flush.topic);
  assert.ok(written.length >= drained.acknowledged, "what was acknowledged is there");
  const values = written.map(({ value }) => value!.toString());
  assert.equal(new Set(values).size, values.length, "once each");
  await page.act("flush/pause");
  await page.until("records to wait", ({ waiting }) => waiting > 3);
  const { facts: { stop } } = await page.act("flush/stop");
  assert.equal(stop.code, 1);
  assert.match(stop.lines.join("\n"), /\d+ messages might be lost/);
  await page.act("flush/end");
  assert.equal((await probeKafka(bootstrap.split(",")[0])).kind, "kafka", "it goes on");
});

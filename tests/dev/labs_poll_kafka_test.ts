/** What the lab on poll claims, seen over the control channel and, by an independent reader, in Kafka. */
import assert from "node:assert/strict";
import { sharedKafka } from "../support/kafka.ts";
import { committedOffsets } from "../support/reader.ts";
import { LabPage } from "./labs_util.ts";

Deno.test("poll: heartbeats go on while a record is held, and stop while the process computes", async () => {
  const { bootstrap } = await sharedKafka();
  await using page = new LabPage({ bootstrap });
  const { facts: { topic } } = await page.act("poll/begin");
  await page.act("poll/send");
  const { position, committed } = await page.until("position, commit and end to differ", (facts) => {
    return facts.position >= 2 && facts.committed !== null && facts.end === 10;
  });
  assert.ok(committed <= position && position < 10, `${committed} ${position}`);
  await page.until("all to be committed", (facts) => facts.committed === 10);
  assert.deepEqual(await committedOffsets(bootstrap, topic, topic), [10n]);
  await page.act("poll/hold");
  let left = false;
  await page.until("the held record to be committed", (facts) => {
    left ||= !facts.member;
    return facts.committed === 11;
  });
  assert.equal(left, false, "a member all the time, for longer than the session");
  await page.act("poll/block");
  await page.until("the group to go on without it", ({ member }) => !member);
  await page.until("it to notice", ({ lost }) => lost === 1);
});

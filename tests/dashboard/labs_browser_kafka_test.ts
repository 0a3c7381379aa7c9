/** The labs as a visitor sees them, and what Kafka has to say about it. */
import assert from "node:assert/strict";
import { sharedKafka } from "../support/kafka.ts";
import { committedOffsets, readTopic } from "../support/reader.ts";
import { waitFor } from "../support/wait.ts";
import type { TabOptions } from "./chromium.ts";
import { LabsPage } from "./labs_page.ts";

/** A page over the Kafka of all tests. */
async function openPage(options?: TabOptions): Promise<LabsPage & { bootstrap: string; topic: string }> {
  const { bootstrap } = await sharedKafka();
  const topic = `test-${crypto.randomUUID()}`;
  const page = await LabsPage.open(["--topic", topic], { KAFKA_BROKERS: bootstrap, KAFKA_GROUP_ID: topic }, options);
  return Object.assign(page, { bootstrap, topic });
}

Deno.test("partition, on the page: one key one lane, lanes change owner, in both languages", async () => {
  await using page = await openPage();
  const { tab, bootstrap } = page;
  const topic = await page.begin("What is a partition?");
  for (let i = 0; i < 3; i++) await page.press("Send apple");
  const text = await page.facts(/(apple[^]*){3}/);
  const rows = [...text.matchAll(/^apple\t(\d)\t(\d+)\t(.+)\tconsumer-1$/gm)];
  const inKafka = await readTopic(bootstrap, topic, { until: 3 });
  assert.deepEqual(
    rows.map(([, lane, offset, name]) => `${lane} ${offset} ${name}`).reverse(),
    inKafka.map(({ partition, offset, value }) => `${partition} ${offset} ${value}`),
  );
  assert.equal(new Set(inKafka.map(({ partition }) => partition)).size, 1);
  await tab.run(
    "() => [...document.querySelectorAll('#labs button')].find((it) => it.textContent === 'Send pear').focus()",
  );
  for (const times of [1, 2]) {
    await tab.press("Enter"); // the second time where the first has left the focus
    await page.facts(new RegExp(`(pear[^]*){${times}}`));
    await page.ready();
  }
  await page.press("Start a consumer");
  await page.press("Start a consumer");
  await page.facts(
    /consumer-1[^]*consumer-2[^]*consumer-3|consumer-1[^]*consumer-3[^]*consumer-2|consumer-2[^]*consumer-1[^]*consumer-3|consumer-2[^]*consumer-3[^]*consumer-1|consumer-3[^]*consumer-1[^]*consumer-2|consumer-3[^]*consumer-2[^]*consumer-1/,
  );
  assert.deepEqual(await tab.seriousFindings(), []);
  await tab.click("#language");
  await tab.shows("#labs h3", /分区是什么？/);
  await page.press("停掉最后一个消费者");
  await page.press("停掉最后一个消费者");
  await page.facts(/0\tconsumer-1\n1\tconsumer-1\n2\tconsumer-1/);
  await page.press("结束实验");
  await tab.shows("#lanes-title", new RegExp(page.topic));
  await page.press("broker 是什么？");
  await tab.shows(".lab-obstacle", /start --brokers 3/);
  assert.deepEqual(tab.errors, []);
});

Deno.test("delivery, on the page: what comes again, what is set aside, what is written twice", async () => {
  await using page = await openPage();
  const { bootstrap } = page;
  const topic = await page.begin("What does delivered mean?");
  await page.press("Send eight orders");
  await page.facts(/order 2\t1/);
  await page.press("Kill the consumer");
  await page.facts(/Consumer: killed[^]*Committed: –/);
  assert.deepEqual(await committedOffsets(bootstrap, topic, topic), [undefined]);
  await page.press("Start it again");
  await page.facts(/order 1\t2[^]*order 8\t1/);
  await page.facts(/Committed: 8/);
  await page.press("Send poison");
  await page.facts(/poison\t0\t3[^]*Dead letter: /);
  await page.press("Mend the handler");
  await page.press("Send it back");
  await page.facts(/poison\t1\t0/);
  assert.equal((await readTopic(bootstrap, `${topic}.dlt`)).length, 1);
  await page.press("Lose an answer, idempotence on");
  await page.facts(/Idempotence on, one answer lost: .+ is there once/);
  await page.press("Lose an answer, idempotence off");
  await page.facts(/Idempotence off, one answer lost: .+ is there 2 times/);
  const values = (await readTopic(bootstrap, topic)).map(({ value }) => value!.toString());
  assert.deepEqual([values.length, values.at(-1)], [13, values.at(-2)]);
  assert.notEqual(values.at(-3), values.at(-2));
});

Deno.test("poll, on the page of a phone in the dark: three numbers apart, a member while it waits, none while it computes", async () => {
  await using page = await openPage({ width: 390, height: 844, scheme: "dark" });
  const { bootstrap } = page;
  const topic = await page.begin("What does poll do?");
  await page.press("Send ten records");
  await page.facts(/[1-9]\t[1-9]\t10\tyes/);
  await page.facts(/10\t10\t10\tyes/);
  await page.press("Send one that waits");
  await page.facts(/hold 12, for (?:[4-9]|1\d) s/);
  assert.match(await page.facts(/11\t11\t11/), /yes[^]*without it: 0/);
  assert.deepEqual(await page.tab.seriousFindings(), []);
  const wide = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth";
  assert.equal(await page.tab.run(wide), false, "nothing sticks out of the screen");
  await page.press("Send one that computes");
  await page.facts(/no: it missed its heartbeats/);
  await page.facts(/without it: 1/);
  await waitFor(async () => (await committedOffsets(bootstrap, topic, topic))[0] === 12n, {
    what: "it to be handled again, and committed",
    timeout: 60_000,
  });
});

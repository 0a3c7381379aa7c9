/** The labs that stop and pause brokers, as a visitor sees them, and what is left of them after a stop. */
import assert from "node:assert/strict";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { descendants, isAlive } from "../support/process_stats.ts";
import { readTopic } from "../support/reader.ts";
import { freePort } from "../support/wait.ts";
import { LabsPage } from "./labs_page.ts";

Deno.test("broker and flush, on the page: leaders move, the buffer fills and drains, a stop in the middle leaves nothing", async () => {
  const data = await Deno.makeTempDir({ prefix: "kafka-deno-labs-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const kafkaPort = freePort();
  const bootstrap = `127.0.0.1:${kafkaPort}`;
  const args = ["--brokers", "3", "--kafka-port", `${kafkaPort}`, "--data", data];
  const page = stack.use(await LabsPage.open(args, {}));
  const topic = await page.begin("What is a broker?");
  await page.facts(/1\truns\t\d[^]*2\truns\t\d[^]*3\truns\t\d/);
  await page.press("Stop broker 3");
  await page.facts(/3\tstopped\t–\t–/);
  const [, count] = /(\d+) records acknowledged/.exec(await page.facts(/records acknowledged/))!;
  await page.facts(new RegExp(`(?!${count} )\\b\\d+ records acknowledged`));
  await page.press("Start it again");
  await page.facts(/3\truns\t.*\t0, 1, 2/);
  await page.facts(/ 0 failed/);
  assert.ok((await readTopic(bootstrap, topic)).length >= Number(count));

  await page.begin("What does flush do?");
  await page.press("Pause Kafka");
  await page.facts(/Kafka is paused[^]*The last refusal: .*buffer/i);
  assert.match(await page.facts(/refused/), /[1-9]\d* wait for an answer, .* [1-9]\d* refused/);
  await page.press("Let it go on");
  await page.facts(/Kafka answers[^]*\b[01] wait for an answer/);
  // What the page asked meanwhile had no answer for long; it is not to wait nine times as long before it asks again, least
  // of all about a topic that it has not asked about. Kafka itself may need some seconds to have leaders again.
  await page.tab.run(
    "() => [...document.querySelectorAll('#topics button')].find((it) => it.textContent === 'test').click()",
  );
  await page.tab.shows("#lanes-title", /^Topic test$/);
  await page.tab.shows("#lanes", /leader: broker \d/, 30_000);
  await page.press("Pause Kafka");
  await page.facts(/\b(?:[3-9]|\d\d+) wait/);
  await page.press("Stop the server");
  await page.facts(/exit code 1; [1-9]\d* requests were waiting[^]*messages might be lost/);

  const pids = descendants(page.start.pid);
  page.start.signal("SIGTERM");
  assert.equal((await page.start.exit).code, 0, page.start.tail());
  assert.deepEqual(pids.filter(isAlive), []);
  assert.equal((await probeKafka(bootstrap)).kind, "nothing");
});

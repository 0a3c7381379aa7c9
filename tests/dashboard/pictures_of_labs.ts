/**
 * Pictures of the labs, each in the middle of what it shows: the page of a real `deno task start --brokers 3`, worked
 * as a visitor would, in both languages.
 *
 * @module
 */
import { TEXTS } from "../../dashboard/labs_texts.js";
import { freePort } from "../support/wait.ts";
import type { TabOptions } from "./chromium.ts";
import { LabsPage } from "./labs_page.ts";

/** Does something with what is on the page now. */
type Take = (lab: string, page: LabsPage) => Promise<void>;

/** What a visitor does in each lab, up to the moment that its picture shows. */
const SCENES: Record<string, (page: LabsPage) => Promise<void>> = {
  /** A leader is stopped, its lane has another one, records flow. */
  async broker(page) {
    await page.begin("What is a broker?");
    await page.facts(/1\truns\t\d[^]*2\truns\t\d[^]*3\truns\t\d/);
    await page.press("Stop broker 2");
    await page.facts(/2\tstopped\t–\t–/);
    const [, count] = /(\d+) records/.exec(await page.facts(/records acknowledged/))!;
    await page.facts(new RegExp(`(?!${count} )\\b\\d+ records acknowledged`));
  },
  /** Three keys, each in one lane, and lanes that have got another owner. */
  async partition(page) {
    await page.begin("What is a partition?");
    for (const key of ["apple", "pear", "cherry", "apple", "pear"]) await page.press(`Send ${key}`);
    await page.press("Start a consumer");
    await page.facts(/consumer-1[^]*consumer-2|consumer-2[^]*consumer-1/);
    for (const key of ["apple", "cherry", "pear", "apple"]) await page.press(`Send ${key}`);
    await page.facts(/(apple[^]*){4}/);
    await page.facts(/\tconsumer-2$/m);
    await page.tab.shows("#lanes", /next 3[^]*next 4[^]*next 2/); // which they are told a moment later
  },
  /** Kafka is paused, the buffer full, the next record refused. */
  async flush(page) {
    await page.begin("What does flush do?");
    await page.facts(/\b\d\d acknowledged/);
    await page.tab.shows("#lanes", /leader: broker/);
    await page.press("Pause Kafka");
    await page.facts(/Kafka is paused[^]*The last refusal: .*buffer/i);
  },
  /** A slow handler, and three numbers apart. */
  async poll(page) {
    await page.begin("What does poll do?");
    await page.press("Send ten records");
    await page.tab.shows("#lanes", /committed [2-9]/);
    await page.facts(/^(\d)\t(?!\1)\d\t10\tyes/m);
  },
  /** What came twice, what was set aside, what was written twice. */
  async delivery(page) {
    await page.begin("What does delivered mean?");
    await page.press("Send eight orders");
    await page.facts(/order 3\t1/);
    await page.press("Kill the consumer");
    await page.press("Start it again");
    await page.facts(/Committed: 8/);
    await page.press("Send poison");
    await page.facts(/Dead letter: /);
    await page.press("Lose an answer, idempotence on");
    await page.facts(/Idempotence on, one answer lost/);
    await page.press("Lose an answer, idempotence off");
    await page.facts(/End of the log: 12[^]*Idempotence off, one answer lost: .+ is there 2 times/);
    await page.tab.shows("#lanes", /next 12/);
  },
};

/** Plays all labs on one page and has `take` called in each. */
export async function playLabs(options: TabOptions, take: Take): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "kafka-deno-pictures-" });
  try {
    await using page = await LabsPage.open(
      ["--brokers", "3", "--kafka-port", `${freePort()}`, "--data", data],
      {},
      options,
    );
    for (const [lab, play] of Object.entries(SCENES)) {
      await play(page);
      await take(lab, page);
    }
    if (page.tab.errors.length > 0) throw new Error(`The page had errors: ${page.tab.errors.join()}`);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

/** Takes `lab-NAME-en.webp` and `lab-NAME-zh.webp` of each lab: its lanes, and the tour below them. */
export async function takeLabs(folder: URL, options: TabOptions): Promise<void> {
  await playLabs(options, async (lab, { tab }) => {
    for (const language of ["en", "zh"] as const) {
      await tab.shows("#lab-question", new RegExp(escape(TEXTS[language][lab as "broker"].question)));
      const picture = await tab.picture({ format: "webp", of: [".lanes-panel", "#labs"] });
      await Deno.writeFile(new URL(`lab-${lab}-${language}.webp`, folder), picture);
      await tab.click("#language");
    }
  });
}

function escape(text: string): string {
  return text.replaceAll(/[.?*+^$()[\]{}|\\]/g, "\\$&");
}

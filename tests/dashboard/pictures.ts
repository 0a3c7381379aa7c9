/**
 * Takes the pictures that the documents show, all of them from real runs: the live page over a Kafka, a server and two
 * consumer groups while records come in; the labs; a recording of `start` in a terminal.
 *
 *     deno task pictures          # all, or some: page, labs, start
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startLocalKafka } from "../../dev/local_kafka.ts";
import { randomName } from "../../names.ts";
import { startScript } from "../support/wait.ts";
import { Chromium, type TabOptions } from "./chromium.ts";
import { takeLabs } from "./pictures_of_labs.ts";
import { recordStart } from "./recording.ts";

const ROOT = new URL("../../", import.meta.url);
const FOLDER = new URL("docs/pictures/", ROOT);
const RUN = ["run", "--allow-net", "--allow-env", "--allow-read"];
const TEXT = { "content-type": "application/vnd.kafka.text.v2+json" };

const DESKTOP = { width: 1280, height: 860, scale: 1.5, still: true };
const PHONE = { width: 390, height: 844, scale: 2, still: true };
/** Narrower than the page may be: documents show it smaller. */
const LABS = { width: 1100, scale: 1.5, scheme: "light", still: true } as const;
const PICTURES: Record<string, TabOptions & { full?: boolean }> = {
  "page-light": { ...DESKTOP, scheme: "light" },
  "page-dark": { ...DESKTOP, scheme: "dark" },
  "page-zh": { ...DESKTOP, scheme: "light", language: "zh-CN" },
  "page-zh-dark": { ...DESKTOP, scheme: "dark", language: "zh-CN" },
  "page-whole": { ...DESKTOP, scheme: "light", full: true },
  "page-whole-zh": { ...DESKTOP, scheme: "light", language: "zh-CN", full: true },
  "page-phone": { ...PHONE, scheme: "light" },
  "page-phone-zh": { ...PHONE, scheme: "dark", language: "zh-CN" },
};

/** How long records come in before the pictures are taken, so that the charts have something to show. */
const LOAD_MS = 40_000;

/** Writes names and orders, now more and now less, until the signal. */
async function load(url: string, signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    const count = 2 + Math.round(2 * Math.sin(i / 12)) + (i % 41 === 0 ? 30 : 0);
    const records = Array.from(
      { length: count },
      (_, n) =>
        n % 3 === 0
          ? {
            key: `order-${(i * 7 + n) % 90}`,
            value: `${["paid", "open", "sent"][i % 3]} ¥${(i * 37 + n * 11) % 900}`,
          }
          : { value: randomName() },
    );
    const response = await fetch(`${url}/topics/test`, {
      method: "POST",
      headers: TEXT,
      body: JSON.stringify({ records }),
    });
    await response.body?.cancel();
    await sleep(180);
  }
}

async function takePage(): Promise<void> {
  await using kafka = await startLocalKafka();
  const env = { KAFKA_BROKERS: kafka.bootstrap, HTTP_PORT: "0", HTTP_ACCESS_LOG: "false" };
  const start = (...args: string[]) => startScript([...RUN, ...args], { cwd: ROOT.pathname, env });
  await using server = start("server.ts");
  const [, url] = await server.line(/listening on (http:\/\/[\w.]+:\d+)/);
  await server.line(/"ready"/);
  await using consumer = start("consumer.ts");
  await using archive = start("consumer.ts", "--group", "archive");
  await Promise.all([consumer.line(/assigned/), archive.line(/assigned/)]);
  const stop = new AbortController();
  const loaded = load(url, stop.signal);
  await sleep(LOAD_MS / 2);
  archive.signal("SIGTERM"); // from now on its lag grows
  await sleep(LOAD_MS / 2);
  await using chromium = await Chromium.start();
  for (const [name, { full, ...options }] of Object.entries(PICTURES)) {
    await using tab = await chromium.open(url, options);
    await tab.shows("#groups", /archive/);
    await tab.shows("#lanes", /archive/);
    await tab.click("#send-name");
    await tab.click("#span input"); // one minute
    await tab.shows("#reports", /\d/);
    await sleep(2_500);
    await tab.shows("#lanes-rate", /^\d+ records\/s$|^每秒 \d+ 条$/); // neither a pause nor a burst
    await Deno.writeFile(new URL(`${name}.webp`, FOLDER), await tab.picture({ format: "webp", full }));
    if (tab.errors.length > 0) throw new Error(`${name}: ${tab.errors.join()}`);
  }
  stop.abort();
  await loaded;
}

const ALL: Record<string, () => Promise<void>> = {
  page: takePage,
  labs: () => takeLabs(FOLDER, LABS),
  start: () => recordStart(FOLDER),
};

async function main(): Promise<number> {
  const wanted = Deno.args.length > 0 ? Deno.args : Object.keys(ALL);
  const unknown = wanted.filter((name) => !(name in ALL));
  if (unknown.length > 0) {
    console.error(`There are no pictures of ${unknown.join(", ")}; expected some of: ${Object.keys(ALL).join(", ")}`);
    return 2;
  }
  await Deno.mkdir(FOLDER, { recursive: true });
  for (const name of wanted) await ALL[name]();
  return 0;
}

if (import.meta.main) Deno.exit(await main());

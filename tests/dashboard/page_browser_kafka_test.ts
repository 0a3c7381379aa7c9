/** The live page as people meet it: a real Chromium, the real server, a Kafka that is killed on the way. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { startLocalKafka } from "../../dev/local_kafka.ts";
import { createTopic } from "../support/kafka.ts";
import { readTopic } from "../support/reader.ts";
import { freePort, type Script, startScript, waitFor } from "../support/wait.ts";
import { Chromium, type Tab } from "./chromium.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const SERVE = ["run", "--allow-net", "--allow-env", "--allow-read", "server.ts"];
const PHONE = { width: 390, height: 844 };

/** A server, and where it is. */
async function serve(env: Record<string, string>): Promise<{ server: Script; url: string }> {
  const server = startScript(SERVE, { cwd: ROOT, env: { HTTP_PORT: "0", HTTP_ACCESS_LOG: "false", ...env } });
  const [, url] = await server.line(/listening on (http:\/\/[\w.]+:\d+)/);
  return { server, url };
}

/** Writes texts, and resolves when they are in Kafka. */
async function write(url: string, topic: string, records: { key?: string; value: string }[]): Promise<void> {
  const response = await fetch(`${url}/topics/${topic}`, {
    method: "POST",
    headers: { "content-type": "application/vnd.kafka.text.v2+json" },
    body: JSON.stringify({ records }),
  });
  assert.equal(response.status, 200, await response.text());
}

/** The number in a text, without its separators. */
function numberIn(text: string): number {
  return Number(/[\d,]+/.exec(text)![0].replaceAll(",", ""));
}

Deno.test("the live page", async (t) => {
  await using kafka = await startLocalKafka();
  await using chromium = await Chromium.start();
  await using topic = await createTopic(kafka.bootstrap, { partitions: 3 });
  const port = `${freePort()}`;
  const env = { KAFKA_BROKERS: kafka.bootstrap, KAFKA_TOPIC: topic.name, HTTP_PORT: port };
  const limits = { KAFKA_BATCH_BYTES: "1040000", HTTP_MAX_BODY_BYTES: "2000000", KAFKA_DELIVERY_TIMEOUT_MS: "3000" };
  const { server, url } = await serve({ ...env, ...limits });
  await using _server = server;
  await using tab = await chromium.open(url);

  await t.step("the first record is sent by a click, reported, and seen in its lane", async () => {
    await tab.shows("#state", /^Connected$/);
    await tab.shows("#lanes", /Partition 2/);
    await tab.click("#send-name");
    const report = await tab.shows("#reports li", /partition \d, offset \d+[\s\S]*after [\d.]+ m?s/);
    const [record] = await readTopic(kafka.bootstrap, topic.name);
    const value = record.value!.toString();
    assert.ok(report.startsWith(value), `${report} is told; expected ${value}`);
    assert.match(report, new RegExp(`partition ${record.partition}, offset ${record.offset}`));
    await tab.shows(`#lanes > li:nth-child(${record.partition + 1}) .chip-value`, new RegExp(`^${value}$`));
    await tab.shows(`#lanes > li:nth-child(${record.partition + 1}) .rail-end`, /^next 1$/);
  });

  await t.step("a refusal is shown as the API answered", async () => {
    const text = "x".repeat(1_050_000);
    await tab.run("(text) => { document.forms['send-form'].elements.value.value = text }", text);
    await tab.click("#send-form button");
    await tab.shows("#reports li.bad", /^413, code 413: .*KAFKA_BATCH_BYTES/);
    await tab.run("() => document.forms['send-form'].reset()");
  });

  await t.step("it speaks the browser's language, and the one that was chosen, also after a reload", async () => {
    await using chinese = await chromium.open(url, { language: "zh-CN" });
    await chinese.shows("#state", /^已连接$/);
    assert.equal(await chinese.run("() => document.documentElement.lang"), "zh-CN");
    await chinese.shows("#lanes", /分区 0/);
    await chinese.click("#language");
    await chinese.shows("#state", /^Connected$/);
    await chinese.go(url);
    await chinese.shows("#produce-title", /^Produce$/);
    await chinese.shows("#lanes", /Partition 0/);
    assert.deepEqual(chinese.errors, []);
  });

  await t.step("keys and values are text and nothing else, whatever is in them", async () => {
    const markup = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
    const hostile = [
      markup,
      "\u001b[31mred\u001b[0m",
      "abc\u202Egnp.exe",
      "a\u0000b\r\nc",
      "\u{e0041}\u200b",
      "خبر جديد",
    ];
    await write(url, topic.name, hostile.map((text) => ({ key: text, value: text })));
    await write(url, topic.name, [{ key: "big", value: "M".repeat(1_000_000) }]);
    const lanes = await tab.shows("#lanes", /M{100,}… \(977 KiB\)/);
    for (const part of ["<img src=x onerror=", "␛[31mred", "abc⟨U+202E⟩gnp.exe", "a␀b␍␊c", "⟨U+E0041⟩⟨U+200B⟩"]) {
      assert.ok(lanes.includes(part), `${part} is not in ${lanes}`);
    }
    await tab.run("() => { document.forms['search-form'].elements.text.value = 'onerror' }");
    await tab.click("#search-form button");
    await tab.shows("#search-text", /^1 found in \d+ records/);
    await tab.shows("#found", /<img src=x onerror=/);
    assert.equal(await tab.run("() => document.title"), "kafka-deno: live");
    assert.equal(await tab.run("() => document.querySelectorAll('main img, main script').length"), 0);
    assert.ok(
      await tab.run("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
      "the page got broader",
    );
    const made = await tab.run<string>(
      "() => { try { document.body.innerHTML = '<b>'; } catch (e) { return e.name } }",
    );
    assert.equal(made, "TypeError", "no script can make markup of a text");
  });

  await t.step("all can be done with the keyboard", async () => {
    await using keys = await chromium.open(url);
    await keys.shows("#state", /^Connected$/);
    const focused = () => keys.run<string>("() => document.activeElement.id || document.activeElement.name");
    const reach = async (wanted: string) => {
      for (let presses = 0; await focused() !== wanted; presses++) {
        assert.ok(presses < 40, `Tab does not lead to ${wanted}`);
        await keys.press("Tab");
        const outline = await keys.run<string>("() => getComputedStyle(document.activeElement).outlineStyle");
        assert.ok(outline !== "none" || /text|^body$/.test(await focused()), `${await focused()} shows no focus`);
      }
    };
    await keys.press("Tab");
    assert.equal(await keys.text(":focus"), "Skip to the records");
    await keys.press("Enter");
    assert.equal(await focused(), "main");
    await reach("send-name");
    await keys.press("Enter");
    await keys.shows("#reports li", /partition/);
    await reach("key");
    await keys.type("k-1");
    await reach("value");
    await keys.type("by keyboard");
    await keys.press("Enter");
    await keys.shows("#reports", /by keyboard/);
    await reach("rate");
    await keys.press("ArrowRight");
    await keys.shows("#rate-text", /^1 records\/s$/);
    await keys.press("ArrowLeft");
    await keys.shows("#rate-text", /^off$/);
    await reach("text");
    await keys.type("by keyb");
    await keys.press("Enter");
    await keys.shows("#search-text", /^1 found/);
    assert.deepEqual(keys.errors, []);
  });

  await t.step("axe-core finds nothing serious, in either theme, on a desktop and on a phone", async () => {
    await using phone = await chromium.open(url, PHONE);
    await phone.shows("#groups", /./);
    await phone.shows("#lanes", /Partition 2/);
    for (const page of [tab, phone]) {
      for (const scheme of ["light", "dark"] as const) {
        await page.scheme(scheme);
        assert.deepEqual(await page.seriousFindings(), [], scheme);
      }
    }
    assert.ok(
      await phone.run("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
      "the phone scrolls sideways",
    );
    await tab.scheme("light");
  });

  await t.step("5,000 records a second: all are counted, some are shown, no frame is late, nothing grows", async () => {
    await using blank = await chromium.open("about:blank");
    const seconds = Number(Deno.env.get("PAGE_LOAD_SECONDS") ?? 20);
    await followLoad(tab, { blank, url, topic: topic.name, seconds });
  });

  await t.step("nothing was asked of anybody else, and nothing went wrong in the page", () => {
    assert.deepEqual([...tab.hosts], [url]);
    // The refusal above, which Chromium logs for itself; and markup that it was told to make.
    assert.deepEqual(tab.errors.filter((error) => !/status of 413|TrustedHTML/.test(error)), []);
  });

  await t.step(
    "Kafka is killed: the page says so and what the server does; Kafka is back, and so are records",
    async () => {
      const [node] = kafka.nodes;
      await node.kill();
      await tab.shows("#state", /^Kafka is gone$/);
      await tab.shows("#state-text", /The server keeps trying/);
      await tab.click("#send-name");
      await tab.shows("#reports li:first-child", /^50[34], code 50[34]0\d: /);
      await node.start();
      await tab.shows("#state", /^Connected$/, 30_000);
      await write(url, topic.name, [{ key: "after", value: "back again" }]);
      await tab.shows("#lanes", /back again/, 30_000);
    },
  );

  await t.step("a server that stops is seen draining, then gone, and then another in its place", async () => {
    await tab.run(`() => {
      globalThis.states = [];
      const box = document.getElementById("state");
      new MutationObserver(() => states.push(box.dataset.kind)).observe(box, { attributes: true });
    }`);
    server.signal("SIGTERM");
    assert.equal((await server.exit).code, 0, server.tail());
    await tab.shows("#state", /^Server unreachable$/);
    const kinds = await tab.run<string[]>("() => [...new Set(states)]");
    assert.deepEqual(kinds.filter((kind) => kind !== "connected"), ["draining", "unreachable"]);
    await using next = (await serve(env)).server;
    await tab.shows("#state", /^Connected$/);
    next.signal("SIGTERM");
    assert.equal((await next.exit).code, 0, next.tail());
  });

  await t.step("where a token is needed the page asks for it, and keeps it for this tab alone", async () => {
    const { server, url } = await serve({ ...env, HTTP_PORT: "0", HTTP_TOKENS: "open-sesame" });
    await using _server = server;
    await using guarded = await chromium.open(url);
    const give = async (token: string) => {
      await waitFor(() => guarded.run("() => document.getElementById('token').open"), { what: "the question" });
      await guarded.run("(token) => { document.querySelector('#token input').value = token }", token);
      await guarded.click("#token button");
    };
    await give("wrong");
    await guarded.shows("#token-wrong", /does not know this token/);
    await give("open-sesame");
    await guarded.shows("#state", /^Connected$/);
    await guarded.click("#send-name");
    await guarded.shows("#reports li", /partition/);
    assert.equal(await guarded.run("() => sessionStorage.token"), "open-sesame");
    assert.doesNotMatch(await guarded.run("() => JSON.stringify(localStorage) + document.cookie"), /sesame/);
  });
});

/** What {@linkcode followLoad} needs. */
interface Load {
  url: string;
  topic: string;
  seconds: number;
  /** A page with nothing in it: how many frames this machine can draw while others use it as well. */
  blank: Tab;
}

/** Counts frames, second by second. */
async function countFrames(tab: Tab): Promise<void> {
  await tab.run(`() => {
    globalThis.frames = [];
    let [count, since] = [0, performance.now()];
    const frame = (now) => {
      count++;
      if (now - since >= 1000) [count, since] = (frames.push(1000 * count / (now - since)), [0, now]);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }`);
}

/** Writes 5,000 records a second, and watches the page meanwhile. */
async function followLoad(tab: Tab, { blank, url, topic, seconds }: Load): Promise<void> {
  const nodes = () => tab.run<number>("() => document.querySelectorAll('*').length");
  let stopped = false;
  const load = (async () => {
    for (let i = 0, next = Date.now(); !stopped; i++, next += 100) {
      await write(
        url,
        topic,
        Array.from({ length: 500 }, (_, n) => ({ key: `k${n % 50}`, value: `record ${i} ${n}` })),
      );
      await sleep(Math.max(0, next - Date.now()));
    }
  })();
  try {
    const text = await tab.shows("#lanes-rate", /^[45],\d{3} records\/s come in: .* so \d+ of them are shown/);
    assert.ok(numberIn(text.slice(text.indexOf("so "))) < 100, text);
    // As many as there will ever be.
    await waitFor(() => tab.run("() => document.querySelectorAll('.chip').length === 36"), { what: "full lanes" });
    const before = { nodes: await nodes(), heap: await tab.heapBytes() };
    for (const page of [tab, blank]) await countFrames(page);
    await sleep(1000 * seconds);
    const [frames, possible] = await Promise.all([tab, blank].map(async (page) => {
      return (await page.run<number[]>("() => frames")).sort((a, b) => a - b);
    }));
    const grown = (await tab.heapBytes() - before.heap) / 2 ** 20;
    const [worst, median, most] = [frames[0], middle(frames), middle(possible)].map(Math.round);
    const summary = `frames a second: ${median} in the median, ${worst} at worst, ${most} in a blank page`;
    console.log(`${frames.length} s; ${summary}; heap grown by ${grown.toFixed(1)} MiB`);
    // The median, since another process may take a second from us; and less where the machine has no more to give.
    assert.ok(median >= Math.min(30, 0.8 * most), summary);
    assert.equal(await nodes(), before.nodes, "elements");
    assert.ok(grown < 5, `the heap grew by ${grown} MiB`);
  } finally {
    stopped = true;
    await load;
  }
  await tab.shows("#lanes-rate", /^No records come in now$/);
}

function middle(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1];
}

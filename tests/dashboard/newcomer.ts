/**
 * The way of somebody who has just found the project, timed: clone, one command, the page in a browser, a record in its
 * lane. With nothing in any cache, unless `--warm`; what it took is written to newcomer.json, which the README quotes.
 *
 *     deno run --allow-net --allow-env --allow-read --allow-write --allow-run --allow-sys tests/dashboard/newcomer.ts
 *
 * @module
 */
import { availableParallelism, totalmem } from "node:os";
import { waitFor } from "../support/wait.ts";
import { Chromium } from "./chromium.ts";
import { FreshClone } from "./fresh_clone.ts";

const COMMAND = ["-y", "deno@2", "task", "start"];
const PAGE = /^ +(http:\S+)$/m;
/** What is on the way to a start with empty caches on a slow line. */
const PATIENCE_MS = 600_000;

/** Seconds from the beginning. */
interface Times {
  cloned: number;
  ready: number;
  pageOpen: number;
  recordSeen: number;
}

async function walk(warm: boolean): Promise<Times> {
  for (const port of [8082, 9092]) Deno.listen({ hostname: "127.0.0.1", port }).close();
  await using chromium = await Chromium.start(); // newcomers have a browser open
  const began = performance.now();
  const seconds = () => Number(((performance.now() - began) / 1000).toFixed(1));
  await using clone = await FreshClone.make();
  const cloned = seconds();
  const start = new Deno.Command("npx", {
    args: COMMAND,
    cwd: clone.folder,
    env: { ...(warm ? {} : clone.emptyHome()), NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    detached: true, // its group is stopped as a terminal stops it
  }).spawn();
  try {
    let output = "";
    void start.stdout.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (text) => void (output += text) }));
    const url = await waitFor(() => PAGE.exec(output)?.[1], { what: "start to say where", timeout: PATIENCE_MS });
    const ready = seconds();
    await using tab = await chromium.open(url);
    await tab.shows("#state", /^Connected$/);
    await tab.shows("#send-name", /test/);
    const pageOpen = seconds();
    await tab.click("#send-name");
    await tab.shows("#lanes .chip-value", /\S/);
    const recordSeen = seconds();
    return { cloned, ready, pageOpen, recordSeen };
  } finally {
    try {
      Deno.kill(-start.pid, "SIGINT");
    } catch {
      // It has ended.
    }
    await start.status;
  }
}

async function main(): Promise<void> {
  const warm = Deno.args.includes("--warm");
  const times = await walk(warm);
  const machine = `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${Deno.build.os}`;
  const result = { date: new Date().toISOString().slice(0, 10), machine, caches: warm ? "warm" : "empty", ...times };
  console.log(result);
  if (warm) return;
  await Deno.writeTextFile(new URL("newcomer.json", import.meta.url), JSON.stringify(result, null, 2) + "\n");
}

if (import.meta.main) await main();

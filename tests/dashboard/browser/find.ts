/**
 * Prints what the page's tests need and the project does not: the path of a Chromium, the system's or else one from
 * npm, and the source of axe-core. A script with packages of its own, so that `deno task start` never fetches 67 MB.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core/axe.min.js" with { type: "text" };

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** The system's Chromium, if there is one. */
function fromSystem(): string | undefined {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of NAMES) {
      try {
        if (Deno.statSync(`${folder}/${name}`).isFile) return `${folder}/${name}`;
      } catch {
        // Not there.
      }
    }
  }
}

/** Unpacked into the system's temporary folder, once. */
async function fromNpm(): Promise<string> {
  const { default: chromium } = await import("@sparticuz/chromium");
  // It takes what is there for whole, and test files that run side by side come here at the same time.
  using lock = await Deno.open(join(tmpdir(), "kafka-deno-chromium.lock"), { create: true, write: true });
  await lock.lock(true);
  return await chromium.executablePath();
}

if (import.meta.main) console.log(JSON.stringify({ chromium: fromSystem() ?? await fromNpm(), axe }));

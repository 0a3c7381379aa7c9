/**
 * Records what the README begins with: `start` in a fresh clone, and a record that is sent from a second terminal, at
 * the speed at which it happened.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../support/wait.ts";
import { FreshClone } from "./fresh_clone.ts";
import { type ShownLine, terminalSvg } from "./terminal_svg.ts";

const START = "npx -y deno@2 task start";
const SEND = "curl -X POST localhost:8082/names";
/** The ports of both commands as they stand there. */
const PORTS = [8082, 9092];
/** As long as it takes to type the second command. */
const TYPING_MS = 2_000;
const CTRL_C = "\x03";

/** Lines with the times at which they came. */
class Clock {
  readonly #began = performance.now();

  now(): number {
    return Math.round(performance.now() - this.#began);
  }

  async read(output: ReadableStream<Uint8Array>, lines: ShownLine[]): Promise<void> {
    let rest = "";
    for await (const text of output.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split(/\r*\n/);
      rest = parts.pop()!;
      for (const part of parts) lines.push({ at: this.now(), text: part });
    }
    if (rest) lines.push({ at: this.now(), text: rest });
  }
}

/** Plays it, and writes `start.svg`. Needs the ports 8082 and 9092, and `script` of util-linux. */
export async function recordStart(folder: URL): Promise<void> {
  for (const port of PORTS) Deno.listen({ hostname: "127.0.0.1", port }).close();
  await using clone = await FreshClone.make();
  const [lines, answer]: [ShownLine[], ShownLine[]] = [[], []];
  const clock = new Clock();
  // `script` gives it a terminal, and with that its colours.
  const start = new Deno.Command("script", {
    args: ["-qefc", START, "/dev/null"],
    cwd: clone.folder,
    env: { TERM: "xterm-256color", npm_config_progress: "false" }, // a wheel that turns is no line
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const read = clock.read(start.stdout, lines);
  const says = (pattern: RegExp) =>
    waitFor(() => lines.some(({ text }) => pattern.test(text)), { what: `start to show ${pattern}`, timeout: 60_000 });
  const keyboard = start.stdin.getWriter();
  try {
    await says(/in test\[2\] at offset 0/);
    await sleep(TYPING_MS);
    const sent = clock.now();
    const curl = new Deno.Command("curl", { args: ["-s", ...SEND.split(" ").slice(1)], stdout: "piped" }).spawn();
    await clock.read(curl.stdout, answer);
    await says(/POST \/names 200/);
    await says(/at offset 1/);
    const panes = [
      { command: { at: 0, text: START }, lines: [...lines] },
      { command: { at: sent, text: SEND }, lines: answer },
    ];
    const title =
      "deno task start: Kafka, the server and the consumer start; a name is posted, and the consumer prints it";
    await Deno.writeTextFile(new URL("start.svg", folder), terminalSvg(panes, title));
  } finally {
    await keyboard.write(new TextEncoder().encode(CTRL_C));
    await read;
    await keyboard.abort().catch(() => {}); // it has ended
    await start.status;
  }
}

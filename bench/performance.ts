/**
 * `docs/performance.md`: made of what was measured last (`bench/results.json`) and of what is written by hand
 * (`bench/profiles.md`: its beginning comes first, its sections come last).
 *
 * @module
 */
import type { Result, Row, Summary } from "./contest.ts";
import { type AllKept, type Kept, readResults } from "./results.ts";
import { figure, ratioText } from "./table.ts";
import { ROOT } from "./tools.ts";

const PATH = "docs/performance.md";
const PROFILES = new URL("profiles.md", import.meta.url);

/** How each benchmark is told, in this order. */
const SECTIONS: Record<string, { title: string; text: string }> = {
  http: {
    title: "HTTP",
    text:
      `The same request again and again on 64 connections, each answered before the next. Every run starts its server
anew, on a topic of its own with three partitions, and warms it up. The echo is a bare \`Deno.serve\` that parses the
JSON and sends it back; the producer alone is our delivery path behind a bare \`Deno.serve\`, without the routes, guards,
metrics and log of our server. The Go endpoint is \`net/http\` with one franz-go client, the Python one uvicorn with one
confluent-kafka producer, both in \`bench/peers/\`; a producer per request is what tutorials show. All of them answer when
Kafka has the records: idempotent, acks from all in-sync replicas, no compression. CPU seconds and memory are those of
the server's process.`,
  },
  produce: {
    title: "Produce",
    text: `Records that are at hand are sent as fast as each client can, idempotent and with acks from all in-sync
replicas. What it takes to start a program does not count.`,
  },
  "produce memory": {
    title: "Memory of a producer at full speed",
    text: "Our producer alone. The ratio is that of memory to the first minute's.",
  },
  consume: {
    title: "Consume",
    text:
      `The same topic is read from its beginning to its end. Ours checks every batch's CRC and commits in a group; kcat
does neither. What it takes to start a program and to join a group does not count, except for Kafka's own tool, which
measures itself from its first fetch.`,
  },
  latency: {
    title: "Latency",
    text: `Requests with a record each are sent on a schedule, whatever became of those before. Time counts from when a
request should have been sent, so that one that waits behind a server that is stuck counts as slow (coordinated
omission). "Answered" is its answer at the client, "handled" is the record in a handler of our consumer, whoever wrote it
into Kafka. "Clock late" is how late the load generator itself was.`,
  },
  start: {
    title: "Start and rest",
    text:
      `From the start of the process to its first good answer (of ours: \`/readyz\`, which says that Kafka answers and
the topic is there), on a Kafka that runs already. At rest, nobody calls.`,
  },
  scaling: {
    title: "Scaling",
    text: `One record of 100 bytes a request, 64 connections and three partitions, where nothing else is said. The echo
sends back what it got, so that large records cost it more. Latency to Kafka is added by a proxy in a process of its
own; "round trip" is what it comes to. Processes share a port by \`SO_REUSEPORT\`, which our server has no setting for:
a script that is loaded before it listens a second time.

Where requests/s come near requests/CPU s, a server keeps one core busy all the time, and it has no use for a second.
Broker and load generator have the other cores; a second server process gains only what those leave.`,
  },
};

/** The document, before it is formatted. `profiles` has at least one section. */
export function performanceText(all: AllKept, profiles: string): string {
  const sections = profiles.search(/^## /m);
  const parts = Object.entries(SECTIONS).flatMap(([name, section]) =>
    all[name] ? [sectionText(section, all[name])] : []
  );
  return `# Performance

<!-- Made by \`deno task bench\` of bench/results.json and bench/profiles.md: change those, not this. -->

${profiles.slice(0, sections)}

Figures are medians over rounds, in each of which every contestant had its turn, with the least and the most beside
them. The ratio is that of the first figure to the first row's, round by round.

${parts.join("\n\n")}

${profiles.slice(sections)}`;
}

function sectionText({ title, text }: { title: string; text: string }, kept: Kept): string {
  return [`## ${title}`, text, conditions(kept), ...kept.results.map((result) => contestText(result, kept))].join(
    "\n\n",
  );
}

/** When, where, and with what. */
function conditions({ date, command, machine, versions }: Kept): string {
  const { cpu, cores, memoryGiB, system } = machine;
  const day = new Date(date).toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
    timeZone: "UTC",
  });
  const parts = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `\`${command}\`, ${day}; ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; ${parts.join(", ")}.`;
}

function contestText({ title, rows, missing }: Result, { command }: Kept): string {
  const left = missing.map(({ name, why }) => `${name} was left out: ${why}.`);
  return [`### ${sentence(title)}`, ...table(rows), ...left, ...commands(rows, command)].join("\n\n");
}

function sentence(title: string): string {
  return title[0].toUpperCase() + title.slice(1);
}

/** The first figure is what contestants are compared by; those after it have their spread in one cell. */
function table(rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const [first, ...others] = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const most = Math.max(...rows.map(({ figures }) => figures[first].median));
  const head = ["", first, "min to max", "", "ratio", ...others];
  const lines = rows.map(({ name, figures, ratio }) => {
    const { median, min, max } = figures[first];
    const spread = `${figure(min)} to ${figure(max)}`;
    return [
      name,
      figure(median),
      spread,
      bar(median / most),
      ratioText(ratio),
      ...others.map((other) => cell(figures[other])),
    ];
  });
  const marks = head.map((_, column) => column === 0 || column === 3 ? "---" : "--:");
  return [[head, marks, ...lines].map((cells) => `| ${cells.map(escaped).join(" | ")} |`).join("\n")];
}

function cell(summary: Summary | undefined): string {
  if (!summary) return "";
  const { median, min, max } = summary;
  return min === max ? figure(median) : `${figure(median)} (${figure(min)} to ${figure(max)})`;
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A share as a bar, sixteen characters long for 1. */
export function bar(share: number): string {
  const eighths = Math.round(share * 16 * 8);
  return "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}

/** To be typed in the project's folder; what differs from run to run stands as a name. */
function commands(rows: readonly Row[], command: string): string[] {
  const lines = rows.map(({ name, command }) => `# ${name}\n${command}`);
  return [`<details><summary>Commands</summary>\n\n\`\`\`sh\n${command}\n\n${lines.join("\n")}\n\`\`\`\n\n</details>`];
}

/** As `deno fmt` wants it, to which all documents are held. @throws {Error} when it fails */
export async function formatted(markdown: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext=md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno fmt failed: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** The document as it should be now. */
export async function currentPerformance(): Promise<string> {
  return await formatted(performanceText(await readResults(), await Deno.readTextFile(PROFILES)));
}

/** Writes it. @returns its path */
export async function writePerformance(): Promise<string> {
  await Deno.writeTextFile(`${ROOT}/${PATH}`, await currentPerformance());
  return PATH;
}

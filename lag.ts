/**
 * How far consumer groups are behind.
 *
 *     deno task lag
 *     deno task lag --group billing --watch
 *     deno task lag --all --json
 *
 * @module
 */
import { type Config, configOrExit } from "./config.ts";
import { rootCause } from "./errors.ts";
import { createKafka } from "./kafka/client.ts";
import { type GroupView, viewGroups } from "./kafka/groups.ts";
import { sleep } from "./kafka/wait.ts";
import { escapeControls, setupLogging } from "./log.ts";
import { stopSignal } from "./signals.ts";

const USAGE = `Shows members, assignment and lag of a consumer group, or of all. Exit code 1 if there is no such group.

Usage: deno task lag [flags]
  deno task lag --group myConsumerGroup --watch
  deno task lag --all --json`;

/** Between two looks, in ms. */
const WATCH_MS = 2_000;
const CLEAR = "\x1b[H\x1b[2J";

/** A group in words: one line about it, then a table. */
export function renderGroup({ group, state, members, partitions }: GroupView): string {
  const total = partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
  const head = `${group}: ${state}, ${count(members.length, "member")}, ${total} behind`;
  const rows = partitions.map(({ topic, partition, committed, end, lag, memberId }) => {
    const member = members.find((it) => it.memberId === memberId);
    return [topic, partition, committed, end, lag, member && `${member.memberId} (${member.host})`]
      .map((cell) => String(cell ?? "-"));
  });
  if (rows.length === 0) return escapeControls(head);
  const table = [["topic", "partition", "committed", "end", "lag", "member"], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) =>
    // Numbers to the right.
    row.map((cell, i) => i > 0 && i < 5 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])).join("  ").trimEnd()
  );
  return [head, ...lines.map((line) => `  ${line}`)].map(escapeControls).join("\n");
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Looks once, or until asked to stop. @returns the process's exit code */
async function show(config: Config<"lag">): Promise<number> {
  const client = createKafka(config, { retries: 3 });
  const signal = config.watch ? stopSignal() : AbortSignal.abort();
  for (;;) {
    const groups = await viewGroups(client, config.all ? "all" : [config.groupId]);
    const lines = groups.map((group) => config.json ? JSON.stringify(group) : renderGroup(group));
    console.log((config.watch && !config.json && Deno.stdout.isTerminal() ? CLEAR : "") + lines.join("\n"));
    if (signal.aborted) return groups.some(({ state }) => state === "Dead") ? 1 : 0;
    await sleep(WATCH_MS, signal);
    if (signal.aborted) return 0;
  }
}

async function main(): Promise<number> {
  const config = configOrExit("lag", USAGE);
  setupLogging({ ...config, logLevel: config.logLevel === "INFO" ? "CRITICAL" : config.logLevel });
  try {
    return await show(config);
  } catch (error) {
    console.error(`Cannot look at groups on ${config.brokers}: ${rootCause(error)}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

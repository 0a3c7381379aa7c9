/**
 * Moves a consumer group's position.
 *
 *     deno task offsets --to beginning --dry-run
 *     deno task offsets --group billing --topic orders --to time:2026-05-01T12:00:00Z
 *
 * @module
 */
import { type Config, configOrExit } from "./config.ts";
import { rootCause } from "./errors.ts";
import { resolve } from "./consumer/positions.ts";
import { check, Code } from "./kafka/broker_error.ts";
import { createKafka } from "./kafka/client.ts";
import { Cluster } from "./kafka/cluster.ts";
import { Coordinator } from "./kafka/coordinator.ts";
import { offsetCommit, type Position } from "./kafka/group_requests.ts";
import { viewGroups } from "./kafka/groups.ts";
import { Metadata } from "./kafka/metadata.ts";
import { loggerFor, setupLogging } from "./log.ts";

const USAGE = `Moves a consumer group's position in topics. The group must have no members: they would go on from where
they are, and commit that.

Usage: deno task offsets --to PLACE [flags]
  deno task offsets --to beginning --dry-run
  deno task offsets --group billing --topic orders --to time:2026-05-01T12:00:00Z`;

/** A position before and after; null where there was none. */
interface Move extends Position {
  before: number | null;
}

/** Finds the moves that a place means. */
async function plan(config: Config<"offsets">, parts: { cluster: Cluster; metadata: Metadata; group: Coordinator }) {
  const partitions = [];
  for (const topic of config.topics) {
    const { leaders } = await parts.metadata.lookUp(topic);
    partitions.push(...[...leaders].map((_, partition) => ({ topic, partition })));
  }
  const before = await parts.group.committed(partitions);
  const after = await resolve(config.to!, partitions, parts);
  return partitions.map(({ topic, partition }): Move => {
    const offsetIn = (positions: Position[]) =>
      positions.find((p) => p.topic === topic && p.partition === partition)!.offset;
    const committed = offsetIn(before);
    return { topic, partition, offset: offsetIn(after), before: committed < 0 ? null : committed };
  });
}

/** Refuses while somebody would overwrite it. */
async function refuseMembers(config: Config<"offsets">): Promise<void> {
  const [{ members, state }] = await viewGroups(createKafka(config, { retries: 3 }), [config.groupId]);
  if (members.length === 0) return;
  const who = members.map(({ clientId, host }) => `${clientId} (${host})`).join(", ");
  throw new Error(`group "${config.groupId}" is ${state} with ${members.length} members: ${who}; stop them first`);
}

async function move(config: Config<"offsets">): Promise<void> {
  const log = loggerFor("kafka");
  const cluster = new Cluster(createKafka(config));
  const metadata = new Metadata(cluster, log);
  const group = new Coordinator(cluster, config.groupId, log);
  try {
    await metadata.start();
    await refuseMembers(config);
    const moves = await plan(config, { cluster, metadata, group });
    if (!config.dryRun) {
      // As nobody's member: the coordinator refuses it if there are members after all.
      const nobody = { groupId: config.groupId, generation: -1, memberId: "", instanceId: null };
      const refused = await group.ask(offsetCommit(nobody, moves));
      check(`move group "${config.groupId}"`, refused[0]?.code ?? Code.none);
    }
    for (const { topic, partition, before, offset } of moves) {
      console.log(`${topic}[${partition}]  ${before ?? "-"} -> ${offset}`);
    }
    console.error(config.dryRun ? "Nothing was changed (--dry-run)." : `Moved group ${config.groupId}.`);
  } finally {
    await cluster.close();
    await metadata.stop();
  }
}

async function main(): Promise<number> {
  const config = configOrExit("offsets", USAGE);
  setupLogging({ ...config, logLevel: config.logLevel === "INFO" ? "CRITICAL" : config.logLevel });
  try {
    await move(config);
    return 0;
  } catch (error) {
    console.error(`Cannot move the position on ${config.brokers}: ${rootCause(error)}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

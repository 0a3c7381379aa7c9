/**
 * Consumer groups as an operator sees them: members, who has what, how far behind.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { decodeAssignment } from "./assignment.ts";
import type { KafkaClient } from "./client.ts";
import type { TopicPartition } from "./group_requests.ts";
import { withAdmin } from "./topics.ts";

/** A member and its partitions. */
export interface MemberView {
  memberId: string;
  clientId: string;
  host: string;
  partitions: TopicPartition[];
}

/** A partition that a group has committed or assigned. Null where there is nothing to say. */
export interface PartitionView extends TopicPartition {
  committed: number | null;
  end: number | null;
  lag: number | null;
  memberId: string | null;
}

/** A group. */
export interface GroupView {
  group: string;
  state: string;
  members: MemberView[];
  partitions: PartitionView[];
}

/** Looks at groups: those that are named, or all that there are. A group that there is not is `Dead` and empty. */
export async function viewGroups(client: KafkaClient, names: readonly string[] | "all"): Promise<GroupView[]> {
  return await withAdmin(client, async (admin) => {
    const groups = names === "all"
      ? (await admin.listGroups()).groups.filter(({ protocolType }) => protocolType === "consumer" || !protocolType)
        .map(({ groupId }) => groupId).sort()
      : names;
    if (groups.length === 0) return [];
    const described = (await admin.describeGroups([...groups])).groups;
    const views = await Promise.all(groups.map(async (group): Promise<GroupView> => {
      const { state, members = [] } = described.find(({ groupId }) => groupId === group) ?? { state: "Dead" };
      const memberViews = members.map(({ memberId, clientId, clientHost, memberAssignment }) => ({
        memberId,
        clientId,
        host: clientHost.replace(/^\//, ""),
        partitions: decodeAssignment(memberAssignment),
      }));
      return { group, state, members: memberViews, partitions: await viewPartitions(admin, group, memberViews) };
    }));
    const ends = await endsOf(admin, new Set(views.flatMap(({ partitions }) => partitions.map(({ topic }) => topic))));
    for (const partition of views.flatMap(({ partitions }) => partitions)) {
      const end = ends.get(`${partition.topic} ${partition.partition}`) ?? null;
      partition.end = end;
      partition.lag = end === null || partition.committed === null ? null : Math.max(0, end - partition.committed);
    }
    return views;
  });
}

async function viewPartitions(admin: Admin, group: string, members: MemberView[]): Promise<PartitionView[]> {
  const views = new Map<string, PartitionView>();
  const view = ({ topic, partition }: TopicPartition) => {
    const key = `${topic} ${partition}`;
    const found = views.get(key) ?? { topic, partition, committed: null, end: null, lag: null, memberId: null };
    views.set(key, found);
    return found;
  };
  for (const { topic, partitions } of await admin.fetchOffsets({ groupId: group })) {
    for (const { partition, offset } of partitions) {
      if (Number(offset) >= 0) view({ topic, partition }).committed = Number(offset);
    }
  }
  for (const { memberId, partitions } of members) {
    for (const partition of partitions) view(partition).memberId = memberId;
  }
  return [...views.values()].sort((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1
  );
}

/** Ends by "topic partition"; topics that are gone are left out. */
async function endsOf(admin: Admin, topics: ReadonlySet<string>): Promise<Map<string, number>> {
  const known = await admin.listTopics();
  const ends = await Promise.all(
    [...topics].filter((topic) => known.includes(topic)).map(async (topic) =>
      (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) =>
        [`${topic} ${partition}`, Number(high)] as const
      )
    ),
  );
  return new Map(ends.flat());
}

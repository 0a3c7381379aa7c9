/** Our requests are byte for byte those of kafkajs, where it knows the same version, and so are the answers we read. */
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import type { BrokerRequest } from "../../kafka/cluster.ts";
import { fetchRecords } from "../../kafka/fetch_requests.ts";
import {
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from "../../kafka/group_requests.ts";
import { RequestWriter, ResponseReader } from "../../kafka/wire.ts";
import { request } from "../support/kafkajs_codec.ts";

const MEMBER = { groupId: "gruppe-ä", generation: 7, memberId: "me", instanceId: null };
const POSITIONS = [
  { topic: "a", partition: 0, offset: 5 },
  { topic: "a", partition: 2, offset: 2 ** 40 },
  { topic: "b", partition: 1, offset: 0 },
];
const BY_TOPIC = [
  { topic: "a", partitions: [{ partition: 0, offset: "5" }, { partition: 2, offset: String(2 ** 40) }] },
  { topic: "b", partitions: [{ partition: 1, offset: "0" }] },
];
const { groupId, memberId, generation } = MEMBER;

const CASES: [name: string, ours: BrokerRequest<unknown>, options: unknown][] = [
  ["FindCoordinator", findCoordinator(groupId), { coordinatorKey: groupId, groupId, coordinatorType: 0 }],
  [
    "JoinGroup",
    joinGroup(MEMBER, {
      protocol: "range",
      subscription: Buffer.from("sub"),
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
    }),
    {
      groupId,
      sessionTimeout: 30_000,
      rebalanceTimeout: 60_000,
      memberId,
      protocolType: "consumer",
      groupProtocols: [{ name: "range", metadata: Buffer.from("sub") }],
    },
  ],
  [
    "SyncGroup",
    syncGroup(MEMBER, [["me", Buffer.from("mine")], ["you", Buffer.from("yours")]]),
    {
      groupId,
      generationId: generation,
      memberId,
      groupAssignment: [
        { memberId: "me", memberAssignment: Buffer.from("mine") },
        { memberId: "you", memberAssignment: Buffer.from("yours") },
      ],
    },
  ],
  ["Heartbeat", heartbeat(MEMBER), { groupId, groupGenerationId: generation, memberId }],
  ["LeaveGroup", leaveGroup(MEMBER), { groupId, memberId }],
  [
    "Fetch",
    fetchRecords(POSITIONS, { maxWaitMs: 500, maxBytes: 1000, maxPartitionBytes: 100 }),
    {
      replicaId: -1,
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 1000,
      isolationLevel: 1,
      topics: BY_TOPIC.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, offset }) => ({ partition, fetchOffset: offset, maxBytes: 100 })),
      })),
    },
  ],
  ["OffsetFetch", offsetFetch(groupId, POSITIONS), { groupId, topics: BY_TOPIC }],
];

for (const [name, { apiKey, apiVersion, body }, options] of CASES) {
  // kafkajs has OffsetFetch up to version 4, whose request is the same.
  const version = name === "OffsetFetch" ? 4 : apiVersion;
  Deno.test(`${name} ${apiVersion} is encoded as kafkajs encodes it`, async () => {
    const theirs = await request(name, version, options);
    assert.equal(theirs.frame.readInt16BE(4), apiKey);
    assert.deepEqual(Buffer.from(body), Buffer.from(theirs.frame.subarray(theirs.body)));
  });
}

Deno.test("OffsetCommit 7 has the fields of version 5, the instance and no leader epochs", async () => {
  const theirs = await request("OffsetCommit", 5, {
    groupId,
    groupGenerationId: generation,
    memberId,
    topics: BY_TOPIC,
  });
  const { body } = offsetCommit({ ...MEMBER, instanceId: "i" }, POSITIONS);
  const reader = new ResponseReader(body);
  const [group, epoch, member, instance] = [reader.string(), reader.int32(), reader.string(), reader.string()];
  assert.equal(instance, "i");
  const rest = new RequestWriter().string(group).int32(epoch).string(member);
  rest.array(reader.array(() => [reader.string(), reader.array(() => readPosition(reader))] as const), (it) => {
    const [topic, positions] = it;
    rest.string(topic).array(positions, ([partition, offset]) => rest.int32(partition).int64(offset).string(null));
  });
  assert.deepEqual(rest.done(), Buffer.from(theirs.frame.subarray(theirs.body)));
});

function readPosition(reader: ResponseReader): [number, number] {
  const position: [number, number] = [reader.int32(), reader.int64()];
  assert.equal(reader.int32(), -1);
  reader.string();
  return position;
}

Deno.test("an answer that ends too early, or claims more than there is, is an error and not a crash", () => {
  assert.throws(() => new ResponseReader(Buffer.alloc(3)).int32(), RangeError);
  assert.throws(() => new ResponseReader(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0])).array(() => 0), /does not fit/);
  assert.throws(() => new ResponseReader(Buffer.from([0, 9, 65])).string(), RangeError);
});

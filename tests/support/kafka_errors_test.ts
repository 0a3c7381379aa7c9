// The proxy's changes to Kafka's messages, encoded and decoded by kafkajs.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { partsOf, refusal, withErrors, withThrottle } from "./kafka_errors.ts";
import { int16, int32, parseRequest, responseFrame, string } from "./kafka_frames.ts";
import { decode, outcomes, PRODUCE, produced, request } from "./kafkajs_codec.ts";

const FETCH_TOPICS = [{
  topic: "a",
  partitions: [0, 1].map((partition) => ({
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: 5,
    maxBytes: 1000,
  })),
}];

Deno.test("the partitions of kafkajs's Produce and Fetch requests are found", async () => {
  const produce = await request("Produce", 7, PRODUCE);
  assert.equal(produce.clientId, "kafkajs");
  assert.deepEqual(partsOf(produce).map((it) => it.topic + it.partition), [
    ...["a0", "a1", "b0"],
  ]);
  for (const version of [8, 9, 11]) {
    const options = { topics: FETCH_TOPICS, maxWaitTime: 1, minBytes: 1 };
    const fetch = await request("Fetch", version, options);
    assert.deepEqual(partsOf(fetch), [
      { topic: "a", partition: 0 },
      { topic: "a", partition: 1 },
    ]);
  }
});

Deno.test("a Produce with acks=0 is not waited for, in old and new versions", async () => {
  for (const [acks, answered] of [[0, false], [1, true], [-1, true]] as const) {
    for (const version of [3, 7]) {
      const it = await request("Produce", version, { ...PRODUCE, acks });
      assert.equal(it.answered, answered);
    }
    // Version 9: header, no tags, transactional id (null, then "tx"), acks.
    for (const id of [[0], [3, 0x74, 0x78]]) {
      const frame = Buffer.concat([
        ...[int32(0), int16(0), int16(9), int32(1), string("id")],
        ...[Buffer.of(0), Buffer.from(id), int16(acks)],
      ]);
      assert.equal(parseRequest(frame).answered, answered);
    }
  }
});

for (const version of [3, 5, 7]) {
  Deno.test(`a Produce v${version} response gets an error for one partition alone`, async () => {
    const it = await request("Produce", version, PRODUCE);
    const frame = withErrors(it, responseFrame(it, produced(it)), {
      error: 19,
      isHit: ({ topic, partition }) => topic === "a" && partition === 1,
    });
    const data = await decode(it, frame);
    assert.deepEqual(outcomes(data), {
      a0: "0 at 7",
      a1: "19 at -1",
      b0: "0 at 7",
    });
    assert.equal(data.clientSideThrottleTime ?? data.throttleTime, 3);
  });
}

const GROUP = {
  groupId: "g",
  memberId: "m",
  groupGenerationId: 1,
  generationId: 1,
  sessionTimeout: 1,
  rebalanceTimeout: 1,
  groupProtocols: [],
  groupAssignment: [],
  members: [{ memberId: "m" }],
};

for (
  const [api, version, options] of [
    ["InitProducerId", 1, { transactionTimeout: 1000 }],
    ["FindCoordinator", 2, { coordinatorKey: "g", coordinatorType: 0 }],
    ["JoinGroup", 5, GROUP],
    ["SyncGroup", 3, GROUP],
    ["Heartbeat", 3, GROUP],
    ["LeaveGroup", 3, GROUP],
    ["Fetch", 11, { topics: FETCH_TOPICS, maxWaitTime: 1, minBytes: 1 }],
  ] as const
) {
  Deno.test(`kafkajs understands a refused ${api} v${version}, and a throttled one`, async () => {
    const it = await request(api, version, options);
    for (const error of [15, 0]) {
      const frame = responseFrame(it, refusal(it, error));
      const data = await decode(it, frame);
      assert.equal(data.errorCode, error);
      assert.equal(withThrottle(it, frame, 321).readInt32BE(8), 321);
    }
    const fine = responseFrame(it, refusal(it, 0));
    const hit = { error: 16, isHit: () => true };
    if (api === "Fetch") return; // its partitions get it instead
    const data = await decode(it, withErrors(it, fine, hit));
    assert.equal(data.errorCode, 16);
  });
}

Deno.test("one partition of a Fetch response gets an error, the other keeps its records", async () => {
  const options = { topics: FETCH_TOPICS, maxWaitTime: 1, minBytes: 1 };
  const it = await request("Fetch", 11, options);
  const batch = Buffer.alloc(61);
  batch[16] = 2; // magic; no records in it
  batch.writeInt32BE(61 - 12, 8);
  const part = (partition: number) => [
    ...[int32(partition), int16(0), ...Array(6).fill(int32(1))],
    ...[int32(1), Buffer.alloc(16)], // one aborted transaction
    ...[int32(-1), int32(batch.length), batch],
  ];
  const body = Buffer.concat([
    ...[int32(0), int16(0), int32(77)],
    ...[int32(1), string("a"), int32(2), ...part(0), ...part(1)],
  ]);
  const frame = withErrors(it, responseFrame(it, body), {
    error: 1,
    isHit: ({ partition }) => partition === 1,
  });
  const data = await decode(it, frame);
  assert.equal(data.sessionId, 77);
  const [first, second] = data.responses[0].partitions;
  assert.deepEqual([first.partition, first.errorCode], [0, 0]);
  assert.equal(first.abortedTransactions.length, 1);
  assert.deepEqual([second.partition, second.errorCode], [1, 1]);
  assert.deepEqual(second.messages, []);
  assert.ok(frame.includes(batch));
  assert.equal(frame.indexOf(batch), frame.lastIndexOf(batch));
});

Deno.test("partitions of OffsetCommit and ListOffsets get errors, OffsetFetch one for all", async () => {
  const topics = [{ topic: "a", partitions: [{ partition: 0, offset: "1" }] }];
  const hit = { error: 27, isHit: () => true };
  const parts = (...rest: Buffer[]) => Buffer.concat([int32(1), string("a"), int32(1), int32(0), ...rest]);

  const commit = await request("OffsetCommit", 5, { ...GROUP, topics });
  const done = Buffer.concat([int32(0), parts(int16(0))]);
  const committed = await decode(
    commit,
    withErrors(commit, responseFrame(commit, done), hit),
  );
  assert.equal(committed.responses[0].partitions[0].errorCode, 27);

  const list = await request("ListOffsets", 3, { replicaId: -1, topics });
  const listed = Buffer.concat([int32(0), parts(int16(0), Buffer.alloc(16))]);
  const offsets = await decode(
    list,
    withErrors(list, responseFrame(list, listed), hit),
  );
  assert.equal(offsets.responses[0].partitions[0].errorCode, 27);

  const fetch = await request("OffsetFetch", 4, { groupId: "g", topics });
  const fetched = Buffer.concat([
    ...[int32(0), parts(Buffer.alloc(8), string(""), int16(0)), int16(0)],
  ]);
  const answer = await decode(
    fetch,
    withErrors(fetch, responseFrame(fetch, fetched), hit),
  );
  assert.equal(answer.errorCode, 27);
});

Deno.test("versions of unknown layout are refused, not guessed", async () => {
  const it = await request("Produce", 7, PRODUCE);
  const hit = { error: 6, isHit: () => true };
  const newer = { ...it, version: 9 };
  assert.throws(() => partsOf(newer), /Produce version 9: .* versions 3 to 8/);
  assert.throws(() => refusal(newer, 6), /Produce version 9/);
  const metadata = { ...it, api: "Metadata" as const };
  assert.throws(() => withErrors(metadata, it.frame, hit), /Metadata/);
  assert.throws(() => partsOf(metadata), /Metadata/);
});

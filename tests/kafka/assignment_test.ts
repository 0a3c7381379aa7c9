import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import fc from "fast-check";
import { AssignerProtocol } from "kafkajs";
import {
  assignRange,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../kafka/assignment.ts";

const { MemberAssignment, MemberMetadata } = AssignerProtocol;

Deno.test("kafkajs reads our subscriptions and assignments, and we read its", () => {
  const topics = ["b", "a"];
  assert.deepEqual(MemberMetadata.decode(encodeSubscription(topics))!.topics, ["a", "b"]);
  const theirs = MemberMetadata.encode({ version: 1, topics, userData: Buffer.from("x") });
  assert.deepEqual(decodeSubscription(theirs), topics);
  const partitions = [{ topic: "a", partition: 0 }, { topic: "a", partition: 3 }, { topic: "b", partition: 1 }];
  assert.deepEqual(MemberAssignment.decode(encodeAssignment(partitions))!.assignment, { a: [0, 3], b: [1] });
  const assignment = { a: [0, 3], b: [1] };
  assert.deepEqual(
    decodeAssignment(MemberAssignment.encode({ version: 1, assignment, userData: Buffer.alloc(0) })),
    partitions,
  );
  assert.deepEqual(decodeAssignment(Buffer.alloc(0)), []);
});

Deno.test("partitions are dealt out in stretches, the first members get one more", () => {
  const members = ["c", "a", "b"].map((memberId) => ({ memberId, topics: ["t"] }));
  const shares = assignRange(members, new Map([["t", 8]]));
  const numbers = ["a", "b", "c"].map((member) => shares.get(member)!.map(({ partition }) => partition));
  assert.deepEqual(numbers, [[0, 1, 2], [3, 4, 5], [6, 7]]);
});

Deno.test("every partition goes to exactly one member that wants it, and shares differ by at most one", () => {
  const topic: fc.Arbitrary<string> = fc.constantFrom("a", "b", "c");
  const members = fc.uniqueArray(fc.record({ memberId: fc.string(), topics: fc.uniqueArray(topic) }), {
    selector: ({ memberId }) => memberId,
    maxLength: 9,
  });
  const counts = fc.dictionary(topic, fc.integer({ min: 0, max: 40 }));
  fc.assert(fc.property(members, counts, (members, counts) => {
    const shares = assignRange(members, new Map(Object.entries(counts)));
    for (const [topic, count] of Object.entries(counts)) {
      const takers = members.filter(({ topics }) => topics.includes(topic));
      const its = members.map(({ memberId }) => shares.get(memberId)!.filter((p) => p.topic === topic));
      const sizes = takers.map(({ memberId }) => its[members.findIndex((m) => m.memberId === memberId)].length);
      const dealt = its.flat().map(({ partition }) => partition).toSorted((a, b) => a - b);
      assert.deepEqual(dealt, takers.length > 0 ? Array.from({ length: count }, (_, i) => i) : []);
      if (sizes.length > 0) assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
      assert.equal(sizes.reduce((a, b) => a + b, 0), dealt.length, "only to those who want it");
    }
  }));
});

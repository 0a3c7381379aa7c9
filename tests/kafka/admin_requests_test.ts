import assert from "node:assert/strict";
import { describeGroups } from "../../kafka/admin_requests.ts";
import { RequestWriter } from "../../kafka/wire.ts";

Deno.test("a broker that is not the group's coordinator is heard to say so, and not taken for a group without a state", () => {
  const body = new RequestWriter().int32(0);
  // One group: error 16, its name, and nothing else.
  const answer = body.array(["billing"], (group) => {
    body.int16(16).string(group).string("").string("").string("").array([], () => {});
  }).done();
  assert.deepEqual(describeGroups(["billing"]).decode(answer), [{
    code: 16,
    group: "billing",
    state: "",
    members: [],
  }]);
});

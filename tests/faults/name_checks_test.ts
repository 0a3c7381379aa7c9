import assert from "node:assert/strict";
import type { History, Send, Stored } from "./history.ts";
import { checkNames } from "./name_checks.ts";

const TOPIC = "names";

/** Three names acknowledged, one of unknown outcome that was written, one that was refused. */
function faultless() {
  const names = ["王伟", "李娜", "王伟"];
  const send = (offset: number, more: Partial<Send>): Send => {
    const name = names[offset];
    const place = { topic: TOPIC, partition: 0, offset };
    return {
      id: `${offset}`,
      name,
      pad: 0,
      key: null,
      request: offset,
      start: 0,
      end: 1,
      outcome: "ok",
      status: 200,
      ...place,
      ...more,
    };
  };
  const none = { name: undefined, partition: undefined, offset: undefined };
  const sends = [
    ...names.map((_, i) => send(i, {})),
    send(3, { ...none, outcome: "unknown", status: 504 }),
    send(4, { ...none, outcome: "refused", status: 503 }),
  ];
  const records = [...names, "张敏"].map((id, offset): Stored => {
    return { topic: TOPIC, partition: 0, offset, key: null, id, pad: 0, intact: true };
  });
  return { settings: { topics: [{ name: TOPIC, kind: "names" }] }, sends, records } as unknown as History;
}

/** Invariants that do not hold, and the first offence. */
function broken(plant: (history: History) => void): Record<string, string | undefined> {
  const history = faultless();
  plant(history);
  const offences = checkNames(history).filter(({ offences }) => offences > 0);
  return Object.fromEntries(offences.map(({ invariant, first }) => [invariant, first]));
}

function test(name: string, fn: () => void): void {
  Deno.test({ name: `the checker of names ${name}`, permissions: "none", fn });
}

test("finds nothing wrong where nothing is, equal names included", () => {
  assert.deepEqual(broken(() => {}), {});
});

test("sees a name that is lost, or that is another than the one that was told", () => {
  assert.match(broken((h) => h.records.splice(1, 1)).I1!, /"李娜" of request 1 is not at names\[0\]@1, but undefined/);
  assert.match(broken((h) => h.records[1].id = "赵磊").I1!, /but 赵磊/);
});

test("sees a name in the log that was refused, or is there twice", () => {
  const found = broken((h) => h.records.push({ ...h.records[3], offset: 4 }));
  assert.match(found.I3!, /2 were not acknowledged, and only 1 are of unknown outcome/);
});

test("sees two names that were told to be at one place", () => {
  const found = broken((h) => Object.assign(h.sends[2], { offset: 0 }));
  assert.match(found.I5!, /names\[0\]@0 was the answer to requests 0 and 2/);
});

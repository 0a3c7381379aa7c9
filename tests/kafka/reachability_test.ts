import assert from "node:assert/strict";
import { Reachability, type StateLog } from "../../kafka/reachability.ts";

const REFUSED = new Error("connect ECONNREFUSED 127.0.0.1:9093");
const BROKERS = [{ nodeId: 1, host: "a", port: 9092 }, { nodeId: 2, host: "b", port: 9093 }];

/** What is told of two brokers, of which the second one fails at first, at some times in ms. */
function stage() {
  const reachability = new Reachability();
  const lines: string[] = [];
  const note = (text: unknown, fields: unknown) => void lines.push(`${text} ${JSON.stringify(fields)}`);
  const log = { info: note, warn: note } as unknown as StateLog;
  reachability.note("a:9092", undefined, 0);
  reachability.note("b:9093", REFUSED, 0);
  return { reachability, lines, reportAt: (ms: number, brokers = BROKERS) => reachability.report(brokers, log, ms) };
}

const AWAY = 'a broker cannot be reached at the address that it advertises {"broker":2,"address":"b:9093",' +
  '"cause":"connect ECONNREFUSED 127.0.0.1:9093"}';
const BACK = 'a broker can be reached again {"broker":2,"address":"b:9093"}';

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: "none", fn });
}

test("a broker that stays away is told once, and once when it is reached", () => {
  const { reachability, lines, reportAt } = stage();
  for (const ms of [2_000, 10_000]) {
    reachability.note("b:9093", REFUSED, ms);
    reportAt(ms);
  }
  assert.deepEqual(lines, [AWAY]);
  reachability.note("b:9093");
  for (const ms of [11_000, 12_000]) reportAt(ms);
  assert.deepEqual(lines, [AWAY, BACK]);
});

test("a broker that is away for a moment is not told", () => {
  const { reachability, lines, reportAt } = stage();
  reportAt(1_999);
  reachability.note("b:9093");
  reportAt(2_001);
  reachability.note("b:9093", REFUSED, 2_002);
  reportAt(4_001);
  assert.deepEqual(lines, []);
});

test("what failed before Kafka was away, or before a broker was, is forgotten", () => {
  const { reachability, lines, reportAt } = stage();
  reportAt(1_000, [BROKERS[0]]);
  reportAt(5_000);
  reachability.note("b:9093", REFUSED, 5_000);
  reachability.reset();
  reportAt(9_000);
  assert.deepEqual(lines, []);
});

test("a broker that is told away, and comes back at another address, is told back when it is reached there", () => {
  const { reachability, lines, reportAt } = stage();
  reportAt(2_000);
  const moved = [{ nodeId: 2, host: "c", port: 9093 }];
  reportAt(3_000, moved);
  assert.deepEqual(lines, [AWAY], "nobody has tried yet");
  reachability.note("c:9093");
  reportAt(4_000, moved);
  assert.deepEqual(lines, [AWAY, BACK.replace("b:9093", "c:9093")]);
});

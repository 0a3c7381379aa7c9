import assert from "node:assert/strict";
import type { StreamAnswer } from "./stream_client.ts";
import { fateInStream, fateOf } from "./told.ts";

function stream(status: number, lines: string[], failure?: string): StreamAnswer {
  return {
    status,
    failure,
    written: [1, 2, 3],
    uploadedAt: 9,
    answered: lines.map((text, i) => ({ at: 10 + i, text })),
  };
}

const OK = '{"partition":1,"offset":7,"error_code":null,"error":null}';

Deno.test("an answer means for each record what the contract says", () => {
  const entries = [{ partition: 2, offset: 5 }, { partition: 0, offset: 0, error_code: 50003 }, {
    partition: 0,
    offset: 0,
    error_code: 50004,
  }];
  const fates = entries.map((_, i) => fateOf({ status: 200, entries }, i).outcome);
  assert.deepEqual(fates, ["ok", "refused", "unknown"]);
  assert.deepEqual(fateOf({ status: 200, entries }, 0), { outcome: "ok", partition: 2, offset: 5 });
  const whole = (status: number, notSent = false) => fateOf({ status, notSent }, 0).outcome;
  assert.deepEqual([404, 413, 503].map((status) => whole(status)), ["refused", "refused", "refused"]);
  assert.deepEqual([0, 500, 504].map((status) => whole(status)), ["unknown", "unknown", "unknown"]);
  assert.equal(whole(0, true), "refused");
});

Deno.test("each line of a stream has the fate that its line of the answer tells, at the time it was told", () => {
  const answer = stream(200, [
    OK,
    '{"line":2,"error_code":50004,"error":"nobody knows"}',
    '{"line":3,"error_code":50003}',
  ]);
  assert.deepEqual(fateInStream(answer, 0), { outcome: "ok", partition: 1, offset: 7, status: 200, at: 10 });
  assert.deepEqual([1, 2].map((i) => fateInStream(answer, i).outcome), ["unknown", "refused"]);
});

Deno.test("lines behind the one after which a stream ended are refused; those without any answer are unknown", () => {
  const stopped = stream(200, [
    OK,
    '{"error_code":50301,"error":"The stream ended after line 1: the server is stopping"}',
  ]);
  assert.deepEqual([0, 1, 2].map((i) => fateInStream(stopped, i).outcome), ["ok", "refused", "refused"]);
  const cut = stream(200, [OK], "the connection ended before the answer did");
  assert.deepEqual([0, 1, 2].map((i) => [fateInStream(cut, i).outcome, fateInStream(cut, i).status]), [
    ["ok", 200],
    ["unknown", 0],
    ["unknown", 0],
  ]);
});

Deno.test("a stream that is refused as a whole is refused in each of its lines", () => {
  assert.equal(fateInStream(stream(503, ['{"error_code":50301,"message":"full"}']), 2).outcome, "refused");
  assert.equal(fateInStream(stream(504, ['{"error_code":50401,"message":"late"}']), 2).outcome, "unknown");
  assert.equal(fateInStream(stream(0, []), 0).outcome, "unknown");
});

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { assertDelivered, check, type CheckOptions, type LogRecord, type SendEvent } from "./checker.ts";

/** An acknowledged event of key `k` at partition 0, alone in its time. */
function sent(value: string, offset: number, more: Partial<SendEvent> = {}) {
  const [start, end] = [2 * offset, 2 * offset + 1];
  const outcome = "ok" as const;
  return {
    value,
    key: "k",
    start,
    end,
    outcome,
    partition: 0,
    offset,
    ...more,
  };
}

/** A record of key `k` in partition 0. */
function read(value: string, offset: number, more: Partial<LogRecord> = {}) {
  const key = Buffer.from("k");
  return {
    partition: 0,
    offset: BigInt(offset),
    key,
    value: Buffer.from(value),
    ...more,
  };
}

const LOG = [read("a", 0), read("b", 1), read("c", 2)];

/** The invariants that are broken, and how the first offence is described. */
function broken(
  history: SendEvent[],
  records: LogRecord[],
  options?: CheckOptions,
): Record<string, string | undefined> {
  const { verdicts } = check(history, records, options);
  return Object.fromEntries(
    verdicts.filter(({ offences }) => offences > 0)
      .map(({ invariant, first }) => [invariant, first]),
  );
}

Deno.test({
  name: "the checker",
  permissions: "none",
  fn: async (t) => {
    await t.step("finds nothing wrong with a faithful log", () => {
      const history: SendEvent[] = [
        sent("a", 0),
        sent("b", 1),
        sent("c", 2, { offset: "2" }),
        sent("r", 3, { outcome: "refused", partition: undefined }),
        sent("u", 4, { outcome: "unknown", partition: undefined }),
      ];
      const report = assertDelivered(history, LOG);
      assert.deepEqual(
        report.verdicts.map(({ invariant, checked, offences }) => `${invariant} ${offences}/${checked}`),
        ["I1 0/3", "I3 0/1", "I4 0/2", "I5 0/3", "-- 0/3"],
      );
      assert.equal(report.acknowledged, 3);
      assert.equal(report.unknownWritten, 0);
    });

    await t.step("sees an acknowledged record that is lost", () => {
      const history = [sent("a", 0), sent("b", 1), sent("c", 2)];
      assert.deepEqual(broken(history, [LOG[0], LOG[1]]), {
        I1: '"c" (ok at 0/2), where there is nothing; it is nowhere',
      });
    });

    await t.step("sees an acknowledged record at another offset", () => {
      const history = [sent("a", 0), sent("b", 2), sent("c", 1)];
      assert.match(broken(history, LOG).I1!, /^"b" .* is "c"; it is at 0\/1$/);
    });

    await t.step("sees an acknowledged record in another partition", () => {
      const history = [sent("a", 0, { partition: 1 })];
      assert.match(broken(history, [LOG[0]]).I1!, /nothing; it is at 0\/0$/);
    });

    await t.step("sees an acknowledgement that says no place", () => {
      const history = [sent("a", 0, { offset: undefined })];
      assert.match(broken(history, [LOG[0]]).I1!, /without partition and off/);
    });

    await t.step("sees a changed key", () => {
      const other = read("a", 0, { key: Buffer.from("K") });
      assert.match(broken([sent("a", 0)], [other]).I1!, /key is "K", not "k"/);
      const none = read("a", 0, { key: null });
      assert.match(broken([sent("a", 0)], [none]).I1!, /key is null, not "k"/);
    });

    await t.step("sees changed, reordered and missing headers", () => {
      const headers: SendEvent["headers"] = [["x", "1"], ["x", null]];
      const history = [sent("a", 0, { headers })];
      const back = (...headers: LogRecord["headers"] & unknown[]) => broken(history, [read("a", 0, { headers })]).I1;
      const one = Buffer.from("1");
      assert.equal(back(["x", one], ["x", null]), undefined);
      assert.match(back(["x", null], ["x", one])!, /headers/);
      assert.match(back(["x", one])!, /headers/);
      assert.match(back(["x", one], ["x", Buffer.of()])!, /headers/);
    });

    await t.step("sees an acknowledged record that is there twice", () => {
      const history = [sent("a", 0), sent("b", 1)];
      const log = [read("a", 0), read("b", 1), read("a", 2)];
      assert.deepEqual(broken(history, log), {
        I5: '"a" (ok at 0/0) is at 0/0, 0/2',
      });
    });

    await t.step("sees a refused record in the log", () => {
      const history = [
        sent("a", 0, { outcome: "refused", partition: undefined }),
      ];
      assert.deepEqual(broken(history, [LOG[0]]), {
        I3: '"a" (refused), but is at 0/0',
      });
    });

    await t.step("counts unknown ones, and lets them be there or not", () => {
      const where = { outcome: "unknown", partition: undefined } as const;
      const history = [sent("a", 0, where), sent("x", 1, where)];
      const log = [read("a", 0), read("a", 1)];
      const report = assertDelivered(history, log);
      assert.equal(report.unknown, 2);
      assert.equal(report.unknownWritten, 1);
      assert.equal(report.unknownDoubled, 1);
      assert.ok(broken(history, log, { unknownTwice: "refuse" }).I5);
    });

    await t.step("sees two records of a key in the wrong order", () => {
      const history = [
        sent("b", 1, { start: 0, end: 1 }),
        sent("a", 0, { start: 2, end: 3 }),
      ];
      assert.match(
        broken(history, [LOG[0], LOG[1]]).I4!,
        /^"a" .* started after "b" .* but they are at 0\/0 and 0\/1$/,
      );
    });

    await t.step("sees an unknown one before what was acknowledged", () => {
      const history = [
        sent("b", 1, { start: 0, end: 1 }),
        sent("a", 0, { start: 2, end: 3, outcome: "unknown" }),
      ];
      assert.ok(broken(history, [LOG[0], LOG[1]]).I4);
    });

    await t.step("sees a disorder that a later record hides", () => {
      const history = [
        sent("c", 2, { start: 0, end: 1 }),
        sent("a", 0, { start: 0, end: 2 }),
        sent("b", 1, { start: 3, end: 4 }),
      ];
      assert.match(broken(history, LOG).I4!, /^"b" .* after "c"/);
    });

    await t.step("lets records that overlap in time be in any order", () => {
      const history = [
        sent("b", 1, { start: 0, end: 2 }),
        sent("a", 0, { start: 1, end: 3 }),
      ];
      assert.deepEqual(broken(history, [LOG[0], LOG[1]]), {});
    });

    await t.step("sees a key that changed its partition", () => {
      const history = [sent("a", 0), sent("b", 1, { partition: 1 })];
      const log = [LOG[0], read("b", 1, { partition: 1 })];
      assert.ok(broken(history, log).I4);
    });

    await t.step("asks no order of other keys, nor of keyless ones", () => {
      const [late, early] = [{ start: 0, end: 1 }, { start: 2, end: 3 }];
      const log = [read("a", 0), read("b", 1, { key: Buffer.from("l") })];
      assert.deepEqual(
        broken([sent("b", 1, { ...late, key: "l" }), sent("a", 0, early)], log),
        {},
      );
      const keyless = log.map((record) => ({ ...record, key: null }));
      assert.deepEqual(
        broken(
          [
            sent("b", 1, { ...late, key: null }),
            sent("a", 0, { ...early, key: undefined }),
          ],
          keyless,
        ),
        {},
      );
    });

    await t.step("sees a record that nobody sent, unless told not to", () => {
      assert.deepEqual(broken([sent("a", 0)], [LOG[0], LOG[1]]), {
        "--": '"b" at 0/1',
      });
      const tombstone = read("", 1, { value: null });
      assert.ok(broken([sent("a", 0)], [LOG[0], tombstone])["--"]);
      assert.deepEqual(
        broken([sent("a", 0)], [LOG[0], LOG[1]], { foreign: "allow" }),
        {},
      );
    });

    await t.step("compares bytes, not text", () => {
      const bytes = (byte: number) => Uint8Array.of(byte);
      const history = [sent("", 0, { value: bytes(0xfe) })];
      const record = (byte: number) => read("", 0, { value: bytes(byte) });
      assert.deepEqual(broken(history, [record(0xfe)]), {});
      assert.ok(broken(history, [record(0xff)]).I1);
    });

    await t.step("refuses a history that cannot be judged", () => {
      assert.throws(() => check([sent("a", 0), sent("a", 1)], []), RangeError);
      const back = sent("a", 0, { start: 2, end: 1 });
      assert.throws(() => check([back], []), RangeError);
    });

    await t.step("shows the whole report when an invariant is broken", () => {
      assert.throws(
        () => assertDelivered([sent("a", 0)], []),
        /1 acknowledged.*\nBROKEN I1 .* 1 of 1, first: "a".*\nheld {3}I3 /,
      );
    });
  },
});

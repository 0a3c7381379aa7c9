/** Histories in which something went wrong, written by hand: the checker finds each, and nothing else. */
import assert from "node:assert/strict";
import { judge } from "./check.ts";
import type { Handled, History, ProcessEvent, Send, Stored } from "./history.ts";

const START = 1_000_000;
const TOPIC = "orders";

/**
 * A faultless history: ten records in one partition, one a second; consumer A handles five and stops in order, B
 * handles the rest. Each is handled 100 ms after it was sent, and committed 50 ms later.
 */
function faultless() {
  const at = (i: number) => START + i * 1_000;
  const sends = Array.from({ length: 10 }, (_, i): Send => ({
    id: `r${i}`,
    pad: 5,
    topic: TOPIC,
    key: "k",
    request: i,
    start: at(i),
    end: at(i) + 20,
    outcome: "ok",
    partition: 0,
    offset: i,
    status: 200,
  }));
  const records = sends.map(({ id, pad, key }, i): Stored => ({
    topic: TOPIC,
    partition: 0,
    offset: i,
    key,
    id,
    pad,
    intact: true,
  }));
  const handled = (i: number) => ({ t: at(i) + 100, topic: TOPIC, partition: 0, offset: i, id: `r${i}`, endsAt: 0 });
  const lives = new Map([["A-1", [0, 1, 2, 3, 4].map(handled)], ["B-1", [5, 6, 7, 8, 9].map(handled)]]);
  for (const lines of lives.values()) lines.forEach((line, i) => line.endsAt = 50 * (i + 1));
  const sizes = (i: number) => ({ "A-1": 50 * Math.min(5, i + 1), "B-1": 50 * Math.max(0, i - 4) });
  const life = (process: string, t: number, event: ProcessEvent["event"], more = {}): ProcessEvent => {
    return { t, process, life: 1, event, ...more };
  };
  const history: History = {
    settings: {
      seed: 7,
      seconds: 10,
      startedAt: START,
      group: "g",
      topics: [{ name: TOPIC, kind: "keyed" }],
      deliveryTimeoutMs: 5_000,
      shutdownTimeoutMs: 5_000,
      leewayMs: 2_000,
      recoveryMs: 10_000,
    },
    sends,
    records,
    handled: lives,
    assigned: new Map([["A-1", [START]], ["B-1", [at(4) + 500]]]),
    observed: records.map((_, i) => ({ t: at(i) + 160, topic: TOPIC, offsets: [i + 1], files: sizes(i) })),
    commits: records.map((_, i) => ({ t: at(i) + 150, topic: TOPIC, partition: 0, offset: i + 1 })),
    processes: [
      life("server", START - 2_000, "start"),
      life("server", START - 1_500, "ready"),
      life("consumer-A", at(4) + 200, "signal", { signal: "SIGTERM" }),
      life("consumer-A", at(4) + 300, "exit", { code: 0, asked: true }),
      life("consumer-A", at(4) + 310, "group-left"),
    ],
    faults: [],
    samples: [{ t: START, process: "server", rssMb: 80, files: 30 }],
    end: { healedAt: at(9), loadEndedAt: at(9) + 200, caughtUpAt: at(10), endedAt: at(11), lag: { [TOPIC]: 0 } },
  };
  return history;
}

/** The invariants that do not hold, and the first offence against each. */
function broken(plant: (history: History) => void): Record<string, string | undefined> {
  const history = faultless();
  plant(history);
  const offences = judge(history).verdicts.filter(({ offences }) => offences > 0);
  return Object.fromEntries(offences.map(({ invariant, first }) => [invariant, first]));
}

/** Asserts that these invariants are broken and no others, and what is said about the first. */
function assertBroken(plant: (history: History) => void, invariants: string[], saying: RegExp): void {
  const found = broken(plant);
  assert.deepEqual(Object.keys(found), invariants, JSON.stringify(found));
  assert.match(found[invariants[0]]!, saying);
}

const lines = (history: History, life: string): (Handled & { endsAt: number })[] => history.handled.get(life)!;

function test(name: string, fn: () => void): void {
  Deno.test({ name: `the checker of runs ${name}`, permissions: "none", fn });
}

test("finds nothing wrong where nothing is, and has looked at everything", () => {
  const { held, verdicts } = judge(faultless());
  assert.equal(held, true, JSON.stringify(verdicts.filter(({ offences }) => offences > 0)));
  const looked = new Set(verdicts.filter(({ checked }) => checked > 0).map(({ invariant }) => invariant));
  assert.deepEqual([...looked].sort(), ["--", "I1", "I10", "I11", "I2", "I4", "I5", "I6", "I7", "I8", "I9"]);
});

test("sees a record that was acknowledged and is lost", () => {
  assertBroken(
    (h) => {
      h.records.pop();
      lines(h, "B-1").pop();
      h.observed.pop();
      h.commits.pop();
    },
    ["I1"],
    /r9.*nothing; it is nowhere/,
  );
});

test("sees bytes that changed", () => {
  assertBroken((h) => h.records[3].intact = false, ["I1", "--"], /where there is "r3 damaged"/);
});

test("sees a record that nobody handled, though it was committed", () => {
  assertBroken((h) => lines(h, "B-1").splice(2, 1), ["I2", "I6", "I7"], /record r7 at orders\[0\]@7 was not/);
});

test("sees a record handled that is not the one in the log", () => {
  assertBroken((h) => lines(h, "A-1")[2].id = "r8", ["I2"], /A-1 handled r8 at orders\[0\]@2, where r2 is/);
});

test("sees a refused record in the log", () => {
  assertBroken((h) => Object.assign(h.sends[4], { outcome: "refused", status: 503 }), ["I3"], /r4.*is at 0\/4/);
});

test("sees a key's records in another order than they were acknowledged in", () => {
  assertBroken(
    (h) => {
      for (const [a, b] of [[h.sends[2], h.sends[3]], [h.records[2], h.records[3]]]) {
        [a.id, b.id] = [b.id, a.id];
      }
      [h.sends[2].offset, h.sends[3].offset] = [2, 3];
      [h.sends[2].start, h.sends[3].start] = [START + 3_000, START + 2_000];
      [h.sends[2].end, h.sends[3].end] = [START + 3_020, START + 2_020];
      [lines(h, "A-1")[2].id, lines(h, "A-1")[3].id] = ["r3", "r2"];
    },
    ["I4"],
    /started after/,
  );
});

test("sees a request whose records changed places", () => {
  assertBroken(
    (h) => {
      const [a, b] = [h.sends[5], h.sends[6]];
      Object.assign(b, { request: a.request, start: a.start, end: a.end });
      [a.offset, b.offset] = [6, 5];
      [h.records[5].id, h.records[6].id] = ["r6", "r5"];
      [lines(h, "B-1")[0].id, lines(h, "B-1")[1].id] = ["r6", "r5"];
    },
    ["I4"],
    /r5 at 0\/6 and r6 at 0\/5 in request 5/,
  );
});

function writtenTwice(history: History): void {
  history.records.push({ ...history.records[4], offset: 10 });
  lines(history, "B-1").push({ ...lines(history, "A-1")[4], t: START + 9_500, offset: 10, endsAt: 300 });
}

test("sees an acknowledged record that is in the log twice", () => {
  assertBroken(writtenTwice, ["I5"], /r4.*is at 0\/4, 0\/10/);
});

test("sees an unknown one twice, too: nobody sends those again", () => {
  assertBroken(
    (h) => {
      writtenTwice(h);
      Object.assign(h.sends[4], { outcome: "unknown", status: 504 });
    },
    ["I5"],
    /r4 .*is at 0\/4, 0\/10/,
  );
});

test("lets an unknown one be there or not", () => {
  assert.deepEqual(broken((h) => Object.assign(h.sends[9], { outcome: "unknown", status: 504 })), {});
});

test("sees a record that nobody sent", () => {
  assertBroken((h) => h.sends.pop(), ["--"], /r9/);
});

test("sees a commit before the record was handled, when somebody looked in between", () => {
  assertBroken((h) => h.observed[6].files["B-1"] = 50, ["I6"], /was seen at 7 while 6 was not handled/);
});

test("sees a commit before the record was handled, when nobody looked", () => {
  assertBroken((h) => h.commits[6].t = START + 6_050, ["I6"], /up to 7, of which the last was handled 50 ms later/);
});

test("sees records of a partition handled out of turn", () => {
  assertBroken(
    (h) => {
      const its = lines(h, "B-1");
      [its[1].offset, its[2].offset] = [its[2].offset, its[1].offset];
      [its[1].id, its[2].id] = [its[2].id, its[1].id];
      h.commits.splice(6, 1);
      h.observed.splice(6, 1);
    },
    ["I7"],
    /B-1 handled 7 of orders\[0\] after 5/,
  );
});

test("sees a consumer begin before what was committed", () => {
  assertBroken(
    (h) => {
      // Not after a clean stop of A, which would be told as well.
      Object.assign(h.processes.find(({ event }) => event === "exit")!, { code: 137, signal: "SIGKILL" });
      h.processes = h.processes.filter(({ signal }) => signal !== "SIGTERM");
      lines(h, "B-1").unshift({ ...lines(h, "A-1")[4], t: START + 4_800, endsAt: 10 });
    },
    ["I8"],
    /B-1 began orders\[0\] at 4, though 5 was committed before/,
  );
});

/**
 * All brokers restart a second after 5 was committed, the group is shared out, and B begins at 4. `told`: to another
 * client.
 */
function forgotten(history: History, told: number): void {
  lines(history, "A-1")[4].t = history.commits[4].t = START + 3_150;
  Object.assign(history.processes.find(({ event }) => event === "exit")!, { code: 137, signal: "SIGKILL" });
  history.processes = history.processes.filter(({ signal }) => signal !== "SIGTERM");
  lines(history, "B-1").unshift({ ...lines(history, "A-1")[4], t: START + 4_800, endsAt: 10 });
  history.observed.splice(5, 0, { ...history.observed[4], t: START + 4_600, offsets: [told] });
  for (const id of [1, 2, 3]) {
    const broker = { process: `broker-${id}`, life: 1 };
    history.processes.push({ ...broker, t: START + 4_200 + id, event: "signal", signal: "SIGKILL" });
    history.processes.push({ ...broker, t: START + 4_210 + id, event: "exit", asked: true });
  }
  for (const id of [1, 2, 3]) {
    history.processes.push({ t: START + 4_400 + id, process: `broker-${id}`, life: 2, event: "ready" });
  }
}

test("believes a consumer that Kafka had forgotten a commit, if another client was told so after all brokers restarted", () => {
  assert.deepEqual(broken((h) => forgotten(h, 4)), {});
  assertBroken((h) => forgotten(h, 5), ["I8"], /began orders\[0\] at 4/);
});

test("does not believe it while a broker was there all the time, or long afterwards, or when nobody looked", () => {
  const doubt = (change: (h: History) => void) =>
    assertBroken(
      (h) => {
        forgotten(h, 4);
        change(h);
      },
      ["I8"],
      /began orders\[0\] at 4/,
    );
  doubt((h) => h.processes = h.processes.filter(({ process }) => process !== "broker-2"));
  doubt((h) => h.processes.filter(({ process }) => process.startsWith("broker-")).forEach((it) => it.t -= 61_000));
  doubt((h) => h.observed[5].t += 6_000);
});

test("asks for no commit that was made just before a broker went, but for all before that", () => {
  const plant = (h: History, { committed, killed }: { committed: number; killed: number }) => {
    Object.assign(h.processes.find(({ event }) => event === "exit")!, { code: 137, signal: "SIGKILL" });
    h.processes = h.processes.filter(({ signal }) => signal !== "SIGTERM");
    lines(h, "A-1")[4].t = h.commits[4].t = START + committed;
    lines(h, "B-1").unshift({ ...lines(h, "A-1")[4], t: START + 4_800, endsAt: 10 });
    h.processes.push({ t: START + killed, process: "broker-1", life: 1, event: "signal", signal: "SIGKILL" });
  };
  assert.deepEqual(broken((h) => plant(h, { committed: 4_150, killed: 4_200 })), {});
  for (const times of [{ committed: 3_180, killed: 4_200 }, { committed: 4_150, killed: 4_140 }]) {
    assertBroken((h) => plant(h, times), ["I8"], /began orders\[0\] at 4, though 5 was committed/);
  }
  assertBroken((h) => plant(h, { committed: 4_150, killed: 4_600 }), ["I8"], /though 5 was committed/);
});

test("does not believe a consumer that took its group back itself", () => {
  assertBroken(
    (h) => {
      forgotten(h, 4);
      h.commits.splice(5, 0, { t: START + 4_450, topic: TOPIC, partition: 0, offset: 4 });
    },
    ["I8"],
    /began orders\[0\] at 4/,
  );
});

test("sees a record handled again after a clean stop", () => {
  assertBroken(
    (h) => {
      h.commits.splice(4, 1);
      lines(h, "B-1").unshift({ ...lines(h, "A-1")[4], t: START + 4_800, endsAt: 10 });
    },
    ["I8"],
    /@4 was handled by A-1, which stopped in order, and by B-1/,
  );
});

test("sees a stop that ends badly, late, or not at all", () => {
  const exit = (h: History) => h.processes.find(({ event }) => event === "exit")!;
  assertBroken((h) => exit(h).code = 1, ["I9"], /consumer-A ended with exit code 1/);
  assertBroken((h) => exit(h).t += 60_000, ["I9"], /took 60100 ms/);
  assertBroken((h) => exit(h).signal = "SIGKILL", ["I9"], /had to be killed/);
  assertBroken((h) => h.processes = h.processes.filter(({ event }) => event !== "exit"), ["I9"], /has no exit/);
});

test("sees a consumer that stops and stays a member", () => {
  assertBroken((h) => h.processes.find(({ event }) => event === "group-left")!.event = "group-not-left", [
    "I9",
  ], /still a member/);
});

/** The server is asked to stop in the middle, and comes back. */
function stopServer(history: History, { unready = true } = {}): void {
  const t = START + 5_010;
  const server = { process: "server", life: 1 };
  history.processes.push({ ...server, t, event: "signal", signal: "SIGTERM" });
  if (unready) history.processes.push({ ...server, t: t + 2, event: "unready", detail: "503" });
  history.processes.push({ ...server, t: t + 300, event: "exit", code: 0, asked: true });
  history.processes.push({ ...server, t: t + 310, life: 2, event: "start" });
  history.processes.push({ ...server, t: t + 600, life: 2, event: "ready" });
  history.end!.healedAt = START;
}

test("sees a request cut off, or readiness that stays, when the server is asked to stop", () => {
  assert.deepEqual(broken((h) => stopServer(h)), {});
  assertBroken(
    (h) => {
      stopServer(h);
      Object.assign(h.sends[5], { outcome: "unknown", status: 0, failure: "reset", start: START + 4_900 });
    },
    ["I9"],
    /request 5 was at work when life 1 of server was asked to stop/,
  );
  assertBroken((h) => stopServer(h, { unready: false }), ["I9"], /said that it was ready/);
});

test("does not ask for an answer to what came while the server was frozen, and had no time to read", () => {
  const plant = (h: History, thawed: number) => {
    stopServer(h);
    const server = { process: "server", life: 1, event: "signal" } as const;
    h.processes.push({ ...server, t: START + 4_000, signal: "SIGSTOP" });
    h.processes.push({ ...server, t: thawed, signal: "SIGCONT" });
    Object.assign(h.sends[5], { outcome: "unknown", status: 0, failure: "reset", start: START + 4_500 });
  };
  assert.deepEqual(broken((h) => plant(h, START + 5_009)), {});
  assertBroken((h) => plant(h, START + 4_800), ["I9"], /request 5 was at work/);
});

test("sees a request that hangs, and one that is answered too late", () => {
  const hang = { outcome: "unknown", status: 0, failure: "no answer" } as const;
  assertBroken((h) => Object.assign(h.sends[8], hang, { end: START + 40_000 }), ["I10"], /request 8 .*no answer/);
  const late = { outcome: "unknown", status: 504, end: START + 8_000 + 9_000 } as const;
  assertBroken((h) => Object.assign(h.sends[8], late), ["I10"], /request 8 .*answered after 9000 ms/);
  assertBroken((h) => Object.assign(h.sends[8], { outcome: "unknown", status: 500 }), ["I10"], /answered 500/);
});

test("gives a stream its time from when all of it was sent, and time to wait for room", () => {
  const told = (took: number) => (h: History) =>
    Object.assign(h.sends[8], { since: START + 9_000, end: START + 9_000 + took, status: 200 });
  assert.deepEqual(broken(told(11_000)), {});
  assertBroken(told(13_000), ["I10"], /request 8 .*answered after 13000 ms/);
});

test("excuses requests to a server that is killed or frozen", () => {
  const server = { process: "server", life: 1, event: "signal" } as const;
  assert.deepEqual(
    broken((h) => {
      h.processes.push({ ...server, t: START + 8_010, signal: "SIGKILL" });
      Object.assign(h.sends[8], { outcome: "unknown", status: 0, failure: "reset" });
    }),
    {},
  );
  assert.deepEqual(
    broken((h) => {
      h.processes.push({ ...server, t: START + 8_010, signal: "SIGSTOP" });
      h.processes.push({ ...server, t: START + 28_010, signal: "SIGCONT" });
      Object.assign(h.sends[8], { outcome: "unknown", status: 504, end: START + 29_000 });
    }),
    {},
  );
});

test("sees memory and open files that grow without end", () => {
  assertBroken((h) => h.samples[0].rssMb = 2_000, ["I10"], /server had 2000 MB/);
  assertBroken((h) => h.samples[0].files = 900, ["I10"], /900 open files/);
});

test("sees a lag that stays", () => {
  assertBroken(
    (h) => Object.assign(h.end!, { caughtUpAt: undefined, lag: { [TOPIC]: 3 } }),
    ["I11"],
    /3 records behind/,
  );
});

test("sees a process that ends by itself", () => {
  assertBroken(
    (h) => {
      h.processes.push({ t: START + 9_000, process: "consumer-B", life: 1, event: "exit", code: 1, asked: false });
    },
    ["--"],
    /life 1 of consumer-B ended with exit code 1/,
  );
});

test("does not call a run good that was interrupted or failed", () => {
  const interrupted = { ...faultless(), end: undefined };
  assert.equal(judge(interrupted).held, false);
  const failed = faultless();
  failed.end!.failure = "the load ended with exit code 1";
  assert.equal(judge(failed).held, false);
});

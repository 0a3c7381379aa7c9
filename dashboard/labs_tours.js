/** The labs' tours: what can be done in which step, and what is seen then. */
import { bytes, el, milliseconds, table, visible } from "./dom.js";
import { fill } from "./labs_texts.js";

/** Each of them has a lane of its own. */
const KEYS = ["apple", "pear", "cherry"];

/**
 * The tours: the buttons of each step, and what is seen. A button is an action of the channel, with what it sends, its
 * label's values, and whether it makes sense now.
 */
export const LABS = {
  broker: {
    steps: [
      [1, 2, 3].map((broker) => ({
        action: "stop",
        input: () => ({ broker }),
        label: { broker },
        when: ({ brokers }) => brokers.every(({ runs }) => runs),
      })),
      [{
        action: "start",
        input: ({ brokers }) => ({ broker: brokers.find(({ runs }) => !runs).id }),
        when: ({ brokers }) => brokers.some(({ runs }) => !runs),
      }],
    ],
    draw({ brokers, partitions, acknowledged, refused, unknown, slowestMs }, t) {
      const lanes = (has) => partitions.filter(has).map(({ partition }) => partition).join(", ") || "–";
      return [
        table(
          t.question,
          [t.broker, "", t.leads, t.inSync],
          brokers.map(({ id, runs }) => [
            String(id),
            runs ? t.runs : mark(t.stopped),
            lanes(({ leader }) => leader === id),
            lanes(({ inSync }) => inSync.includes(id)),
          ]),
        ),
        line(t.flow, { acknowledged, failed: refused + unknown, slowest: slowest(slowestMs) }),
      ];
    },
  },
  partition: {
    steps: [
      KEYS.map((key) => ({ action: "send", input: () => ({ key }), label: { key } })),
      [{ action: "addConsumer", when: ({ members }) => members.length < 4 }],
      [{ action: "removeConsumer", when: ({ members }) => members.length > 1 }],
    ],
    draw({ partitions, members, records }, _t, all) {
      const owner = (lane) => members.find((member) => member.partitions.includes(lane))?.name ?? all.nobody;
      // While the group shares out anew, somebody has nothing for a moment.
      const idle = members.filter((member) => members.length > partitions && member.partitions.length === 0);
      return [
        table(
          all.owner,
          [all.lane, all.owner],
          Array.from({ length: partitions }, (_, lane) => [String(lane), owner(lane)]),
        ),
        ...idle.map(({ name }) => line(all.idle, { name })),
        table(
          all.by,
          [all.key, all.lane, all.offset, all.value, all.by],
          records.map((r) => [visible(r.key), String(r.partition), String(r.offset), visible(r.value), r.by]),
        ),
      ];
    },
  },
  flush: {
    steps: [
      [{ action: "pause", when: ({ paused, stop }) => !paused && !stop }],
      [{ action: "resume", when: ({ paused }) => paused }],
      [
        { action: "pause", when: ({ paused, stop }) => !paused && !stop },
        { action: "stop", when: ({ paused, stop }) => paused && !stop },
      ],
    ],
    draw({ paused, waiting, acknowledged, refused, unknown, slowestMs, refusal, buffer, stop }, t) {
      const shown = { bytes: bytes(buffer.bytes), limit: bytes(buffer.limit) };
      const meter = el("meter", { max: buffer.limit, value: buffer.bytes, high: buffer.limit * 0.8 });
      meter.ariaLabel = fill(t.buffer, shown);
      return [
        el("p", {}, paused ? mark(t.paused) : t.goes),
        el("p", {}, meter, ` ${fill(t.buffer, shown)}`),
        line(t.counts, { waiting, acknowledged, refused, unknown, slowest: slowest(slowestMs) }),
        ...(refusal ? [line(t.refusal, { refusal: visible(refusal) })] : []),
        ...(stop ? [line(t.ended, stop), el("pre", {}, visible(stop.lines.join("\n")).replaceAll("␊", "\n"))] : []),
      ];
    },
  },
  poll: {
    steps: [[{ action: "send" }], [{ action: "hold" }], [{ action: "block" }]],
    draw({ position, committed, end, atWork, member, lost, now }, t, all) {
      return [
        table(t.question, [all.committed, t.position, all.end_, t.member], [[
          String(committed ?? "–"),
          String(position),
          String(end ?? "–"),
          member ? t.yes : mark(t.no),
        ]]),
        atWork
          ? line(t.atWork, {
            value: visible(atWork.value),
            seconds: Math.max(0, Math.round((now - atWork.since) / 1000)),
          })
          : line(t.rests),
        line(t.lost, { lost }),
      ];
    },
  },
  delivery: {
    steps: [
      [{ action: "order", when: runs }, { action: "kill", when: runs }],
      [{ action: "restart", when: ({ consumer }) => consumer === "killed" }],
      [{ action: "poison", when: ({ consumer, mended }) => consumer === "runs" && !mended }],
      [
        { action: "mend", when: (facts) => runs(facts) && facts.deadLetters.length > 0 && !facts.mended },
        { action: "sendBack", when: ({ mended }) => mended },
      ],
      [true, false].map((idempotence) => ({
        action: "loseAnswer",
        input: () => ({ idempotence }),
        label: { mode: idempotence ? "on" : "off" },
      })),
    ],
    draw({ consumer, committed, end, records, deadLetters, sentBack, lostAnswers }, t, all) {
      return [
        el(
          "p",
          {},
          consumer === "killed" ? mark(fill(t.consumer, { state: t.killed })) : fill(t.consumer, {
            state: t[consumer],
          }),
        ),
        line(t.progress, { committed: committed ?? "–", end: end ?? "–" }),
        table(
          t.question,
          [all.offset, all.value, t.handled, t.failed],
          records.map((r) => [
            String(r.offset),
            visible(r.value),
            r.handled > 1 ? mark(String(r.handled)) : String(r.handled),
            r.failed > 0 ? mark(String(r.failed)) : "0",
          ]),
        ),
        ...deadLetters.map((place) => line(t.deadLetter, { place: visible(place) })),
        ...sentBack.map((text) => line(t.sent, { line: visible(text) })),
        ...lostAnswers.map(({ idempotence, records }) =>
          line(records.length === 1 ? t.lostOnce : t.lost, {
            mode: idempotence ? t.on : t.off,
            value: visible(records[0]?.value ?? ""),
            copies: records.length,
            offsets: records.map(({ offset }) => offset).join(", "),
          })
        ),
      ];
    },
  },
};

function runs({ consumer }) {
  return consumer === "runs";
}

function line(text, values = {}) {
  return el("p", {}, fill(text, values));
}

/** None has come yet, or the longest. */
function slowest(ms) {
  return ms === 0 ? "–" : milliseconds(ms);
}

function mark(text) {
  return el("strong", {}, text);
}

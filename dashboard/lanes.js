/** A topic as lanes, one a partition: records arrive on the right; beneath, who has read how far. */
import { byId, el, number, setText, shown } from "./dom.js";
import { t } from "./texts.js";

/** Lanes on the page at a time. */
const LANES = 12;
/** Records in a lane. */
const CHIPS = 12;
/** Groups in a lane. */
const MARKS = 4;
/** Fewer offsets than these are not worth a scale of their own. */
const LEAST_SPAN = 20;
const COLOURS = 6;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** @type {Map<number, Lane>} */
const lanes = new Map();
let topic;
let groups = [];
let first = 0;
let drawing = false;
/** What came and what was shown in the second that passes, and in the last one. */
let [came, seen, rate, seenRate] = [0, 0, 0, 0];
let since = performance.now();

class Lane {
  extent;
  waiting = [];
  chips = [];
  newest = -1;

  constructor(partition) {
    this.partition = partition;
    this.title = el("h3", {});
    this.leader = el("span", { className: "note" });
    this.list = el("ol", { className: "chips" });
    this.start = el("span", { className: "rail-start" });
    this.end = el("span", { className: "rail-end" });
    this.axis = el("div", { className: "axis" }, el("i", { className: "axis-log" }));
    this.marks = el("ul", { className: "marks" });
    this.element = el(
      "li",
      { className: "lane" },
      el("div", { className: "lane-head" }, this.title, this.leader),
      el("div", { className: "track" }, this.list),
      el(
        "div",
        { className: "rail" },
        el("div", { className: "rail-ends" }, this.start, this.end),
        this.axis,
        this.marks,
      ),
    );
  }

  drawRecords(now) {
    const added = this.waiting.splice(0).slice(-CHIPS);
    for (const record of added) {
      const chip = this.chips.length < CHIPS ? makeChip() : this.chips.shift();
      this.chips.push(chip);
      fillChip(chip, record, now);
      this.list.append(chip.element);
    }
    if (added.length === 0 || still.matches) return;
    const width = this.chips.at(-1).element.offsetWidth + 8;
    this.list.animate([{ transform: `translateX(${added.length * width}px)` }, { transform: "none" }], {
      duration: 220,
      easing: "ease-out",
    });
  }

  drawExtent(span) {
    const { leader = -1, beginning = null, end = null } = this.extent ?? {};
    const top = Math.max(end ?? 0, this.newest + 1);
    const bottom = beginning ?? 0;
    setText(this.title, t("partitionN", { n: this.partition }));
    setText(this.leader, leader < 0 ? t("leaderless") : t("leader", { broker: leader }));
    this.leader.classList.toggle("bad", leader < 0);
    setText(this.start, t("logStart", { offset: number(bottom) }));
    setText(this.end, top === bottom ? t("empty") : t("logEnd", { offset: number(top) }));
    this.axis.firstChild.style.width = percent(top - bottom, span);
    const here = groupsHere(this.partition);
    while (this.marks.children.length > here.length) this.marks.lastChild.remove();
    here.forEach(({ group, colour, committed }, i) => {
      const mark = this.marks.children[i] ?? this.marks.appendChild(makeMark());
      const lag = committed === null ? null : Math.max(0, top - committed);
      mark.className = `mark colour-${colour}`;
      mark.lastChild.style.width = lag === null ? "0" : percent(lag, span);
      setText(mark.children[0], group);
      const numbers = lag === null ? undefined : { committed: number(committed), lag: number(lag) };
      setText(mark.children[1], numbers ? t("groupMark", numbers) : t("groupNone"));
    });
  }
}

function percent(part, span) {
  return `${Math.min(100, 100 * part / span).toFixed(2)}%`;
}

function makeMark() {
  return el("li", {}, el("bdi", { className: "mark-group" }), el("span", {}), el("i", { className: "bar" }));
}

function makeChip() {
  const parts = { key: el("bdi", { className: "chip-key" }), value: el("bdi", { className: "chip-value" }) };
  const [offset, age] = [el("span", {}), el("span", {})];
  const meta = el("span", { className: "chip-meta" }, offset, age);
  return { ...parts, offset, age, element: el("li", { className: "chip" }, parts.key, parts.value, meta) };
}

function fillChip(chip, record, now) {
  const { key, value, offset, timestamp } = record;
  chip.record = record;
  setText(chip.key, key === null ? t("noKey") : shown(key));
  setText(chip.value, value === null ? t("tombstone") : shown(value));
  chip.element.classList.toggle("keyless", key === null);
  chip.element.classList.toggle("tombstone", value === null);
  setText(chip.offset, `#${offset}`);
  chip.timestamp = timestamp;
  drawAge(chip, now);
}

function drawAge(chip, now) {
  const seconds = Math.max(0, Math.floor((now - chip.timestamp) / 1000));
  const text = seconds < 1
    ? t("now")
    : seconds < 60
    ? t("secondsAgo", { n: seconds })
    : seconds < 3600
    ? t("minutesAgo", { n: Math.floor(seconds / 60) })
    : t("hoursAgo", { n: Math.floor(seconds / 3600) });
  setText(chip.age, text);
}

/** The groups that read or have read a partition, each with its colour. */
function groupsHere(partition) {
  return groups.flatMap(({ group, partitions, members }, i) => {
    const same = (p) => p.topic === topic && p.partition === partition;
    const position = partitions.find(same);
    if (!position && !members.some((member) => member.partitions.some(same))) return [];
    return [{ group, colour: i % COLOURS, committed: position?.committed ?? null }];
  }).slice(0, MARKS);
}

/** So many offsets that the largest lag fits, and a round number, the same in all lanes: distances can be compared. */
function spanOf() {
  const lags = groups.flatMap(({ partitions }) =>
    partitions.filter((p) => p.topic === topic).map(({ lag }) => lag ?? 0)
  );
  const wanted = Math.max(LEAST_SPAN, 1.25 * Math.max(0, ...lags));
  const unit = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((n) => n * unit).find((span) => span >= wanted);
}

function schedule() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  const now = Date.now();
  const span = spanOf();
  const shownLanes = [...lanes.values()].sort((a, b) => a.partition - b.partition).slice(first, first + LANES);
  const elements = shownLanes.map(({ element }) => element);
  const list = byId("lanes");
  if (list.children.length !== elements.length || elements.some((element, i) => list.children[i] !== element)) {
    list.replaceChildren(...elements);
  }
  for (const lane of shownLanes) {
    lane.drawRecords(now);
    lane.drawExtent(span);
  }
  const known = lanes.size > 0;
  setText(byId("lanes-key"), known ? t("lanesKey", { span: number(span) }) : t("lanesNone"));
  setText(byId("lanes-title"), t("lanesOf", { topic: topic ?? "…" }));
  const numbers = { rate: number(rate), shown: number(seenRate) };
  setText(byId("lanes-rate"), rate === 0 ? t("rateIdle") : t(seenRate < 0.95 * rate ? "rateSampled" : "rate", numbers));
  const pages = byId("lanes-pages");
  pages.hidden = lanes.size <= LANES;
  const to = Math.min(lanes.size, first + LANES);
  setText(pages.children[1], t("lanesPage", { from: first + 1, to, count: lanes.size }));
}

/** Shows another topic. */
export function reset(name) {
  topic = name;
  lanes.clear();
  [first, came, seen, rate, seenRate] = [0, 0, 0, 0, 0];
  schedule();
}

/** Records that came. */
export function addRecords({ came: count, records }) {
  came += count;
  for (const record of records) {
    const lane = laneOf(record.partition);
    if (record.offset <= lane.newest) continue; // told before a new connection
    lane.newest = record.offset;
    lane.waiting.push(record);
    if (lane.waiting.length > CHIPS) lane.waiting.shift(); // nobody looks: the page is in the background
    seen++;
  }
  schedule();
}

/** What Kafka says about partitions and groups, once a second. */
export function update({ extents, groups: found }) {
  const now = performance.now();
  const seconds = Math.max(0.5, (now - since) / 1000);
  [rate, seenRate, came, seen, since] = [came / seconds, seen / seconds, 0, 0, now];
  if (found) groups = found;
  for (const extent of extents?.partitions ?? []) {
    // Fewer than there were: the topic was deleted and made anew.
    if ((extent.end ?? Infinity) < laneOf(extent.partition).extent?.end) lanes.delete(extent.partition);
    laneOf(extent.partition).extent = extent;
  }
  for (const { chips } of lanes.values()) for (const chip of chips) drawAge(chip, Date.now());
  schedule();
}

function laneOf(partition) {
  const lane = lanes.get(partition) ?? new Lane(partition);
  lanes.set(partition, lane);
  return lane;
}

/** After a change of the language. */
export function redraw() {
  byId("lanes-back").ariaLabel = t("earlier");
  byId("lanes-on").ariaLabel = t("later");
  for (const { chips } of lanes.values()) for (const chip of chips) fillChip(chip, chip.record, Date.now());
  schedule();
}

/** Listens to the buttons. */
export function start() {
  const move = (by) => {
    first = Math.max(0, first + by < lanes.size ? first + by : first);
    schedule();
  };
  byId("lanes-back").onclick = () => move(-LANES);
  byId("lanes-on").onclick = () => move(LANES);
}

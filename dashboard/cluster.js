/** Groups, topics and partitions in tables. */
import { byId, el, number, table, withCode } from "./dom.js";
import { t } from "./texts.js";

const STATES = { Stable: "stateStable", Empty: "stateEmpty", PreparingRebalance: "stateRebalance" };
STATES.CompletingRebalance = STATES.PreparingRebalance;
const COLOURS = 6;
/** Groups on the page. */
const GROUPS = 30;

let last = {};
let drawn = "";
let choose;

/** What Kafka says, once a second; drawn where it differs. */
export function update({ topics = last.topics, extents, groups, groupsProblem }, topic) {
  last = { topics, extents, groups, groupsProblem, topic };
  const text = JSON.stringify(last);
  if (text === drawn) return;
  drawn = text;
  redraw();
}

/** After a change of the language as well. */
export function redraw() {
  const { topics = [], extents, groups = [], groupsProblem, topic } = last;
  drawTopics(topics, topic);
  const told = groupsProblem
    ? [t("groupsUnknown", { problem: groupsProblem })]
    : groups.length === 0
    ? withCode(t("noGroups"))
    : groups.length > GROUPS
    ? withCode(t("moreGroups", { n: number(groups.length - GROUPS) }))
    : undefined;
  byId("groups").replaceChildren(
    ...groups.slice(0, GROUPS).map(groupCard),
    ...(told ? [el("p", { className: "note" }, ...told)] : []),
  );
  const partitions = extents?.partitions ?? [];
  const head = ["partition", "leaderHead", "replicas", "inSync", "start", "end", "records"].map((name) => t(name));
  const rows = partitions.map(({ partition, leader, replicas, inSync, beginning, end }) => [
    `${partition}`,
    leader < 0 ? el("b", { className: "bad" }, t("none")) : `${leader}`,
    replicas.join(", "),
    el("span", { className: inSync.length < replicas.length ? "bad" : "" }, inSync.join(", ")),
    offsetText(beginning),
    offsetText(end),
    beginning === null || end === null ? "–" : number(end - beginning),
  ]);
  const problem = extents?.problem;
  byId("partitions").replaceChildren(
    problem ? el("p", { className: "bad" }, problem) : table(t("lanesOf", { topic: topic ?? "" }), head, rows),
  );
}

function offsetText(offset) {
  return offset === null ? "–" : number(offset);
}

function drawTopics(topics, topic) {
  const select = byId("topic");
  const names = topics.includes(topic) || topic === undefined ? topics : [topic, ...topics];
  if (names.join() !== [...select.options].map(({ value }) => value).join()) {
    select.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
  }
  if (topic !== undefined) select.value = topic;
  const list = byId("topics");
  const focused = list.contains(document.activeElement) ? document.activeElement.textContent : undefined;
  list.replaceChildren(...names.map((name) => {
    const button = el("button", { type: "button", className: "tag", onclick: () => choose(name) }, name);
    button.setAttribute("aria-pressed", `${name === topic}`);
    return el("li", {}, button);
  }));
  if (focused !== undefined) [...list.querySelectorAll("button")].find((b) => b.textContent === focused)?.focus();
}

function groupCard({ group, state, members, partitions }, i) {
  const owner = (topic, partition) =>
    members.find((member) => member.partitions.some((p) => p.topic === topic && p.partition === partition));
  const assigned = members.flatMap((member) => member.partitions);
  const missing = assigned.filter((a) => !partitions.some((p) => p.topic === a.topic && p.partition === a.partition));
  const lag = partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
  const head = ["topic", "partition", "committed", "end", "lag", "member"].map((name) => t(name));
  const rows = [...partitions, ...missing].map(
    ({ topic, partition, committed = null, endOffset = null, lag = null }) => {
      const member = owner(topic, partition);
      const name = member ? memberName(member) : el("span", { className: "note" }, t("nobody"));
      return [topic, `${partition}`, offsetText(committed), offsetText(endOffset), offsetText(lag), name];
    },
  );
  return el(
    "article",
    { className: "group" },
    el(
      "header",
      {},
      el("h3", {}, el("i", { className: `swatch colour-${i % COLOURS}` }), group),
      el("span", { className: "tag" }, state in STATES ? t(STATES[state]) : state),
      el("span", { className: "note" }, t("members", { n: members.length })),
      el("b", { className: "group-lag" }, t("groupLag", { lag: number(lag) })),
    ),
    el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": group }, table(group, head, rows)),
  );
}

/** Clients of one name differ in the end of their ids. */
function memberName({ memberId, clientId, host }) {
  return el(
    "span",
    { title: memberId },
    `${clientId} `,
    el("span", { className: "note" }, `${host} …${memberId.slice(-4)}`),
  );
}

/** @param onChoose called with a topic */
export function start(onChoose) {
  choose = onChoose;
  byId("topic").onchange = () => choose(byId("topic").value);
}

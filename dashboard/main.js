/** The live page: what comes from the server, to whom it is of interest. */
import * as charts from "./charts.js";
import * as cluster from "./cluster.js";
import { byId, setText, visible } from "./dom.js";
import { ask, follow } from "./feed.js";
import * as lanes from "./lanes.js";
import * as produce from "./produce.js";
import * as search from "./search.js";
import { t, translate } from "./texts.js";

const root = document.documentElement;
const THEMES = ["auto", "light", "dark"];
let state = { kind: "waiting" };
let topic;
let stop;
let labs;

const on = {
  hello({ topic: shown, firstTopic, samples }) {
    if (shown !== topic) show(shown);
    produce.aim(topic, firstTopic);
    charts.reset(samples);
  },
  second(news) {
    state = news.state;
    drawState();
    if (state.kind === "draining") return;
    charts.add(news.sample);
    lanes.update(news);
    cluster.update(news, topic);
    produce.second();
  },
  records: lanes.addRecords,
};

function open(wanted) {
  stop?.();
  stop = follow(wanted, {
    event: (name, data) => on[name](data),
    trouble(kind, message) {
      // Who drains ends the stream, and takes no new one.
      if (kind === "busy" && state.kind === "draining") return;
      state = kind === "unreachable" ? { kind } : { kind: "refused", problem: message };
      drawState();
    },
  });
}

function show(name) {
  topic = name;
  lanes.reset(name);
  search.reset(name);
}

function choose(name) {
  show(name);
  history.replaceState(null, "", `?topic=${encodeURIComponent(name)}`);
  open(name);
}

function drawState() {
  const { kind, problem } = state;
  const box = byId("state");
  box.dataset.kind = kind;
  setText(box.firstElementChild, t(kind));
  setText(
    byId("state-text"),
    kind === "refused" ? visible(problem) : t(`${kind}Text`, { problem: visible(problem ?? "") }),
  );
}

function drawAll() {
  translate();
  const theme = root.dataset.theme ?? "auto";
  setText(byId("theme"), t("switchTheme", { theme: t(theme) }));
  const other = root.lang === "en" ? ["中文", "zh-CN"] : ["English", "en"];
  setText(byId("language"), other[0]);
  byId("language").lang = other[1];
  drawState();
  for (const part of [lanes, produce, charts, cluster]) part.redraw();
  labs?.redraw();
}

/** There are some under `deno task start`, for a page on the same machine. */
async function findLabs() {
  const response = await ask("page/labs");
  if (response.status !== 200) return;
  labs = await import("./labs.js");
  labs.start(await response.json(), { choose, topic: () => topic });
}

byId("language").onclick = () => {
  root.lang = root.lang === "en" ? "zh-CN" : "en";
  localStorage.setItem("language", root.lang === "en" ? "en" : "zh");
  drawAll();
};
byId("theme").onclick = () => {
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  if (next === "auto") localStorage.removeItem("theme");
  else localStorage.setItem("theme", next);
  drawAll();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

lanes.start();
produce.start();
charts.start();
cluster.start(choose);
search.start();
drawAll();
open(new URLSearchParams(location.search).get("topic") ?? undefined);
void findLabs();

/** The labs, only under `deno task start`: guided tours whose buttons work real processes, by its control channel. */
import { byId, bytes, el, setText, visible, withCode } from "./dom.js";
import { fill, texts } from "./labs_texts.js";
import { LABS } from "./labs_tours.js";

/** How often the facts are asked for, which also tells that the page is still open, in ms. */
const EVERY_MS = 700;

let channel;
/** The page's own: `choose` shows a topic's lanes, `topic` is the one that is shown. */
let page;
/** What the channel said last. */
let state = { labs: [], open: null, facts: null, busy: null };
/** What was pressed here and has no answer yet. A look that began before may still say that nothing is at work. */
let pressed = null;
/** The lab whose text is shown; it need not be begun. */
let shown = "partition";
let trouble = "";
let topicBefore;
let drawnFacts = "";

/** Begins to ask the channel, and shows the labs. */
export function start({ url, token }, itsPage) {
  channel = { url, headers: { authorization: `Bearer ${token}` } };
  page = itsPage;
  document.head.append(el("link", { rel: "stylesheet", href: "page/labs.css" }));
  byId("labs").hidden = false;
  redraw();
  void keepAsking();
}

async function keepAsking() {
  for (;;) {
    await call("lab", {});
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

async function call(path, init) {
  try {
    const response = await fetch(`${channel.url}/${path}`, { ...init, headers: channel.headers });
    const answer = await response.json();
    if (response.ok) take(answer);
    if (init.method || trouble === texts().unreachable) trouble = response.ok ? "" : answer.message;
  } catch {
    trouble = texts().unreachable;
  }
  drawStatus();
}

function take(answer) {
  const before = state.facts?.topic;
  state = answer;
  if (state.facts?.topic === before) return drawFacts();
  if (state.open) {
    shown = state.open;
    if (!before) topicBefore = page.topic();
    page.choose(state.facts.topic);
  } else page.choose(topicBefore);
  redraw();
}

async function act(action, input) {
  const lab = shown;
  pressed = `${lab}/${action}`;
  trouble = "";
  drawStatus();
  await call(`lab/${lab}/${action}`, { method: "POST", body: JSON.stringify(input ?? {}) });
  pressed = null;
  drawStatus();
}

/** All of it anew: at the start, in another language, for another lab. */
export function redraw() {
  if (!channel) return;
  const all = texts();
  const t = all[shown];
  const open = state.open === shown;
  const { obstacle } = state.labs.find(({ name }) => name === shown) ?? {};
  const section = byId("labs");
  section.setAttribute("aria-labelledby", "labs-title");
  const focused = document.activeElement?.dataset?.lab;
  section.replaceChildren(
    el("div", { className: "panel-head" }, el("h2", { id: "labs-title" }, all.title)),
    el("p", { className: "note" }, all.intro),
    el("ul", { className: "lab-names" }, ...Object.keys(LABS).map((name) => el("li", {}, nameButton(name, all)))),
    el("h3", { id: "lab-question" }, t.question),
    el("p", {}, fill(t.intro, valuesOf())),
    ...(obstacle ? [el("p", { className: "lab-obstacle" }, ...withCode(all.obstacles[obstacle]))] : []),
    el("ol", { className: "lab-steps" }, ...LABS[shown].steps.map((buttons, i) => drawStep(t, i, buttons))),
    el(
      "p",
      {},
      button(open ? all.end : all.begin, open ? "end" : "begin", {
        key: "begin or end",
        primary: !open,
        usable: () => !obstacle,
      }),
      " ",
      el("span", { id: "lab-status", role: "status" }),
    ),
    // On a phone it scrolls, which needs a place for the keyboard.
    el("div", {
      id: "lab-facts",
      className: "lab-facts",
      tabIndex: 0,
      role: "region",
      "aria-labelledby": "lab-question",
    }),
  );
  drawnFacts = "";
  drawFacts();
  drawStatus();
  if (focused) [...section.querySelectorAll("button")].find(({ dataset }) => dataset.lab === focused)?.focus();
}

function nameButton(name, all) {
  const choose = () => {
    shown = name;
    redraw();
  };
  return el("button", {
    type: "button",
    className: "tag",
    onclick: choose,
    "data-lab": name,
    "aria-pressed": String(name === shown),
  }, all[name].question);
}

function drawStep(t, i, buttons) {
  const controls = buttons.map(({ action, input, label = {}, when }) => {
    const values = label.mode ? { mode: t[label.mode] } : label;
    const usable = () => state.open === shown && (!when || when(state.facts));
    const key = `${i} ${JSON.stringify(label)} ${action}`;
    return button(fill(t[action], values), action, { key, input: () => input?.(state.facts), usable });
  });
  return el(
    "li",
    {},
    el("p", {}, ...withCode(fill(t.steps[i], valuesOf()))),
    el("p", { className: "lab-buttons" }, ...controls),
  );
}

/**
 * A button that knows whether it can be pressed now; `drawStatus` asks it. It is never disabled, only said to be:
 * else whoever works with the keyboard would lose their place whenever something is at work.
 */
function button(text, action, { key, input, usable, primary = false }) {
  const made = el("button", {
    type: "button",
    className: primary ? "primary" : "",
    onclick: () => made.ariaDisabled === "true" || act(action, input?.()),
    "data-lab": key,
  }, text);
  made.usable = usable;
  return made;
}

/** What the texts of steps may name; where a lab was not begun, what it would say. */
function valuesOf() {
  const { buffer, sessionSeconds = 6, longSeconds = 12, attempts = 3 } = state.open === shown ? state.facts : {};
  return { limit: bytes(buffer?.limit ?? 2_000), session: sessionSeconds, long: longSeconds, attempts };
}

function drawFacts() {
  const facts = state.open === shown ? state.facts : null;
  const text = JSON.stringify(facts);
  if (text !== drawnFacts) {
    drawnFacts = text;
    const all = texts();
    byId("lab-facts").replaceChildren(...(facts ? LABS[shown].draw(facts, all[shown], all) : []));
  }
  drawStatus();
}

function drawStatus() {
  const all = texts();
  const atWork = pressed ?? state.busy;
  for (const made of byId("labs").querySelectorAll("button")) {
    if (made.usable) made.ariaDisabled = String(atWork !== null || !made.usable());
  }
  const status = byId("lab-status");
  const [, action] = atWork?.split("/") ?? [];
  const busy = action === "begin" ? all.beginning : atWork ? all.busy : "";
  setText(status, trouble ? visible(trouble) : busy);
  status.className = trouble ? "bad" : "note";
}

/** Records by hand, or at a rate; what became of each, as the API answered. */
import { byId, el, milliseconds, number, setText, visible } from "./dom.js";
import { ask } from "./feed.js";
import { t } from "./texts.js";

const RATES = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const REPORTS = 20;
/** At a rate: how often requests go out, and how many may be without an answer. */
const TICK_MS = 100;
const IN_FLIGHT = 8;
const TEXT = "application/vnd.kafka.text.v2+json";

let topic;
/** The topic of `/names`. */
let namesTopic;
let rate = 0;
let timer;
let owed = 0;
let inFlight = 0;
/** What was told, the newest first. */
const reported = [];
let counts = { delivered: 0, failed: 0, late: 0 };
let sent = 0;

/** Which topic records go to. */
export function aim(name, firstTopic) {
  [topic, namesTopic] = [name, firstTopic];
  redraw();
}

/** Sends, and resolves with what is to be told: one entry a record. */
async function post(path, body) {
  const began = performance.now();
  const init = body && { body: JSON.stringify(body), headers: { "content-type": TEXT } };
  try {
    const response = await ask(path, { method: "POST", ...init });
    const answer = await response.json();
    const after = performance.now() - began;
    if (!response.ok) return [{ status: response.status, code: answer.error_code, message: answer.message, after }];
    return (answer.offsets ?? answer.records ?? [answer]).map((entry) =>
      entry.error_code
        ? { status: response.status, code: entry.error_code, message: entry.error, after }
        : { partition: entry.partition, offset: entry.offset, value: entry.value, after }
    );
  } catch (error) {
    return [{ message: error.message, after: performance.now() - began }];
  }
}

function topicPath() {
  return `topics/${encodeURIComponent(topic)}`;
}

function report(outcome) {
  reported.unshift(outcome);
  reported.splice(REPORTS);
  byId("reports").prepend(reportItem(outcome));
  while (byId("reports").children.length > REPORTS) byId("reports").lastChild.remove();
}

function reportItem(outcome) {
  const good = outcome.partition !== undefined;
  const text = good
    ? t("delivered", { partition: outcome.partition, offset: number(outcome.offset) })
    : outcome.status === undefined
    ? t("noAnswer", { message: outcome.message })
    : t("failed", outcome);
  return el(
    "li",
    { className: good ? "good" : "bad" },
    ...(good && outcome.value !== undefined ? [el("bdi", { className: "report-value" }, visible(outcome.value))] : []),
    el("span", {}, visible(text)),
    el("span", { className: "note" }, t("after", { time: milliseconds(outcome.after) })),
  );
}

async function sendByHand(path, body, value) {
  for (const outcome of await post(path, body)) report({ ...outcome, value: outcome.value ?? value });
}

function tick() {
  owed = Math.min(owed + rate * TICK_MS / 1000, rate);
  const count = Math.min(1000, Math.floor(owed));
  if (count === 0) return;
  owed -= count;
  if (inFlight >= IN_FLIGHT) {
    counts.late += count;
    return;
  }
  inFlight++;
  void sendMany(count).finally(() => inFlight--);
}

async function sendMany(count) {
  const outcomes = topic === namesTopic
    ? await post(`names?count=${count}`)
    : await post(topicPath(), { records: Array.from({ length: count }, () => ({ value: `${++sent}` })) });
  const delivered = outcomes.filter(({ partition }) => partition !== undefined).length;
  counts.delivered += delivered;
  counts.failed += count - delivered;
  // One line for all requests that fail in the same way, so that the reason is seen.
  if (delivered === 0 && reported[0]?.code !== outcomes[0].code) report(outcomes[0]);
}

function setRate(index) {
  rate = RATES[index];
  clearInterval(timer);
  if (rate > 0) timer = setInterval(tick, TICK_MS);
  else owed = 0;
  redraw();
}

/** Once a second: what the rate has come to. */
export function second() {
  const line = byId("rate-report");
  line.hidden = rate === 0;
  if (rate === 0) return;
  const { delivered, failed, late } = counts;
  counts = { delivered: 0, failed: 0, late: 0 };
  setText(line, t("rateReport", { delivered: number(delivered), failed: number(failed), late: number(late) }));
}

/** After a change of the language, the topic or the rate. */
export function redraw() {
  setText(byId("send-name"), t("sendName", { topic: namesTopic ?? "…" }));
  const text = rate === 0 ? t("rateOff") : t("rateOn", { n: number(rate) });
  setText(byId("rate-text"), text);
  byId("rate").setAttribute("aria-valuetext", text);
  byId("reports").replaceChildren(...reported.map(reportItem));
}

/** Listens to buttons and slider. */
export function start() {
  const slider = byId("rate");
  slider.max = RATES.length - 1;
  slider.oninput = () => setRate(Number(slider.value));
  byId("send-name").onclick = () => sendByHand("names");
  byId("send-form").onsubmit = (event) => {
    event.preventDefault();
    const { key, value } = event.target.elements;
    const record = { value: value.value, ...key.value !== "" && { key: key.value } };
    void sendByHand(topicPath(), { records: [record] }, value.value);
    value.select();
  };
}

/** Search in the last records of the topic. */
import { byId, el, number, setText, shown, table } from "./dom.js";
import { ask } from "./feed.js";
import { language, t } from "./texts.js";

let topic;

/** Another topic: what was found was in the last one. */
export function reset(name) {
  topic = name;
  byId("found").hidden = true;
  setText(byId("search-text"), "");
}

function queryOf({ key, text, partition, offset, since }) {
  const query = new URLSearchParams({ topic });
  for (const input of [key, text, partition, offset]) if (input.value !== "") query.set(input.name, input.value);
  if (since.value !== "") query.set("since", `${new Date(since.value).getTime()}`);
  return query;
}

async function search(form) {
  const line = byId("search-text");
  setText(line, t("finding"));
  try {
    const response = await ask(`page/search?${queryOf(form.elements)}`);
    const answer = await response.json();
    if (!response.ok) {
      return setText(line, t("failed", { ...answer, code: answer.error_code, status: response.status }));
    }
    show(answer);
  } catch (error) {
    setText(line, t("noAnswer", { message: error.message }));
  }
}

function show({ searched, cut, records }) {
  const numbers = { searched: number(searched), found: number(records.length) };
  setText(byId("search-text"), t(cut ? "foundCut" : "found", numbers));
  const box = byId("found");
  box.hidden = records.length === 0;
  const head = ["partition", "offset", "time", "key", "value"].map((name) => t(name));
  const rows = records.map(({ partition, offset, timestamp, key, value }) => [
    `${partition}`,
    number(offset),
    new Date(timestamp).toLocaleString(language(), { hour12: false }),
    el("bdi", { className: "cell" }, shown(key)),
    el("bdi", { className: "cell" }, shown(value)),
  ]);
  box.replaceChildren(table(t("search"), head, rows));
}

export function start() {
  byId("search-form").onsubmit = (event) => {
    event.preventDefault();
    void search(event.target);
  };
}

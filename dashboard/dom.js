/** Elements, and how things are shown. Nothing here or elsewhere makes markup out of text. */
import { language } from "./texts.js";

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** A new element with properties, and children: elements, or texts that stay texts. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "scope") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

/** A text of ours, with what stands between backticks as code. */
export function withCode(text) {
  return text.split("`").map((part, i) => i % 2 === 1 ? el("code", {}, part) : part);
}

/** Changes a text only where it is another: what does not change costs no layout, and no reader speaks it again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A table with a head; cells are texts or elements. */
export function table(caption, head, rows) {
  return el(
    "table",
    {},
    el("caption", { className: "hidden" }, caption),
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell))))),
  );
}

/** A whole number, with separators. */
export function number(value) {
  return Math.round(value).toLocaleString(language());
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10_000 ? 0 : 1)} s`;
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} ms`;
}

export function clock(time) {
  return new Date(time).toLocaleTimeString(language(), { hour12: false });
}

/** All that has no shape of its own, or turns round the text beside it: control and format characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
/** Joins emoji, harmless. */
const JOINER = "\u200d";

/** A text as it is, with what one would not see made visible. */
export function visible(text) {
  return text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0);
    if (character === JOINER) return character;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** A key or value, as the feed tells it, in text. */
export function shown(part) {
  if (part === null) return "null";
  const text = part.binary ? `0x${part.text}` : visible(part.text);
  return part.cut ? `${text}… (${bytes(part.bytes)})` : text;
}

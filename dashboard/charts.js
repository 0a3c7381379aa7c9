/** The last minutes as lines. uPlot draws them, see https://github.com/leeoniya/uPlot */
import { byId, clock, el, number, setText } from "./dom.js";
import { language, t } from "./texts.js";

/** Made by a script before this one. */
const { uPlot } = globalThis;
/** What the server keeps, in seconds. */
const KEPT = 900;
const SPANS = [1, 5, 15];
const HEIGHT = 160;
const COLOURS = 6;

/** Each chart: a title, and series with a label, a colour and a value of a sample. */
const RECORDS = [
  ["produced", 0, (s) => s.produced],
  ["deliveredSeries", 1, (s) => s.delivered],
  ["refusedSeries", "bad", (s) => s.refused],
  ["unknownSeries", "warn", (s) => s.unknown],
];
const LATENCY = [["p50", 0, (s) => s.p50], ["p99", 3, (s) => s.p99]];
const BUFFER = [["waitingBytes", 4, (s) => s.bufferBytes / 1024]];
const samples = [];
let span = 5;
let charts = [];
let groups = "";

function chartsWanted() {
  const names = groups === "" ? [] : groups.split("\n");
  const lag = names.map((group, i) => [group, i % COLOURS, (s) => s.lag?.[group] ?? null]);
  const titles = { chartRecords: RECORDS, chartLatency: LATENCY, chartBuffer: BUFFER, chartLag: lag };
  return Object.entries(titles).map(([title, series]) => ({ title, series }));
}

/** A custom property as a colour: scripts see `light-dark()` only where it is applied. */
function colour(name) {
  const probe = byId("charts");
  probe.style.color = `var(--${name})`;
  const { color } = getComputedStyle(probe);
  probe.style.color = "";
  return color;
}

function seriesColour(name) {
  return colour(typeof name === "number" ? `series-${name}` : name);
}

class Chart {
  values = [];

  constructor({ title, series }) {
    this.series = series;
    const legend = el("dl", { className: "legend" });
    for (const [label, name] of series) {
      const value = el("dd", {});
      this.values.push(value);
      const swatch = el("i", { className: `swatch colour-${name}` });
      legend.append(el("div", {}, el("dt", {}, swatch, SERIES_NAMES.has(label) ? t(label) : label), value));
    }
    this.plotBox = el("div", { className: "plot", role: "img", "aria-label": t(title) });
    this.element = el("figure", {}, el("figcaption", {}, t(title)), legend, this.plotBox);
  }

  /** Once the element is in the document and has a width. */
  plot(data) {
    const [ink, grid] = [colour("ink-2"), colour("line")];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    this.uplot = new uPlot(
      {
        width: this.plotBox.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: "page" } },
        scales: { x: { range: () => [Date.now() / 1000 - span * 60, Date.now() / 1000] }, y: { range: yRange } },
        axes: [
          { ...axis, size: 28, space: 70, values: (_, splits) => splits.map((time) => clock(time * 1000)) },
          {
            ...axis,
            size: 52,
            space: 30,
            values: (_, splits) => splits.map((value) => value.toLocaleString(language())),
          },
        ],
        series: [
          {},
          ...this.series.map(([, name]) => ({
            stroke: seriesColour(name),
            width: 1.75,
            points: { show: name === 3, size: 4 },
            spanGaps: this.series !== LATENCY,
          })),
        ],
        hooks: { setCursor: [() => this.drawLegend()] },
      },
      this.dataOf(data),
      this.plotBox,
    );
    this.drawLegend();
  }

  dataOf(data) {
    return [data.map(({ time }) => time / 1000), ...this.series.map(([, , value]) => data.map(value))];
  }

  setData(data) {
    this.uplot.setData(this.dataOf(data));
    this.drawLegend();
  }

  /** The values under the pointer, else the newest. */
  drawLegend() {
    const { data, cursor } = this.uplot ?? {};
    if (!data) return;
    this.values.forEach((element, i) => {
      const line = data[i + 1];
      const value = cursor.idx === null || cursor.idx === undefined ? line.at(-1) : line[cursor.idx];
      setText(
        element,
        value === null || value === undefined ? "–" : value < 10 ? `${+value.toFixed(1)}` : number(value),
      );
    });
  }
}

const SERIES_NAMES = new Set([...RECORDS, ...BUFFER].map(([label]) => label));

function yRange(_, __, max) {
  return [0, Math.max(1, max * 1.1)];
}

/** Makes all charts anew: the language, the theme or the groups have changed. */
export function redraw() {
  for (const { uplot } of charts) uplot?.destroy();
  charts = chartsWanted().map((wanted) => new Chart(wanted));
  byId("charts").replaceChildren(...charts.map(({ element }) => element));
  for (const chart of charts) chart.plot(samples);
  for (const [i, label] of [...byId("span").querySelectorAll("span")].entries()) {
    setText(label, t("minutes", { n: SPANS[i] }));
  }
}

/** What the server has kept. */
export function reset(kept) {
  samples.splice(0, samples.length, ...kept);
  noteGroups();
  redraw();
}

/** A sample more. */
export function add(sample) {
  if (!sample || sample.time <= (samples.at(-1)?.time ?? 0)) return;
  samples.push(sample);
  if (samples.length > KEPT) samples.shift();
  if (noteGroups()) redraw();
  else if (!document.hidden) { for (const chart of charts) chart.setData(samples); }
}

/** @returns whether there are other groups than before */
function noteGroups() {
  const names = Object.keys(samples.findLast(({ lag }) => lag)?.lag ?? {}).slice(0, COLOURS).join("\n");
  const other = names !== groups;
  groups = names;
  return other;
}

/** Makes the choice of the time span, and follows the width. */
export function start() {
  for (const minutes of SPANS) {
    const input = el("input", { type: "radio", name: "span", value: minutes, checked: minutes === span });
    input.onchange = () => {
      span = minutes;
      for (const chart of charts) chart.setData(samples);
    };
    byId("span").append(el("label", {}, input, el("span", {})));
  }
  new ResizeObserver(() => {
    for (const { uplot, plotBox } of charts) {
      if (uplot && uplot.width !== plotBox.clientWidth) uplot.setSize({ width: plotBox.clientWidth, height: HEIGHT });
    }
  }).observe(byId("charts"));
}

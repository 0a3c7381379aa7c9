/**
 * What a terminal showed, as a picture that moves: SVG and CSS, no script, so that it plays where a page only shows
 * images.
 *
 * @module
 */

/** A line of output, with the escape sequences that a terminal takes for colours. */
export interface ShownLine {
  /** Milliseconds since the recording began. */
  at: number;
  text: string;
}

/** One terminal: what was typed, and what came. */
export interface Pane {
  command: ShownLine;
  lines: readonly ShownLine[];
}

const COLUMNS = 100;
/** Of a character, in pixels. */
const [CELL, ROW, FONT] = [8.4, 19, 14];
const MARGIN = 16;
/** How long the last picture stays before all begins anew, in ms. */
const HOLD_MS = 6_000;

/** By the number that a program sends for a colour: https://en.wikipedia.org/wiki/ANSI_escape_code#Colors */
const COLORS: Record<string, string> = { 31: "#ff8f85", 32: "#7ed491", 33: "#e6b866", 35: "#d79be2", 36: "#62c6d6" };
const [PLAIN, PROMPT, BACKGROUND, EDGE] = ["#dfe3ec", "#8c96aa", "#161a23", "#3a4254"];
/** What takes two columns: Chinese characters, kana, Hangul, and the punctuation that goes with them. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;

interface Run {
  text: string;
  column: number;
  columns: number;
  color: string;
}

/** The recording as an SVG document. */
export function terminalSvg(panes: readonly Pane[], title: string): string {
  const rows: { y: number; line: ShownLine; runs: Run[] }[] = [];
  const edges: number[] = [];
  let y = MARGIN;
  for (const { command, lines } of panes) {
    if (rows.length > 0) edges.push(y += MARGIN / 2);
    const add = (line: ShownLine, runs: Run[]) => rows.push({ y: y += ROW, line, runs });
    rows.push({ y: y + ROW, line: { at: 0, text: "" }, runs: runsOf("$") });
    add(command, runsOf(`  ${command.text}`));
    for (const line of lines) add(line, runsOf(line.text));
    y += MARGIN / 2;
  }
  const [width, height] = [COLUMNS * CELL + 2 * MARGIN, y + MARGIN / 2];
  const duration = Math.max(...rows.map(({ line }) => line.at)) + HOLD_MS;
  const shown = rows.map(({ line }, i) =>
    `@keyframes r${i}{0%{opacity:0}${(100 * line.at / duration).toFixed(2)}%{opacity:1}}`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>
text{font:${FONT}px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono","Noto Sans Mono CJK SC",monospace}
g{animation:${duration}ms step-end infinite}
${shown.filter((_, i) => rows[i].line.at > 0).join("\n")}
@media (prefers-reduced-motion:reduce){g{animation:none}}
</style>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="10" fill="${BACKGROUND}" stroke="${EDGE}"/>
${edges.map((at) => `<path d="M0 ${at}H${width}" stroke="${EDGE}"/>`).join("\n")}
${rows.map(({ y, line, runs }, i) => group(runs, { y, name: line.at > 0 ? `r${i}` : "" })).join("\n")}
</svg>
`;
}

function group(runs: Run[], { y, name }: { y: number; name: string }): string {
  const texts = runs.map(({ text, column, columns, color }) => {
    const [x, length] = [column * CELL + MARGIN, columns * CELL].map((pixels) => pixels.toFixed(1));
    // The length is said, so that columns stand under each other whichever font there is.
    return `<text x="${x}" y="${y}" textLength="${length}" lengthAdjust="spacingAndGlyphs" fill="${color}">${
      escaped(text)
    }</text>`;
  });
  return `<g${name && ` style="animation-name:${name}"`}>${texts.join("")}</g>`;
}

/** A line in pieces that have one colour and one width, without those of blanks; what is too long is cut. */
function runsOf(line: string): Run[] {
  const runs: Run[] = [];
  let [color, column] = [PLAIN, 0];
  for (const [, codes, text = ""] of line.matchAll(/\p{Cc}\[([\d;]*)[A-Za-z]|(\P{Cc}+)/gu)) { // other controls do nothing
    if (codes !== undefined) color = COLORS[codes.split(";").at(-1)!] ?? PLAIN;
    for (const character of text) {
      const columns = WIDE.test(character) ? 2 : 1;
      if (column + columns > COLUMNS - 1) {
        runs.push({ text: "…", column, columns: 1, color: PROMPT });
        return wordsOf(runs);
      }
      const last = runs.at(-1);
      const same = last?.color === color && last.columns === columns * [...last.text].length;
      if (same) Object.assign(last, { text: last.text + character, columns: last.columns + columns });
      else runs.push({ text: character, column, columns, color });
      column += columns;
    }
  }
  return wordsOf(runs);
}

/** The words, as what is between them need not be drawn; a single blank stays. */
function wordsOf(runs: Run[]): Run[] {
  return runs.flatMap((run) =>
    [...run.text.matchAll(/\S+(?: \S+)*/g)].map(({ 0: text, index }) => {
      const columns = run.columns / run.text.length;
      return { ...run, text, column: run.column + index * columns, columns: text.length * columns };
    })
  );
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

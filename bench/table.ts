/**
 * Results as text for a terminal.
 *
 * @module
 */
import type { Result, Summary } from "./contest.ts";

const GAP = "  ";

/** One table: a row for each contestant, with median and spread of each figure. */
export function contestTable({ title, rows, missing }: Result): string {
  const units = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const head = [title, ...units.flatMap((unit) => [unit, "min to max"]), "ratio"];
  const cells = rows.map(({ name, figures, ratio }) => [
    name,
    ...units.flatMap((unit) => figureCells(figures[unit])),
    ratioText(ratio),
  ]);
  const left = missing.map(({ name, why }) => `${name}: left out, ${why}`);
  return [alignedTable([head, ...cells]), ...left].join("\n");
}

function figureCells(summary: Summary | undefined): [string, string] {
  if (!summary) return ["", ""];
  return [figure(summary.median), `${figure(summary.min)} to ${figure(summary.max)}`];
}

/** Small ones with two digits, too: a hundredth and a thousandth are not the same. */
export function ratioText(ratio: number): string {
  return Math.abs(ratio) < 0.1 ? String(Number(ratio.toPrecision(2))) : ratio.toFixed(2);
}

/** Three digits say all that such measurements can. */
export function figure(value: number): string {
  const digits = Math.max(0, 3 - Math.ceil(Math.log10(Math.abs(value) + 1e-9)));
  const factor = 10 ** (Math.ceil(Math.log10(Math.abs(value) + 1e-9)) - 3);
  const rounded = factor > 1 ? Math.round(value / factor) * factor : value;
  return rounded.toLocaleString("en-US", { maximumFractionDigits: Math.min(digits, 3), useGrouping: true });
}

/** Columns of equal width: the first to the left, the others to the right. A line under the first row. */
export function alignedTable([head, ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join(GAP);
  return [line(head), widths.map((width) => "-".repeat(width)).join(GAP), ...rows.map(line)].join("\n");
}

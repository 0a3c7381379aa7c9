/**
 * Lines of several programs in one terminal, each with its label.
 *
 * @module
 */

const COLORS: Record<string, number> = { kafka: 33, server: 36, consumer: 32, start: 35 };
const WIDTH = 8;

/** Prints a line of a program. Labels are coloured on a terminal, unless `NO_COLOR` is set (https://no-color.org). */
export function labelledPrinter(): (label: string, line: string) => void {
  const colored = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
  return (label, line) => {
    const head = label.padEnd(WIDTH) + " |";
    console.log(colored ? `\x1b[${COLORS[label] ?? 0}m${head}\x1b[0m ${line}` : `${head} ${line}`);
  };
}

/**
 * Contestants side by side: every round runs each of them once, so that whatever else the machine does hits all alike.
 *
 * @module
 */

/** What a run measured, by name and unit, such as `records/s`. The first is what contestants are compared by. */
export type Figures = Record<string, number>;

/** One of those who are compared. */
export interface Contestant {
  name: string;
  /** What a person would type to do the same. */
  command: string;
  /** Why it cannot take part here. Its row is left out, and this is told. */
  missing?: string;
  /** Does the work once. */
  run(): Promise<Figures>;
}

/** A comparison: one table. */
export interface Contest {
  title: string;
  contestants: readonly Contestant[];
}

/** A figure over all rounds. */
export interface Summary {
  median: number;
  min: number;
  max: number;
  /** In the order of the rounds. */
  samples: readonly number[];
}

/** What came of one contestant. */
export interface Row {
  name: string;
  command: string;
  figures: Record<string, Summary>;
  /** The first figure as a share of the first contestant's: the median over rounds of what each round gave. */
  ratio: number;
}

/** What came of a contest. */
export interface Result {
  title: string;
  rows: readonly Row[];
  /** Who did not take part, and why. */
  missing: readonly { name: string; why: string }[];
}

/** How a contest is run. */
export interface Rules {
  /** Runs of each contestant that count. */
  rounds: number;
  /** Told what runs, one line each. */
  onProgress?: (line: string) => void;
}

/** Runs a contest. The turn moves on with each round, so that nobody always comes after the same one. */
export async function run({ title, contestants }: Contest, { rounds, onProgress }: Rules): Promise<Result> {
  const present = contestants.filter(({ missing }) => missing === undefined);
  const samples = new Map<Contestant, Figures[]>(present.map((contestant) => [contestant, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < present.length; i++) {
      const contestant = present[(round + i) % present.length];
      onProgress?.(`${title}: round ${round + 1} of ${rounds}, ${contestant.name}`);
      samples.get(contestant)!.push(await contestant.run());
    }
  }
  const reference = samples.get(present[0])!;
  return {
    title,
    rows: present.map((contestant) => rowOf(contestant, samples.get(contestant)!, reference)),
    missing: contestants.flatMap(({ name, missing }) => missing === undefined ? [] : [{ name, why: missing }]),
  };
}

function rowOf({ name, command }: Contestant, samples: readonly Figures[], reference: readonly Figures[]): Row {
  const units = Object.keys(samples[0]);
  const figures = Object.fromEntries(units.map((unit) => [unit, summarize(samples.map((sample) => sample[unit]))]));
  const ratios = samples.map((sample, round) => sample[units[0]] / reference[round][units[0]]);
  return { name, command, figures, ratio: summarize(ratios).median };
}

/** Median and spread. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1)!, samples };
}

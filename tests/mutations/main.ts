/**
 * Makes one deliberate mistake after another in a copy of the project, and sees which test notices:
 *
 *     deno task test:mutations
 *     deno task test:mutations --only commit --quick
 *
 * `--only PATTERN`: mistakes whose name matches it, such as `commit|order`. `--quick`: has all of them caught by the minute of faults alone.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "@std/cli";
import { run } from "../../dev/run.ts";
import { type Mutation, MUTATIONS, QUICK } from "./mutations.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
/** A test that takes longer has noticed something, too. */
const LIMIT_MS = 300_000;

interface Result {
  name: string;
  caughtBy: string | undefined;
  seconds: number;
}

/** A copy of all that git would keep; what is fetched once, such as Kafka's jars, is shared. */
async function copyProject(folder: string): Promise<void> {
  const { code, output } = await run("git", ["-C", ROOT, "ls-files", "-co", "--exclude-standard"], {});
  if (code !== 0) throw new Error(`git cannot list the project's files: ${output}`);
  for (const path of output.trim().split("\n")) {
    const to = join(folder, path);
    await Deno.mkdir(join(to, ".."), { recursive: true });
    await Deno.copyFile(join(ROOT, path), to).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // deleted, and not committed yet
    });
  }
  await Deno.mkdir(join(ROOT, ".cache"), { recursive: true });
  await Deno.symlink(join(ROOT, ".cache"), join(folder, ".cache"));
}

/** @returns what a test says when it fails; undefined when it passes */
async function failureOf(folder: string, test: string): Promise<string | undefined> {
  const env = test === QUICK ? { FAULTS_SEED: "1" } : undefined;
  const args = ["test", "-P", "--no-check", "--fail-fast", test];
  const signal = AbortSignal.timeout(LIMIT_MS);
  try {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: folder, env, signal }).output();
    return success ? undefined : new TextDecoder().decode(stdout).slice(-3_000);
  } catch (error) {
    if (signal.aborted) return `it took longer than ${LIMIT_MS} ms`;
    throw error;
  }
}

async function tryMutation(
  { name, file, from, to, tests }: Mutation,
  { folder, passes }: { folder: string; passes: (test: string) => Promise<boolean> },
): Promise<Result> {
  const started = performance.now();
  const path = join(folder, file);
  const original = await Deno.readTextFile(path);
  if (original.split(from).length !== 2) throw new Error(`"${name}" does not apply: ${file} has changed`);
  await Deno.writeTextFile(path, original.replace(from, () => to));
  let caughtBy: string | undefined;
  for (const test of tests) {
    if (await failureOf(folder, test) === undefined) continue;
    await Deno.writeTextFile(path, original);
    if (await passes(test)) caughtBy = test;
    if (caughtBy) break;
    await Deno.writeTextFile(path, original.replace(from, () => to));
  }
  await Deno.writeTextFile(path, original);
  return { name, caughtBy, seconds: Math.round((performance.now() - started) / 1_000) };
}

/** Whether a test passes without any mistake; one that does not would catch them all. Asked once for each. */
function passesAlone(folder: string): (test: string) => Promise<boolean> {
  const known = new Map<string, boolean>();
  return async (test) => {
    if (known.has(test)) return known.get(test)!;
    const failure = await failureOf(folder, test);
    if (failure !== undefined) console.error(`${test} fails as it is, and so catches nothing\n${failure}`);
    known.set(test, failure === undefined);
    return failure === undefined;
  };
}

async function main(): Promise<number> {
  const { only = "", quick } = parseArgs(Deno.args, { string: ["only"], boolean: ["quick"] });
  const chosen = MUTATIONS.filter(({ name }) => new RegExp(only).test(name));
  const mutations = quick ? chosen.map((mutation) => ({ ...mutation, tests: [QUICK] })) : chosen;
  const folder = await Deno.makeTempDir({ prefix: "mutations-" });
  const results: Result[] = [];
  try {
    await copyProject(folder);
    const passes = passesAlone(folder);
    for (const mutation of mutations) {
      const result = await tryMutation(mutation, { folder, passes });
      results.push(result);
      console.log(`${result.caughtBy ? "caught" : "MISSED"}  ${result.name}: ${result.caughtBy} (${result.seconds} s)`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const width = Math.max(...results.map(({ name }) => name.length));
  console.log(`\n${"mistake".padEnd(width)}  seconds  caught by`);
  for (const { name, caughtBy = "NOBODY", seconds } of results) {
    console.log(`${name.padEnd(width)}  ${String(seconds).padStart(7)}  ${caughtBy}`);
  }
  return results.every(({ caughtBy }) => caughtBy) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());

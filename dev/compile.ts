/**
 * Makes executables of `serve`, `consume` and `produce`, one file each, for machines without Deno.
 *
 *     deno task compile
 *     DENORT_BIN=./denort deno task compile
 *
 * Each script is bundled into one file, and `deno compile` puts that into an executable. For this it needs `denort`,
 * Deno without its tools, which it downloads once from dl.deno.land or takes from `DENORT_BIN`. Where it can have
 * neither, the Deno that runs this is packed instead: larger, unpacked at its first run, and else the same.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { packExecutable } from "./compile_pack.ts";
import { run } from "./run.ts";
import { argsOf } from "./scripts.ts";

const ROOT = dirname(import.meta.dirname!);
const SCRIPTS = { serve: "server.ts", consume: "consumer.ts", produce: "producer.ts" } as const;
/** deno.json is for the sources; the bundle needs nothing of it. */
const ALONE = ["--no-config", "--no-lock", "--no-check"];

/** How an executable was made. */
export type Made = "compiled" | "packed";

/**
 * Makes the executables in a folder, and starts each of them once.
 *
 * @param folder Is made if it is not there.
 * @returns how they were made, all in the same way
 * @throws {Error} with the output of what failed
 */
export async function compileAll(folder: string, told: (line: string) => void): Promise<Made> {
  await Deno.mkdir(folder, { recursive: true });
  // In the same folder, so that what is finished and tried can be put in its place at once.
  const work = await Deno.makeTempDir({ dir: folder });
  try {
    let made: Made = "compiled";
    for (const [name, source] of Object.entries(SCRIPTS) as [keyof typeof SCRIPTS, string][]) {
      const script = join(work, `${name}.js`);
      await deno(["bundle", "--quiet", "--platform=deno", "-o", script, join(ROOT, source)]);
      const executable = { output: join(work, name), script, flags: permissionsOf(name) };
      const obstacle = made === "compiled" ? await compileOne(executable) : undefined;
      if (obstacle) {
        told(`no denort (DENORT_BIN is not set; dl.deno.land: ${obstacle})`);
        told("packing this Deno instead: the files need sh, tar and gzip, and unpack themselves at their first run");
        made = "packed";
      }
      if (made === "packed") await packExecutable(executable);
      await tryOut(executable.output);
      await Deno.rename(executable.output, join(folder, name));
      const { size } = await Deno.stat(join(folder, name));
      told(`${join(folder, name)}: ${Math.round(size / 1e6)} MB, ${made}`);
    }
    return made;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Those of the task, and nobody is asked for more. */
export function permissionsOf(name: keyof typeof SCRIPTS): string[] {
  return [...argsOf(name).filter((arg) => arg.startsWith("--allow-")), "--no-prompt"];
}

/** What is to be made of what. */
export interface Executable {
  output: string;
  script: string;
  flags: readonly string[];
}

/** The command line of `deno compile`. */
export function compileArguments({ output, script, flags }: Executable): string[] {
  return ["compile", ...ALONE, ...flags, "-o", output, script];
}

/** @returns why there is no denort, where that is what is missing */
async function compileOne({ output, script, flags }: Executable): Promise<string | undefined> {
  const { code, output: text } = await run(Deno.execPath(), compileArguments({ output, script, flags }));
  if (code === 0) return undefined;
  if (/base binary/.test(text) && !Deno.env.has("DENORT_BIN")) {
    return /: ([^:\n]+)\s*(?:\n\s*\nStack backtrace|$)/.exec(text)?.[1] ?? "it cannot be downloaded";
  }
  throw new Error(`deno compile of ${script} failed with exit code ${code}:\n${text}`);
}

async function deno(args: readonly string[]): Promise<void> {
  const { code, output } = await run(Deno.execPath(), args, { cwd: ROOT });
  if (code !== 0) throw new Error(`deno ${args[0]} of ${args.at(-1)} failed with exit code ${code}:\n${output}`);
}

/** A wrong denort makes files that look like executables. */
async function tryOut(executable: string): Promise<void> {
  const { code, output } = await run(executable, ["--help"]);
  if (code === 0 && output.includes("KAFKA_BROKERS")) return;
  throw new Error(
    `${executable} --help shows no help of ours (exit code ${code}); is DENORT_BIN a denort of this version?`,
  );
}

async function main(): Promise<number> {
  try {
    await compileAll(join(ROOT, "dist"), console.log);
    return 0;
  } catch (error) {
    console.error(`Cannot make the executables: ${(error as Error).message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());

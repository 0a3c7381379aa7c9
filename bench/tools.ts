/**
 * Programs of others that are measured beside ours: kcat, and the performance tools that come with Kafka.
 *
 * @module
 */
import { join, relative } from "node:path";
import { findJava } from "../dev/java.ts";
import { CACHE_DIR } from "../dev/jars.ts";
import { run } from "../dev/run.ts";

/** The project's folder. */
export const ROOT = join(import.meta.dirname!, "..");
const POM = join(import.meta.dirname!, "pom.xml");

/** A program, or why there is none. */
export type Tool = { version: string; missing?: undefined } | { missing: string };

/** kcat, where somebody has installed it. */
export async function findKcat(): Promise<Tool> {
  const version = await versionOf("kcat", ["-V"]);
  return version ? { version } : { missing: "kcat is not on PATH (Debian, Ubuntu: apt install kcat)" };
}

/** For results. */
export function toolVersion(tool: Tool): string {
  return tool.missing === undefined ? tool.version : "none";
}

/** The first thing in a program's output that looks like a version, or undefined when there is no such program. */
export async function versionOf(program: string, args: readonly string[]): Promise<string | undefined> {
  const { code, output } = await run(program, args);
  return code === 127 ? undefined : /\d+(\.\d+)+/.exec(output)?.[0] ?? "unknown";
}

/** Kafka's tools, and how to run one. */
export type JavaTools = Tool & {
  /** The command that runs a class, as it can be typed in the project's folder. */
  command(className: string, args: readonly string[]): string[];
};

/** Kafka's tools for the Java on PATH; Maven fetches them into `.cache/` when they are not there. */
export async function findJavaTools(onProgress: (line: string) => void): Promise<JavaTools> {
  const version = /<kafka\.version>(.+?)</.exec(await Deno.readTextFile(POM))![1];
  const folder = join(CACHE_DIR, `kafka-tools-${version}`);
  const jars = relative(ROOT, folder);
  const command = (className: string, args: readonly string[]) => ["java", "-cp", `${jars}/*`, className, ...args];
  try {
    await findJava();
    await resolveOnce(folder, () => onProgress(`resolving kafka-tools ${version} with Maven (once)…`));
    return { version, command };
  } catch (error) {
    return { missing: (error as Error).message, command };
  }
}

async function resolveOnce(folder: string, onStart: () => void): Promise<void> {
  if (await Deno.stat(folder).then(() => true, () => false)) return;
  onStart();
  const unfinished = `${folder}.${Deno.pid}`;
  const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${unfinished}`];
  const { code, output } = await run("mvn", ["-q", "-B", "-f", POM, ...goal]);
  if (code !== 0) throw new Error(`Maven could not resolve ${POM} (exit code ${code}): ${output.trim()}`);
  await Deno.rename(unfinished, folder);
}

/** Runs a command in the project's folder to its end; `deno` is the one that runs us. @throws {Error} when it fails */
export async function mustRun([program, ...args]: readonly string[]): Promise<string> {
  const { code, output } = await run(program === "deno" ? Deno.execPath() : program, args, { cwd: ROOT });
  if (code === 0) return output;
  throw new Error(`${[program, ...args].join(" ")} failed with exit code ${code}: ${output.slice(-2_000)}`);
}

/** What a program of ours printed, without the warnings that Deno and Node.js may add. */
export function jsonLines<T>(output: string): T[] {
  return output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** Seconds from a command's start to its end. */
export async function timed(command: readonly string[]): Promise<number> {
  const start = performance.now();
  await mustRun(command);
  return (performance.now() - start) / 1000;
}

/** A command as a person would type it in the project's folder; what differs from run to run stands as a name. */
export function shown(command: readonly string[], names: Record<string, string> = {}): string {
  return command.map((word) => {
    word = word.replaceAll(Deno.execPath(), "deno").replaceAll(`${ROOT}/`, "");
    for (const [name, value] of Object.entries(names)) word = word.replaceAll(value, `$${name}`);
    return /^[\w./:=,$-]+$/.test(word) ? word : `'${word}'`;
  }).join(" ");
}

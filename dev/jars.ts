/**
 * The jars of Apache Kafka: those of KAFKA_HOME, else those that Maven resolves once into `.cache/`.
 *
 * @module
 */
import { join } from "node:path";
import { lockFile } from "./lock.ts";
import { run, UnavailableError } from "./run.ts";

const POM = join(import.meta.dirname!, "kafka", "pom.xml");
/** Names the jars that belong in the folder, and is written last: without it the folder is not finished. */
const CONTENTS = "CONTENTS";
const OTHER_WAYS = "set KAFKA_HOME to an unpacked Apache Kafka 4 (https://kafka.apache.org/downloads)";

/** The folder in which everything is kept that can be made again: `.cache` next to `deno.json`. */
export const CACHE_DIR = join(import.meta.dirname!, "..", ".cache");

/** What a Java needs to run Kafka. */
export interface Jars {
  readonly version: string;
  /** For `java -cp`. In a fixed order, so that an archive of its classes stays valid. */
  readonly classpath: string;
}

/** Settings of {@linkcode kafkaJars}. */
export interface JarsOptions {
  /** {@linkcode CACHE_DIR} by default. */
  cacheDir?: string;
  /** Overrides variables of the environment. */
  env?: Record<string, string>;
  signal?: AbortSignal;
  onProgress?: (line: string) => void;
}

/**
 * Finds Kafka's jars, and has Maven fetch them when they are not there or not whole.
 *
 * @throws {UnavailableError} when KAFKA_HOME holds no Kafka 4, there is no Maven, it fails, or the folder cannot be written
 */
export async function kafkaJars({ cacheDir = CACHE_DIR, ...options }: JarsOptions = {}): Promise<Jars> {
  const { env, signal, onProgress } = options;
  const home = env?.KAFKA_HOME ?? Deno.env.get("KAFKA_HOME");
  if (home) return await jarsOf(home);

  const pom = await Deno.readTextFile(POM);
  const version = /<kafka\.version>(.+?)</.exec(pom)![1];
  const jars = { pom: await digest(pom), version, folder: `${cacheDir}/kafka-${version}` };
  const found = await wholeJars(jars);
  if (found) return found;

  await makeFolder(cacheDir);
  // One process fetches while others wait for it: two Mavens must not write the same local repository at once, either.
  const onWait = () => onProgress?.("waiting for another process that resolves Kafka…");
  using _lock = await lockFile(`${jars.folder}.lock`, { signal, onWait });
  return await wholeJars(jars) ?? await resolveJars(jars, options);
}

/** @throws {UnavailableError} that names the folder when it cannot be made or written. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.remove(await Deno.makeTempFile({ dir: folder }));
  } catch (cause) {
    throw new UnavailableError(
      `Cannot write into the folder ${folder} (${(cause as Error).message}); expected a folder that ` +
        `this user may write, or can make. Kafka's jars, logs and data are kept there.`,
      { cause },
    );
  }
}

async function jarsOf(home: string): Promise<Jars> {
  const names = await listJars(`${home}/libs`);
  const version = names.map((name) => /^kafka_[\d.]+-(\d+[\d.]*\d)[^/]*\.jar$/.exec(name)?.[1]).find(Boolean);
  if (!version || Number.parseInt(version) < 4) {
    throw new UnavailableError(
      `KAFKA_HOME is ${home}, and its folder libs holds ${version ? `Kafka ${version}` : "no Kafka"}; ` +
        `expected an unpacked Apache Kafka 4 (https://kafka.apache.org/downloads), or KAFKA_HOME unset to use Maven`,
    );
  }
  return { version, classpath: names.map((name) => `${home}/libs/${name}`).join(":") };
}

async function listJars(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.map(({ name }) => name).filter((name) => name.endsWith(".jar")).sort();
  } catch {
    return [];
  }
}

interface Wanted {
  readonly version: string;
  readonly folder: string;
  /** Digest of the pom: another one asks for other jars. */
  readonly pom: string;
}

/** The jars in the cache; undefined when any is missing or of another size than when they were resolved. */
async function wholeJars({ version, folder, pom }: Wanted): Promise<Jars | undefined> {
  try {
    const [of, ...lines] = (await Deno.readTextFile(`${folder}/${CONTENTS}`)).trimEnd().split("\n");
    if (of !== pom) return undefined;
    const files = lines.map((line) => line.split(" "));
    const sizes = await Promise.all(files.map(([, name]) => Deno.stat(`${folder}/${name}`).then(({ size }) => size)));
    if (files.some(([size], i) => Number(size) !== sizes[i])) return undefined;
    return { version, classpath: files.map(([, name]) => `${folder}/${name}`).join(":") };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

async function resolveJars(wanted: Wanted, { env, signal, onProgress }: JarsOptions): Promise<Jars> {
  const { version, folder, pom } = wanted;
  onProgress?.(`resolving Kafka ${version} with Maven (once)…`);
  const unfinished = `${folder}.unfinished`;
  await removeFolder(unfinished);
  const { code, output } = await run("mvn", [
    "-q",
    "-B",
    "-f",
    POM,
    "dependency:copy-dependencies",
    "-DincludeScope=runtime",
    `-DoutputDirectory=${unfinished}`,
  ], { env, signal });
  if (code === 127) {
    throw new UnavailableError(
      "Maven, which fetches Kafka's jars, is not on PATH. Install it " +
        `(Debian, Ubuntu: apt install maven; macOS: brew install maven), or ${OTHER_WAYS}.`,
    );
  }
  if (code !== 0) {
    throw new UnavailableError(
      `Maven could not resolve Kafka ${version} (exit code ${code}): ${reason(output)}\n` +
        `It needs the network once; a mirror or proxy is named in ~/.m2/settings.xml. Or ${OTHER_WAYS}.`,
    );
  }
  const names = await listJars(unfinished);
  const lines = await Promise.all(names.map(async (name) => `${await wholeSize(`${unfinished}/${name}`)} ${name}`));
  await Deno.writeTextFile(`${unfinished}/${CONTENTS}`, [pom, ...lines, ""].join("\n"));
  await removeFolder(folder);
  await Deno.rename(unfinished, folder);
  return (await wholeJars(wanted))!;
}

/** What Maven says went wrong, without its advice on how to see more. */
function reason(output: string): string {
  const lines = output.split("\n").filter((line) => line.includes("[ERROR]")).map((line) =>
    line.replace(/^.*\[ERROR\] ?/, "")
  );
  return (lines.length > 0 ? lines.slice(0, 3).join("\n") : output).trim();
}

/**
 * The size of a jar, which ends with the end record of a zip's directory (PKWARE APPNOTE 4.3.16).
 *
 * @throws {UnavailableError} when it does not, so is cut off: Maven copies what it has in its repository without a look.
 */
async function wholeSize(path: string): Promise<number> {
  const bytes = await Deno.readFile(path);
  const tail = bytes.subarray(-(22 + 0xffff)); // the record, and the longest comment after it
  for (let i = tail.length - 22; i >= 0; i--) {
    if (tail[i] === 0x50 && tail[i + 1] === 0x4b && tail[i + 2] === 5 && tail[i + 3] === 6) return bytes.length;
  }
  const name = path.split("/").at(-1);
  throw new UnavailableError(
    `The jar ${name} that Maven gave is cut off (${bytes.length} bytes); expected a whole zip file. ` +
      `Remove it from Maven's repository (find ~/.m2/repository -name '${name}' -delete) and start again.`,
  );
}

async function removeFolder(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(bytes).toHex();
}

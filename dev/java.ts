/**
 * Finds a Java that can run Kafka.
 *
 * @module
 */
import { run, type RunOptions, UnavailableError } from "./run.ts";

/** Kafka 4 runs its brokers on Java 17 or later (https://kafka.apache.org/40/documentation/compatibility/). */
const OLDEST = 17;
const REMEDY = "Install Java 17 or later (Debian, Ubuntu: apt install openjdk-17-jre-headless; " +
  "macOS: brew install openjdk), or point JAVA_HOME at one";

/** A Java that is recent enough. */
export interface Java {
  /** Path of its `java`, or just `java` when it is found through PATH. */
  readonly command: string;
  /** As it calls itself, for example `17.0.15`. */
  readonly version: string;
}

/**
 * The Java of JAVA_HOME, else the one on PATH.
 *
 * @param options.env Overrides variables of the environment
 * @throws {UnavailableError} when there is none, or it is older than 17
 */
export async function findJava(options: Pick<RunOptions, "env" | "signal"> = {}): Promise<Java> {
  const home = options.env?.JAVA_HOME ?? Deno.env.get("JAVA_HOME");
  const command = home ? `${home}/bin/java` : "java";
  const where = home ? `JAVA_HOME is ${home}, and its java` : "The java on PATH";
  const { code, output } = await run(command, ["-version"], options);
  if (code === 127) {
    throw new UnavailableError(
      home ? `JAVA_HOME is ${home}, and there is no bin/java. ${REMEDY}.` : `There is no Java on PATH. ${REMEDY}.`,
    );
  }
  const version = /version "([^"]+)"/.exec(output)?.[1];
  if (code !== 0 || version === undefined) {
    // The java of a macOS without any Java ends here: it only says where to get one.
    throw new UnavailableError(`${where} does not run: ${output.trim() || `exit code ${code}`}. ${REMEDY}.`);
  }
  if (majorOf(version) < OLDEST) {
    throw new UnavailableError(`${where} is version ${version}; Kafka needs ${OLDEST} or later. ${REMEDY}.`);
  }
  return { command, version };
}

/** Up to Java 8 versions began with `1.`: `1.8.0_392`. */
function majorOf(version: string): number {
  return Number(/^(?:1\.)?(\d+)/.exec(version)?.[1] ?? 0);
}

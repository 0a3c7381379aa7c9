/**
 * An archive of the classes that a broker loads (Java's class data sharing): the first broker that is stopped in an
 * orderly way writes it, all later ones start faster. Java itself ignores an archive that does not fit its class path.
 *
 * @module
 */
import type { Jars } from "./jars.ts";
import type { Java } from "./java.ts";

/** What a broker of this Java writes when it ends, in its folder. */
const FRESH = "classes.jsa";

/** The archive for one Java and one set of jars. */
export class ClassArchive {
  readonly #path: string;
  /** Whether a broker has written it. */
  readonly exists: boolean;

  private constructor(path: string, exists: boolean) {
    this.#path = path;
    this.exists = exists;
  }

  /** Looks for the archive in the cache. */
  static async find(cacheDir: string, { java, jars }: { java: Java; jars: Jars }): Promise<ClassArchive> {
    const key = new TextEncoder().encode([java.command, java.version, jars.classpath].join("\n"));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", key)).toHex().slice(0, 12);
    const path = `${cacheDir}/kafka-${jars.version}-java-${java.version}-${hash}.jsa`;
    return new ClassArchive(path, await Deno.stat(path).then(() => true, () => false));
  }

  /** For every Java that runs Kafka's classes. */
  get useOptions(): string[] {
    return this.exists ? [`-XX:SharedArchiveFile=${this.#path}`] : [];
  }

  /** For the one broker that shall write the archive when it ends. */
  get writeOptions(): string[] {
    return this.exists ? [] : [`-XX:ArchiveClassesAtExit=${FRESH}`];
  }

  /** Keeps what a broker that was stopped in an orderly way has written in its folder. */
  async keep(folder: string): Promise<void> {
    if (this.exists) return;
    const unfinished = `${this.#path}.${crypto.randomUUID()}`;
    try {
      await Deno.copyFile(`${folder}/${FRESH}`, unfinished);
      await Deno.rename(unfinished, this.#path);
      await Deno.remove(`${folder}/${FRESH}`);
    } catch {
      // No archive only means a slower start.
      await Deno.remove(unfinished).catch(() => {});
    }
  }
}

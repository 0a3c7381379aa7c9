/** The project as somebody has just cloned it: what is committed, and nothing that was made since. */
const ROOT = new URL("../../", import.meta.url).pathname;

/** A clone in a temporary folder, beside which a home of its own fits; disposing removes both. */
export class FreshClone implements AsyncDisposable {
  readonly #parent: string;

  private constructor(parent: string) {
    this.#parent = parent;
  }

  static async make(): Promise<FreshClone> {
    const clone = new FreshClone(await Deno.makeTempDir({ prefix: "kafka-deno-clone-" }));
    const { success, stderr } = await new Deno.Command("git", { args: ["clone", "-q", ROOT, clone.folder] }).output();
    if (!success) throw new Error(`Cannot clone ${ROOT}: ${new TextDecoder().decode(stderr)}`);
    return clone;
  }

  get folder(): string {
    return `${this.#parent}/kafka-deno`;
  }

  /** Variables by which Node.js, Deno and Maven find an empty home, and nothing that was fetched before. */
  emptyHome(): Record<string, string> {
    const home = `${this.#parent}/home`;
    return {
      HOME: home,
      XDG_CACHE_HOME: `${home}/.cache`,
      DENO_DIR: `${home}/deno`,
      npm_config_cache: `${home}/npm`,
      MAVEN_OPTS: `-Duser.home=${home}`,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#parent, { recursive: true });
  }
}

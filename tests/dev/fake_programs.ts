/**
 * A PATH on which there are only the programs that a test puts there, and the shell's own.
 *
 * @module
 */
import { dirname, join } from "node:path";

/** What scripts of ours and the fake programs call. */
const SHELL_TOOLS = ["sh", "cat", "cp", "mkdir", "rm", "sleep"];

/** A folder of programs; removed when it is disposed of. */
export interface FakePrograms extends AsyncDisposable {
  readonly folder: string;
  /** An environment in which only these programs are found, and no others are configured. */
  readonly env: Record<string, string>;
}

/** @param scripts what each program does, in the shell's language, by its path in the folder */
export async function fakePrograms(scripts: Record<string, string>): Promise<FakePrograms> {
  const folder = await Deno.makeTempDir({ prefix: "fake-programs-" });
  for (const [path, script] of Object.entries(scripts)) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  for (const tool of SHELL_TOOLS) await Deno.symlink(await whereIs(tool), join(folder, tool));
  return {
    folder,
    env: { PATH: folder, JAVA_HOME: "", KAFKA_HOME: "" },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function whereIs(tool: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${tool}`] }).output();
  return new TextDecoder().decode(stdout).trim();
}

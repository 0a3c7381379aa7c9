/**
 * An executable file that carries Deno and a script: a shell script before an archive.
 *
 * @module
 */
import { basename, join } from "node:path";
import { run } from "./run.ts";

/** What is to be packed. */
export interface Packing {
  /** The file to be made. */
  output: string;
  /** One file of JavaScript that imports nothing. */
  script: string;
  /** Of `deno run`. */
  flags: readonly string[];
}

/**
 * Packs the Deno that runs this with a script. The file runs on this kind of machine, with what every Unix has: sh,
 * tail, tar, gzip. At its first run it unpacks into a folder that only its user can write, under a name made of what is
 * in it, so that another version gets another folder; without a home it does so in $TMPDIR.
 *
 * @throws {Error} with the output of tar
 */
export async function packExecutable({ output, script, flags }: Packing): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.copyFile(Deno.execPath(), join(folder, "deno"));
    await Deno.copyFile(script, join(folder, "script.js"));
    const archive = join(folder, "archive");
    const { code, output: text } = await run("tar", ["-czf", archive, "-C", folder, "deno", "script.js"]);
    if (code !== 0) throw new Error(`tar ended with exit code ${code}:\n${text}`);
    const bytes = await Deno.readFile(archive);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex().slice(0, 16);
    const head = header({ name: `${basename(output)}-${digest}`, flags });
    await Deno.writeFile(output, new Uint8Array(await new Blob([head, bytes]).arrayBuffer()), { mode: 0o755 });
    await Deno.chmod(output, 0o755);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The shell script. Its last line is followed by the archive. */
function header({ name, flags }: { name: string; flags: readonly string[] }): string {
  const lines = [
    "#!/bin/sh",
    "# Deno and a script of kafka-deno, made by `deno task compile`; what follows the last line is an archive.",
    "set -eu",
    "umask 077",
    'for base in "${XDG_CACHE_HOME:-}" "${HOME:+$HOME/.cache}" "${TMPDIR:-/tmp}"; do',
    '  cache="$base/kafka-deno-$(id -u)"',
    '  if [ -n "$base" ] && mkdir -p "$cache" 2>/dev/null && [ -O "$cache" ] && [ -w "$cache" ]; then break; fi',
    "  cache=",
    "done",
    '[ -n "$cache" ] || { echo "$0: nowhere to unpack; expected a writable HOME or TMPDIR" >&2; exit 1; }',
    `home="$cache/${name}"`,
    'if [ ! -d "$home" ]; then',
    '  new=$(mktemp -d "$cache/unpacking.XXXXXX")',
    '  tail -n +LINES "$0" | tar -xzf - -C "$new"',
    "  # Whoever is second finds the folder made; both hold the same.",
    '  if [ -d "$home" ]; then rm -rf "$new"; else mv "$new" "$home"; fi',
    "fi",
    'export DENO_DIR="$cache/deno" DENO_NO_UPDATE_CHECK=1',
    `exec "$home/deno" run --no-config --no-lock ${flags.map(quote).join(" ")} "$home/script.js" "$@"`,
  ];
  return lines.join("\n").replace("LINES", String(lines.length + 1)) + "\n";
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * How the scripts are run: as `deno task` would.
 *
 * @module
 */
import deno from "../deno.json" with { type: "json" };

/** Arguments of `deno` for a task, without a shell between, and without Deno's own lines about downloads. */
export function argsOf(task: "serve" | "consume" | "produce" | "dlt"): string[] {
  const [_deno, command, ...args] = deno.tasks[task].split(" ");
  return [command, "--quiet", ...args];
}

/**
 * What a process takes. Asked of `ps` and a shell, since Deno lets only programs with all permissions read /proc.
 *
 * @module
 */

/** Memory of a process, in bytes. @throws {Error} when there is no such process */
export function residentBytes(pid: number): number {
  return 1024 * ask("ps", ["-o", "rss=", "-p", `${pid}`]);
}

/** Open files and sockets of a process. @throws {Error} when there is no such process */
export function openFiles(pid: number): number {
  return ask("sh", ["-c", 'ls "/proc/$0/fd" | wc -l', `${pid}`]);
}

function ask(command: string, args: string[]): number {
  const { stdout } = new Deno.Command(command, { args, stderr: "null" }).outputSync();
  const answer = Number(new TextDecoder().decode(stdout).trim() || NaN);
  if (!(answer > 0)) throw new Error(`${command} ${args.join(" ")} tells nothing; expected a process that runs`);
  return answer;
}

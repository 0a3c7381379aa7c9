/**
 * What is known of processes, and what they take. Asked of `ps` and a shell, since Deno lets only programs with all permissions read /proc.
 *
 * @module
 */

/** Memory of a process, in bytes. @throws {Error} when there is no such process */
export function residentBytes(pid: number): number {
  return 1024 * ask("ps", ["-o", "rss=", "-p", `${pid}`]);
}

/** The most memory that a process has had so far, in bytes. @throws {Error} when there is no such process */
export function peakResidentBytes(pid: number): number {
  return 1024 * ask("sh", ["-c", 'sed -n "s/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p" "/proc/$0/status"', `${pid}`]);
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

/** Ids of a process and of all that descend from it. */
export function descendants(pid: number): number[] {
  const { stdout } = new Deno.Command("ps", { args: ["-eo", "pid=,ppid="] }).outputSync();
  const pairs = new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const found = [pid];
  for (const parent of found) found.push(...pairs.filter(([, ppid]) => ppid === parent).map(([child]) => child));
  return found;
}

/** Whether a process runs. One that has ended, but whose parent has not asked how, does not. */
export function isAlive(pid: number): boolean {
  return /^[^Z]/.test(columnOf(pid, "stat"));
}

/** A process's command line; empty when there is no such process. */
export function commandOf(pid: number): string {
  return columnOf(pid, "args");
}

function columnOf(pid: number, column: string): string {
  const { stdout } = new Deno.Command("ps", { args: ["-ww", "-o", `${column}=`, "-p", `${pid}`] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

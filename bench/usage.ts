/**
 * What processes take, whoever wrote them: read from /proc, by a shell, since Deno itself reads /proc only with all
 * permissions.
 *
 * @module
 */

/** What a process has used up to now. */
export interface Usage {
  rssBytes: number;
  /** Of all its threads, in user and kernel mode. */
  cpuSeconds: number;
}

/** What Linux counts CPU time in, for programs: 100 a second on every machine (`man 5 proc_pid_stat`, USER_HZ). */
const TICKS = 100;

/** @throws {Error} when there is no such process, or no /proc */
export function usageOf(pid: number): Usage {
  const { stdout } = new Deno.Command("sh", {
    args: ["-c", 'cat "/proc/$0/stat" "/proc/$0/status"', `${pid}`],
    stderr: "null",
  }).outputSync();
  const text = new TextDecoder().decode(stdout);
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1];
  if (rss === undefined) throw new Error(`/proc tells nothing of process ${pid}; expected one that runs, on Linux`);
  // Its name, in brackets, may hold anything.
  const fields = text.slice(text.lastIndexOf(") ", text.indexOf("\n")) + 2).split(" ");
  const [user, system] = fields.slice(11, 13).map(Number);
  return { rssBytes: Number(rss) * 1024, cpuSeconds: (user + system) / TICKS };
}

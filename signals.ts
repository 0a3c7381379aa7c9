/**
 * Ctrl-C and SIGTERM: the first asks a script to stop in order, the second ends it at once. And the end of whoever
 * runs the script.
 *
 * @module
 */

/** Exit code of a process that a second signal ended, by the shell's convention for SIGINT. */
const INTERRUPTED = 130;

/**
 * One Ctrl-C arrives twice under `deno task`: the terminal signals every process in the foreground, and the task runner
 * hands its own signal on (seen on Deno 2.9.6: 5 to 11 ms later). What comes within this time, in ms, is an echo.
 */
const ECHO_MS = 250;

/** A signal that aborts at the first SIGINT or SIGTERM. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const stop = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort(new DOMException("asked to stop", "AbortError"));
    } else if (performance.now() - first > ECHO_MS) Deno.exit(INTERRUPTED);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  return controller.signal;
}

/** Aborts when the task runner that runs us has gone without a word: when it is killed, it takes nobody along. */
export function runnerGone(): AbortSignal {
  const controller = new AbortController();
  const runner = Deno.ppid;
  // Task runners set INIT_CWD. Who runs this script in another way may mean to leave it running.
  if (Deno.env.get("INIT_CWD")) {
    Deno.unrefTimer(setInterval(() => Deno.ppid === runner || controller.abort(), 500));
  }
  return controller.signal;
}

/**
 * Ctrl-C and SIGTERM: the first asks a script to stop in order, the second ends it at once.
 *
 * @module
 */

/** Exit code of a process that a second signal ended, by the shell's convention for SIGINT. */
const INTERRUPTED = 130;

/** A signal that aborts at the first SIGINT or SIGTERM. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) Deno.exit(INTERRUPTED);
    controller.abort(new DOMException("asked to stop", "AbortError"));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  return controller.signal;
}

/**
 * One process at a time.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Locks a file, which is made if need be, and waits while another holds the lock. It is held until the file is
 * disposed of, or this process ends.
 *
 * @param options.onWait Called once if there is somebody to wait for
 */
export async function lockFile(
  path: string,
  { signal, onWait }: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, create: true });
  try {
    for (let tries = 0; !await file.tryLock(true); tries++) {
      if (tries === 0) onWait?.();
      await sleep(100, undefined, { signal });
    }
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

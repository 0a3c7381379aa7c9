/**
 * Ports of this machine on which nothing listens.
 *
 * @module
 */

/** A port that was asked for is in use. */
export class PortTakenError extends Error {
  override name = "PortTakenError";

  constructor(port: number, options?: ErrorOptions) {
    super(
      `Port ${port} is taken by another program; expected a free one. Stop that program ` +
        `(lsof -nP -iTCP:${port} -sTCP:LISTEN names it), or choose another port.`,
      options,
    );
  }
}

// Below the ranges from which systems take the ports of outgoing connections (from 32768 on Linux, from 49152 on macOS):
// a client that keeps calling a stopped broker must not be given that broker's port as its own.
const FIRST = 20_000;
const COUNT = 12_000;

/** @throws {PortTakenError} when something listens on this port of 127.0.0.1 */
export function checkFree(port: number): void {
  listen(port).close();
}

/** Chooses free ports, all different. Somebody else may still take one before it is used. */
export function freePorts(count: number): number[] {
  const listeners: Deno.Listener[] = [];
  try {
    for (let tries = 0; listeners.length < count; tries++) {
      try {
        listeners.push(listen(FIRST + Math.floor(Math.random() * COUNT)));
      } catch (error) {
        if (!(error instanceof PortTakenError) || tries >= 1000) throw error;
      }
    }
    return listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  } finally {
    for (const listener of listeners) listener.close();
  }
}

function listen(port: number): Deno.Listener {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (cause) {
    if (cause instanceof Deno.errors.AddrInUse) throw new PortTakenError(port, { cause });
    throw new Error(`Cannot listen on port ${port} (${(cause as Error).message}); expected a port from 1024`, {
      cause,
    });
  }
}

// HTTP as bytes, where a client library would tidy up what a test wants to send.

/** What came back before the connection was closed, or nothing more came. */
export interface RawAnswer {
  text: string;
  /** Statuses in their order; several where requests were pipelined. */
  statuses: number[];
  closed: boolean;
}

/** How {@linkcode raw} waits. */
export interface RawOptions {
  /** So many answers are waited for; 1 by default. */
  answers?: number;
  /** Longest wait in ms; 3,000 by default. */
  timeout?: number;
}

/** Sends bytes on a connection of their own. */
export async function raw(
  address: Deno.NetAddr,
  request: string | Uint8Array,
  { answers = 1, timeout = 3_000 }: RawOptions = {},
): Promise<RawAnswer> {
  using connection = await Deno.connect({ hostname: address.hostname, port: address.port });
  const timer = setTimeout(() => connection.close(), timeout);
  let text = "";
  let closed = false;
  const statuses = () => [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status));
  const sending = send(connection, request).catch(() => {}); // the server may close before it has all
  try {
    const buffer = new Uint8Array(1 << 16);
    // An answer is there when its body is: ours are short and come in one piece with their head.
    while (statuses().filter((status) => status >= 200).length < answers) {
      const count = await connection.read(buffer);
      if (count === null) {
        closed = true;
        break;
      }
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
  } catch (error) {
    closed = error instanceof Deno.errors.ConnectionReset;
  }
  clearTimeout(timer);
  await sending;
  return { text, statuses: statuses(), closed };
}

async function send(connection: Deno.Conn, request: string | Uint8Array): Promise<void> {
  let bytes = typeof request === "string" ? new TextEncoder().encode(request) : request;
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

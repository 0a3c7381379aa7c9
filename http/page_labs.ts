/**
 * `GET /page/labs`: tells the page where its labs are, if `deno task start` has told us. They start and stop processes
 * on this machine, so only a page on this machine is told.
 *
 * @module
 */
import type { Handler } from "./types.ts";

/** Where the labs are: the value of KAFKA_DENO_CONTROL, `http://127.0.0.1:PORT#TOKEN`. */
export interface Control {
  url: string;
  token: string;
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;
/** What proxies add: then the address is that of the proxy. */
const FORWARDED = ["forwarded", "x-forwarded-for", "via"];

/** Takes the address of a control channel apart. */
export function parseControl(address: string | undefined): Control | undefined {
  const [, url, token] = /^(http:\/\/127\.0\.0\.1:\d+)#([\w-]+)$/.exec(address ?? "") ?? [];
  return url ? { url, token } : undefined;
}

/** Answers with the channel; with nothing where there is none, or to others. */
export function labsHandler(control: Control | undefined): Handler {
  return ({ request, client }) => {
    const near = LOOPBACK.test(client) && !FORWARDED.some((name) => request.headers.has(name));
    if (!control || !near) return new Response(null, { status: 204 });
    return Response.json(control, { headers: { "cache-control": "no-store" } });
  };
}

/**
 * Posts each record to a web address, and is content with a 2xx answer.
 *
 *     WEBHOOK_URL=http://localhost:9000/hook deno run --allow-net --allow-read --allow-env \
 *       consumer.ts --topic orders --group hooks --handler ./handlers/webhook.ts
 *
 * The receiver may get a record more than once, after a crash or a lost answer: the header `Idempotency-Key` is the
 * same each time, and different for every record.
 *
 * @module
 */
import type { Handler } from "./types.ts";

/** How long an answer may take, in ms. */
const TIMEOUT_MS = 10_000;

/** Refusals that may pass: too early, too many requests, request timeout. The consumer tries again, like after 5xx. */
const PASSING: readonly number[] = [408, 425, 429];

/** Makes the handler for an address. */
export function webhook(url: string): Handler {
  return async ({ topic, partition, offset, key, value, timestamp }, { signal }) => {
    const response = await fetch(url, {
      method: "POST",
      // A tombstone has no body; what else it is, the receiver knows best.
      body: value as Uint8Array<ArrayBuffer> | null,
      headers: {
        "content-type": "application/octet-stream",
        "idempotency-key": `${topic}-${partition}-${offset}`,
        "kafka-topic": encodeURIComponent(topic),
        "kafka-partition": String(partition),
        "kafka-offset": String(offset),
        "kafka-timestamp": String(timestamp),
        ...(key && { "kafka-key": encodeURIComponent(new TextDecoder().decode(key)) }),
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    await response.body?.cancel();
    if (response.ok) return;
    const error = new Error(`${url} answered ${response.status} ${response.statusText}; expected 2xx`);
    // Another attempt will be refused like this one: the record is a dead letter at once.
    throw Object.assign(error, { retriable: response.status >= 500 || PASSING.includes(response.status) });
  };
}

let handler: Handler | undefined;

/** The handler for the address in WEBHOOK_URL. */
export default ((record, context) => {
  handler ??= webhook(addressIn(Deno.env.get("WEBHOOK_URL")));
  return handler(record, context);
}) satisfies Handler;

function addressIn(url: string | undefined): string {
  if (url && URL.canParse(url)) return url;
  throw new TypeError(`WEBHOOK_URL is ${JSON.stringify(url)}; expected a web address`);
}

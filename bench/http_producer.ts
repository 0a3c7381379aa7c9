/**
 * Our delivery path behind a bare `Deno.serve`: what it takes to deliver the records of a request, without the routes,
 * guards, metrics and log of the server. For `bench/http.ts`.
 *
 * @module
 */
import { configOrExit } from "../config.ts";
import { offsetsResponse } from "../http/delivery.ts";
import { parseEnvelope } from "../http/envelope.ts";
import { Producer } from "../producer.ts";

if (import.meta.main) {
  const config = configOrExit("serve", "Takes records over HTTP, for a benchmark.");
  const { topic, port } = config;
  const producer = new Producer(config);
  await producer.start();
  await producer.lookUp(topic);
  Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    if (request.method === "GET") return new Response("ready");
    const records = parseEnvelope(await request.bytes(), "json");
    return offsetsResponse(await producer.send(records, { topic }));
  });
}

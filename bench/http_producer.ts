/**
 * Our delivery path behind a bare `Deno.serve`: what it takes to deliver the records of a request, without the routes,
 * guards, metrics and log of the server. For `bench/http.ts`.
 *
 * @module
 */
import { configOrExit } from "../config.ts";
import { parseEnvelope } from "../http/envelope.ts";
import { KAFKA_JSON } from "../http/media_types.ts";
import { offsetsJson } from "../http/delivery.ts";
import { Producer } from "../producer.ts";

const ANSWER = { headers: { "content-type": KAFKA_JSON } };

if (import.meta.main) {
  const config = configOrExit("serve", "Takes records over HTTP, for a benchmark.");
  const { topic, port } = config;
  const producer = new Producer(config);
  await producer.start();
  await producer.lookUp(topic);
  Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    if (request.method === "GET") return new Response("ready");
    const records = parseEnvelope(await request.bytes(), "json");
    const outcomes = await producer.send(records, { topic });
    const status = outcomes.every((outcome) => outcome.status === "acknowledged") ? 200 : 503;
    const body = `{"offsets":${offsetsJson(outcomes)},"key_schema_id":null,"value_schema_id":null}`;
    return status === 200 ? new Response(body, ANSWER) : new Response(body, { ...ANSWER, status });
  });
}

/**
 * `POST /names`: the tutorial's endpoint, random Chinese names to the one topic.
 *
 * @module
 */
import type { Outcome } from "../kafka/delivery.ts";
import { anyAcknowledged, errorMembers, failureOf } from "./delivery.ts";
import { IdempotentAnswers } from "./idempotency.ts";
import { integerParameter } from "./target.ts";
import type { TopicGate } from "./topic.ts";
import type { Tracing } from "./tracing.ts";
import type { Handler, RecordSink } from "./types.ts";

/** Most names of one request. */
const MAX_COUNT = 1_000;
const ANSWER = { headers: { "content-type": "application/json" } };

/** Writes one name, or `?count=N` of them. */
export function namesHandler(
  sink: RecordSink,
  gate: TopicGate,
  { topic, randomName, tracing }: { topic: string; randomName: () => string; tracing: Tracing },
): Handler {
  const answers = new IdempotentAnswers();
  return async ({ request, query, token }) => {
    gate.check(topic, token);
    const count = integerParameter(query, "count", { min: 1, max: MAX_COUNT, fallback: 0 });
    const deliver = async () => {
      const names = Array.from({ length: Math.max(count, 1) }, randomName);
      const records = names.map((value) => ({ value }));
      const outcomes = await tracing.send(sink, records, { headers: request.headers, topic });
      if (!anyAcknowledged(outcomes)) throw failureOf(outcomes);
      const entries = outcomes.map((outcome, i) => entryJson(outcome, topic, names[i]));
      return new Response(count === 0 ? entries[0] : `{"records":[${entries.join()}]}`, ANSWER);
    };
    const key = request.headers.get("idempotency-key");
    if (key === null) return await deliver();
    return await answers.run(key, { scope: `${token?.name ?? ""} names`, content: [String(count)] }, deliver);
  };
}

function entryJson(outcome: Outcome, topic: string, value: string): string {
  const where = outcome.status === "acknowledged"
    ? `"partition":${outcome.partition},"offset":${outcome.offset}`
    : errorMembers(outcome);
  return `{"topic":${JSON.stringify(topic)},${where},"value":${JSON.stringify(value)}}`;
}

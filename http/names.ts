/**
 * `POST /names`: the tutorial's endpoint, random Chinese names to the one topic.
 *
 * @module
 */
import type { Outcome } from "../kafka/delivery.ts";
import { anyAcknowledged, errorMembers, failureOf } from "./delivery.ts";
import { integerParameter } from "./target.ts";
import type { TopicGate } from "./topic.ts";
import type { Handler, RecordSink } from "./types.ts";

/** Most names of one request. */
const MAX_COUNT = 1_000;
const ANSWER = { headers: { "content-type": "application/json" } };

/** Writes one name, or `?count=N` of them. */
export function namesHandler(
  sink: RecordSink,
  gate: TopicGate,
  { topic, randomName }: { topic: string; randomName: () => string },
): Handler {
  return async ({ query, token }) => {
    gate.check(topic, token);
    const count = integerParameter(query, "count", { min: 1, max: MAX_COUNT, fallback: 0 });
    const records = Array.from({ length: Math.max(count, 1) }, () => ({ value: randomName() }));
    const outcomes = await sink.send(records, { topic });
    if (!anyAcknowledged(outcomes)) throw failureOf(outcomes);
    const entries = outcomes.map((outcome, i) => entryJson(outcome, topic, records[i].value));
    return new Response(count === 0 ? entries[0] : `{"records":[${entries.join()}]}`, ANSWER);
  };
}

function entryJson(outcome: Outcome, topic: string, value: string): string {
  const where = outcome.status === "acknowledged"
    ? `"partition":${outcome.partition},"offset":${outcome.offset}`
    : errorMembers(outcome);
  return `{"topic":${JSON.stringify(topic)},${where},"value":${JSON.stringify(value)}}`;
}

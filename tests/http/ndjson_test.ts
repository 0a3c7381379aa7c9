/** Streams of records whose outcomes the test decides: no Kafka can be made to answer just so. */
import assert from "node:assert/strict";
import { DeliveryError } from "../../errors.ts";
import { BodyReader } from "../../http/body.ts";
import { HttpError } from "../../http/errors.ts";
import { streamRecords } from "../../http/ndjson.ts";
import { Tracing } from "../../http/tracing.ts";
import type { Call, RecordSink } from "../../http/types.ts";
import type { Outcome } from "../../kafka/delivery.ts";
import { loggerFor } from "../../log.ts";

const rejected: Outcome = {
  status: "rejected",
  error: new DeliveryError("buffer-full", "The buffer is full"),
  retriable: true,
};
const unknown: Outcome = { status: "unknown", error: new DeliveryError("timed-out", "no answer within 8000 ms") };

/** Streams a line for each outcome. */
async function streamed(outcomes: Outcome[]): Promise<Response> {
  const body = outcomes.map((_, i) => `{"value":${i}}\n`).join("");
  const request = new Request("http://localhost/topics/t", { method: "POST", body });
  const call: Call = {
    request,
    query: "",
    id: "1",
    client: "unknown",
    token: undefined,
    stopping: new AbortController().signal,
    hold: () => () => {},
    parameters: ["t"],
  };
  const sink = {
    async *deliver(chunks: Parameters<RecordSink["deliver"]>[0]) {
      for await (const chunk of chunks) yield outcomes.splice(0, chunk.length);
    },
  } as unknown as RecordSink;
  const parts = {
    sink,
    body: new BodyReader({ maxBytes: 1_000, timeoutMs: 5_000 }),
    log: loggerFor("server"),
    tracing: new Tracing(),
    streams: { count: 0, max: 1 },
  };
  return await streamRecords(parts, call, { topic: "t", partition: undefined });
}

Deno.test("a stream of which one record may have been written is not told that none was", async () => {
  await assert.rejects(streamed([rejected, unknown, rejected]), (error: HttpError) => {
    assert.deepEqual([error.status, error.code], [504, 50401]);
    assert.match(error.message, /^None of the first 3 lines is known to be written; one of them: .*8000 ms/);
    return true;
  });
  await assert.rejects(streamed([rejected, rejected]), { status: 503, code: 50301 });
});

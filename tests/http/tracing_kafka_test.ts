import assert from "node:assert/strict";
import { createTopic, sharedKafka } from "../support/kafka.ts";
import { readTopic } from "../support/reader.ts";
import { startScript, waitFor } from "../support/wait.ts";
import { answer, startApp } from "./app_test_util.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

Deno.test("the trace context of a request goes on with its records", async () => {
  await using t = await startApp();
  const own = [{ key: "traceparent", value: btoa("mine") }];
  const headers = { traceparent: TRACEPARENT, tracestate: "vendor=1" };
  await answer(t.post(`/topics/${t.topic}`, { records: [{ value: 1 }, { value: 2, headers: own }] }, headers), 200);
  const later = `01-${TRACE}-00f067aa0ba902b7-01-more`; // a version to come, which may have more
  await answer(t.post(`/topics/${t.topic}`, { records: [{ value: 3 }] }, { traceparent: later }), 200);
  const records = await readTopic(t.bootstrap, t.topic);
  assert.deepEqual(records.map(({ headers }) => headers.map(([name, value]) => [name, value?.toString()])), [
    [["traceparent", TRACEPARENT], ["tracestate", "vendor=1"]],
    [["traceparent", "mine"]],
    [["traceparent", later]],
  ]);
});

Deno.test("what is no trace context is not passed on, and then there is no tracestate either", async () => {
  await using t = await startApp();
  const wrong = [
    "nonsense",
    "",
    TRACEPARENT.slice(0, 10),
    `${TRACEPARENT}-more`,
    `${TRACEPARENT.replace(/^00/, "01")}0`,
    TRACEPARENT.toUpperCase(),
    TRACEPARENT.replace(/^00/, "ff"),
    TRACEPARENT.replace(TRACE, "0".repeat(32)),
    TRACEPARENT.replace("00f067aa0ba902b7", "0".repeat(16)),
  ];
  for (const traceparent of wrong) {
    const headers = { traceparent, tracestate: "vendor=1" };
    await answer(t.post(`/topics/${t.topic}`, { records: [{ value: traceparent }] }, headers), 200);
  }
  await answer(t.post(`/topics/${t.topic}`, { records: [{ value: "none" }] }, { tracestate: "vendor=1" }), 200);
  const records = await readTopic(t.bootstrap, t.topic);
  assert.equal(records.length, wrong.length + 1);
  for (const { headers, value } of records) assert.deepEqual(headers, [], `${value}`);
});

Deno.test("so does that of a name, and of a stream of records", async () => {
  await using t = await startApp();
  const headers = { traceparent: TRACEPARENT };
  await answer(t.request("/names", { method: "POST", headers }), 200);
  const lines = '{"value":1}\n{"value":2}\n';
  const streamed = await t.post(`/topics/${t.topic}`, lines, { ...headers, "content-type": "application/x-ndjson" });
  assert.equal((await streamed.text()).trim().split("\n").length, 2);
  const records = await readTopic(t.bootstrap, t.topic);
  assert.deepEqual(
    records.map(({ headers }) => headers.map(([name, value]) => [name, value?.toString()])),
    Array(3).fill([["traceparent", TRACEPARENT]]),
  );
});

/** Kinds of spans, see https://github.com/open-telemetry/opentelemetry-proto, trace.proto. */
const [SERVER, PRODUCER] = [2, 4];

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  kind: number;
}

Deno.test("with OTEL_DENO=true spans of HTTP and of the produce beneath it reach a collector", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  const spans: Span[] = [];
  await using collector = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const body = await request.json();
    for (const { scopeSpans } of body.resourceSpans ?? []) {
      for (const { spans: some } of scopeSpans) spans.push(...some);
    }
    return Response.json({});
  });
  await using server = startScript(["run", "--allow-net", "--allow-env", "--allow-read", "server.ts"], {
    cwd: ROOT,
    env: {
      KAFKA_BROKERS: bootstrap,
      KAFKA_TOPIC: topic.name,
      HTTP_PORT: "0",
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
  });
  const [, url] = await server.line(/listening on (http:\/\/[\w.]+:\d+)/);
  await waitFor(async () => (await fetch(`${url}/readyz`)).ok, { what: "the server to be ready" });
  const response = await fetch(`${url}/topics/${topic.name}`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: TRACEPARENT, tracestate: "vendor=1" },
    body: '{"records":[{"value":1}]}',
  });
  await answer(response, 200);
  const find = (name: RegExp) => spans.find((span) => span.traceId === TRACE && name.test(span.name));
  await waitFor(() => find(/^send /) && find(/POST/), { what: "both spans" });
  const [http, send] = [find(/POST/)!, find(/^send /)!];
  assert.deepEqual([http.kind, send.kind], [SERVER, PRODUCER]);
  assert.equal(http.parentSpanId, "00f067aa0ba902b7");
  assert.equal(send.parentSpanId, http.spanId);
  assert.equal(send.name, `send ${topic.name}`);
  const [record] = await readTopic(bootstrap, topic.name);
  assert.deepEqual(record.headers.map(([name, value]) => [name, value?.toString()]), [
    ["traceparent", `00-${TRACE}-${send.spanId}-01`],
    ["tracestate", "vendor=1"],
  ]);
});

import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { PageHistory, quantile } from "../../http/page_history.ts";
import { createHttpMetrics, createProducerMetrics } from "../../metrics.ts";

function counted() {
  const registry = new Registry();
  const { records, watchBuffer } = createProducerMetrics(registry);
  const { requestSeconds } = createHttpMetrics(registry);
  return { history: new PageHistory(registry), records, watchBuffer, requestSeconds };
}

Deno.test("a sample tells rates by outcome, the latency of writes, and the buffer", async () => {
  const { history, records, watchBuffer, requestSeconds } = counted();
  records.inc({ outcome: "acknowledged" }, 1_000);
  assert.equal(await history.take(), undefined, "there is nothing to compare the first with");
  records.inc({ outcome: "acknowledged" }, 60);
  records.inc({ outcome: "rejected" }, 20);
  records.inc({ outcome: "unknown" }, 10);
  watchBuffer({ bytes: 700, records: 10 });
  requestSeconds.observe({ method: "POST", route: "/names", status: "200" }, 0.004);
  requestSeconds.observe({ method: "GET", route: "/topics", status: "200" }, 9);
  const sample = await history.take();
  assert.ok(sample);
  const { produced, delivered, refused, unknown } = sample;
  // How long the second was is unknown here; how the rates stand to each other is not.
  assert.deepEqual([produced, refused, unknown].map((rate) => Math.round(100 * rate / delivered)), [167, 33, 17]);
  assert.deepEqual([sample.bufferBytes, sample.bufferRecords], [700, 10]);
  assert.ok(sample.p50! > 2.5 && sample.p99! <= 5, `${sample.p50} and ${sample.p99} ms; expected that of the POST`);
  assert.equal((await history.take())!.p50, null, "nothing was answered in this one");
});

Deno.test("900 samples are kept, the newest", async () => {
  const { history, records } = counted();
  for (let i = 0; i < 903; i++) await history.take();
  const last = history.samples.at(-1);
  records.inc({ outcome: "acknowledged" });
  const newest = await history.take();
  assert.equal(history.samples.length, 900);
  assert.equal(history.samples.at(-1), newest);
  assert.equal(history.samples.at(-2), last);
});

Deno.test("a quantile lies within its bucket, and beyond the last bound at that bound", () => {
  const before = new Map([[0.01, 5], [0.1, 5], [Infinity, 5]]);
  const after = new Map([[0.01, 5], [0.1, 15], [Infinity, 20]]);
  assert.equal(quantile(0.5, before, after), 77.5); // 7.5 of the ten between 10 and 100 ms
  assert.equal(quantile(0.99, before, after), 100);
  assert.equal(quantile(0.5, after, after), null);
});

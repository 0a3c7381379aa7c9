/** What the delivery path counts, as Prometheus reads it. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { createProcessMetrics, createProducerMetrics } from "../metrics.ts";
import { waitFor } from "./support/wait.ts";

Deno.test({
  name: "everything is counted under Prometheus's naming rules: our prefix, base units, _total on counters",
  permissions: "none",
  async fn() {
    const registry = new Registry();
    const metrics = createProducerMetrics(registry);
    metrics.records.inc({ outcome: "acknowledged" }, 3);
    metrics.records.inc({ outcome: "unknown" });
    metrics.retries.inc({ error: "NOT_LEADER_OR_FOLLOWER" });
    metrics.requestSeconds.observe(0.002);
    const text = await registry.metrics();
    assert.match(text, /^kafka_deno_producer_records_total\{outcome="acknowledged"\} 3$/m);
    assert.match(text, /^kafka_deno_producer_records_total\{outcome="unknown"\} 1$/m);
    assert.match(text, /^kafka_deno_producer_retries_total\{error="NOT_LEADER_OR_FOLLOWER"\} 1$/m);
    assert.match(text, /^kafka_deno_producer_request_seconds_bucket\{le="0.001"\} 0$/m);
    assert.match(text, /^kafka_deno_producer_request_seconds_bucket\{le="0.0025"\} 1$/m);
    for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      assert.match(name, /^kafka_deno_producer_[a-z_]+$/);
      assert.equal(name.endsWith("_total"), type === "counter", name);
    }
  },
});

Deno.test({
  name: "the buffer that is shown is the one that was named last, as it is when asked",
  permissions: "none",
  async fn() {
    const registry = new Registry();
    const metrics = createProducerMetrics(registry);
    assert.match(await registry.metrics(), /^kafka_deno_producer_buffer_bytes 0$/m);
    const buffer = { bytes: 1, records: 1 };
    metrics.watchBuffer(buffer);
    Object.assign(buffer, { bytes: 300, records: 2 });
    const text = await registry.metrics();
    assert.match(text, /^kafka_deno_producer_buffer_bytes 300$/m);
    assert.match(text, /^kafka_deno_producer_buffer_records 2$/m);
  },
});

Deno.test("an event loop that was held up says for how long", async () => {
  const registry = new Registry();
  using _probe = createProcessMetrics(registry);
  const held = performance.now() + 800; // the probe would have its turn after 500 ms
  while (performance.now() < held);
  const sum = async () => /^kafka_deno_event_loop_lag_seconds_sum (\S+)$/m.exec(await registry.metrics())?.[1];
  await waitFor(async () => Number(await sum()) >= 0.3, { what: "the delay to be seen" });
  assert.match(await registry.metrics(), /^kafka_deno_event_loop_lag_seconds_bucket\{le="0.1"\} 0$/m);
});

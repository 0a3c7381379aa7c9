import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { z } from "zod";
import { answers } from "../../http/schemas.ts";
import { answer, startApp } from "./app_test_util.ts";

Deno.test("every route is described, and the document leads nowhere that is not there", async () => {
  await using t = await startApp();
  const document = await answer(t.request("/openapi.json"), 200);
  assert.equal(document.openapi, "3.1.0");
  const text = JSON.stringify(document);
  for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
    assert.ok(document.components.schemas[name], name);
  }
  assert.deepEqual(Object.keys(document.paths["/topics/{topic}"]).sort(), ["get", "post"]);
  const { parameters } = document.paths["/topics/{topic}/partitions/{partition}"].get;
  assert.deepEqual(parameters.map((p: { name: string }) => p.name), ["topic", "partition"]);
});

Deno.test("the document is OpenAPI 3.1, says a validator", async () => {
  await using t = await startApp();
  const validator = new Validator();
  const { valid, errors } = await validator.validate(await answer(t.request("/openapi.json"), 200));
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, "3.1");
});

Deno.test("the examples of the document are taken as they are", async () => {
  await using t = await startApp();
  const document = await answer(t.request("/openapi.json"), 200);
  let count = 0;
  for (
    const [path, methods] of Object.entries<
      Record<string, { requestBody?: { content: Record<string, { example: unknown }> } }>
    >(document.paths)
  ) {
    for (const [type, { example }] of Object.entries(methods.post?.requestBody?.content ?? {})) {
      const url = path.replace("{topic}", t.topic).replace("{partition}", "0");
      const response = await t.post(url, example, { "content-type": type });
      assert.equal(response.status, 200, `${path} ${type}: ${await response.clone().text()}`);
      if (!type.includes("ndjson")) answers.offsets.parse(await response.json());
      else await response.body?.cancel();
      count++;
    }
  }
  assert.equal(count, 12);
});

Deno.test("answers are as the document says", async () => {
  await using t = await startApp({ partitions: 2 });
  const told: [path: string, schema: z.ZodType][] = [
    ["/topics", answers.topics],
    [`/topics/${t.topic}`, answers.topic],
    [`/topics/${t.topic}/partitions`, answers.partitions],
    [`/topics/${t.topic}/partitions/1`, answers.partition],
    [`/topics/${t.topic}/partitions/1/offsets`, answers.partitionOffsets],
    ["/brokers", answers.brokers],
    ["/groups", answers.groups],
    ["/healthz", answers.health],
    ["/readyz", answers.health],
  ];
  for (const [path, schema] of told) schema.parse(await answer(t.request(path), 200));
  answers.names.parse(await answer(t.request("/names", { method: "POST" }), 200));
  answers.names.parse(await answer(t.request("/names?count=2", { method: "POST" }), 200));
  answers.error.parse(await answer(t.request("/nothing"), 404));
});

Deno.test("the page for people needs nothing from elsewhere and no scripts", async () => {
  await using t = await startApp();
  const response = await t.request("/docs");
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(response.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  const html = await response.text();
  assert.ok(!/<script|https?:\/\/|<link|<img/i.test(html));
  for (const path of ["POST /topics/{topic}", "GET /topics/{topic}/events", "POST /names"]) {
    assert.ok(html.includes(path));
  }
});

Deno.test("metrics are there for Prometheus", async () => {
  await using t = await startApp();
  await answer(t.request("/names", { method: "POST" }), 200);
  const response = await t.request("/metrics");
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(
    await response.text(),
    /kafka_deno_http_request_seconds_count\{method="POST",route="\/names",status="200"\} 1/,
  );
});

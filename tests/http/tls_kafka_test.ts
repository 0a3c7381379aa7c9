import assert from "node:assert/strict";
import { createTopic, sharedKafka } from "../support/kafka.ts";
import { startScript, waitFor } from "../support/wait.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
// For localhost, by an authority whose key is gone; for tests and nothing else.
const CERT = new URL("localhost_cert.pem", import.meta.url).pathname;
const CA = new URL("localhost_ca.pem", import.meta.url).pathname;
const KEY = new URL("localhost_key.pem", import.meta.url).pathname;

Deno.test("with a certificate the server speaks TLS, and tokens are asked for", async () => {
  const { bootstrap } = await sharedKafka();
  await using topic = await createTopic(bootstrap);
  await using server = startScript(["run", "--allow-net", "--allow-env", "--allow-read", "server.ts"], {
    cwd: ROOT,
    env: {
      KAFKA_BROKERS: bootstrap,
      KAFKA_TOPIC: topic.name,
      HTTP_PORT: "0",
      HTTP_TLS_CERT: CERT,
      HTTP_TLS_KEY: KEY,
      HTTP_TOKENS: "secret-token",
    },
  });
  const [, port] = await server.line(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
  using client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(CA)] });
  const url = `https://localhost:${port}`;
  await waitFor(async () => (await fetch(`${url}/readyz`, { client })).ok, { what: "the server to be ready" });
  const post = (headers?: Record<string, string>) => fetch(`${url}/names`, { method: "POST", client, headers });
  const refusal = await post();
  assert.equal(refusal.status, 401);
  assert.equal((await refusal.json()).error_code, 40101);
  const answer = await post({ authorization: "Bearer secret-token" });
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).topic, topic.name);
  assert.ok(!server.tail().includes("secret-token"));
  await assert.rejects(fetch(`http://localhost:${port}/healthz`));
});

// The HTTP side with a real producer on the real Kafka, as a function from request to response: no port, no process.

import assert from "node:assert/strict";
import { type Config, loadConfig } from "../../config.ts";
import { Registry } from "prom-client";
import { App, type AppParts } from "../../http/app.ts";
import { type EventParts, EventStreams } from "../../http/events.ts";
import { Page } from "../../http/page.ts";
import { createRoutes, type RouteParts } from "../../http/routes.ts";
import { TopicGate } from "../../http/topic.ts";
import { plainTokens, Tokens } from "../../http/tokens.ts";
import { pageFiles } from "../../dashboard/files.ts";
import { createKafka } from "../../kafka/client.ts";
import { Inspector } from "../../kafka/inspector.ts";
import { Tails } from "../../kafka/tail.ts";
import { createHttpMetrics } from "../../metrics.ts";
import { loggerFor } from "../../log.ts";
import { Producer } from "../../producer.ts";
import { createTopic, sharedKafka, type TopicOptions } from "../support/kafka.ts";

/** An app under test, and the topic that `/names` writes to. */
export interface TestApp extends AsyncDisposable {
  readonly app: App;
  readonly producer: Producer;
  readonly page: Page;
  readonly topic: string;
  readonly bootstrap: string;
  /** Answers a request; the path may be a whole URL. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Posts records (as JSON), or a body as it is. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** How {@linkcode startApp} sets things up. */
export interface TestAppOptions extends TopicOptions {
  /** The Kafka that all tests share, by default. */
  bootstrap?: string;
  /** Settings by their environment names. */
  env?: Record<string, string>;
  routes?: Partial<RouteParts>;
  parts?: Partial<AppParts>;
  eventParts?: Partial<EventParts>;
}

/** The settings of a server that reads nothing from the process it runs in. */
export function serveConfig(env: Record<string, string>): Config<"serve"> {
  return loadConfig("serve", { args: [], env: (name) => env[name], envFile: "" });
}

/** Makes a topic, a producer that has found Kafka, and an app over both. */
export async function startApp(
  { bootstrap: given, env = {}, routes = {}, parts = {}, eventParts = {}, ...topicOptions }: TestAppOptions = {},
): Promise<TestApp> {
  const bootstrap = given ?? (await sharedKafka()).bootstrap;
  const topic = await createTopic(bootstrap, topicOptions);
  const config = serveConfig({ KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic.name, ...env });
  const producer = new Producer(config);
  await producer.start();
  const log = loggerFor("server");
  const view = new Inspector(() => createKafka(config));
  const tails = new Tails(() => createKafka(config));
  const gate = new TopicGate(config.httpTopics);
  const events = new EventStreams({ sink: producer, tails, gate, maxStreams: 3, ...eventParts });
  const registry = new Registry();
  const shared = { gate, sink: producer, view, problem: () => producer.problem, registry };
  const page = new Page({ ...shared, files: pageFiles, tails, topic: topic.name });
  const app: App = new App(config, {
    routes: createRoutes({ ...shared, config, log, events, page, randomName: () => "李白", ...routes }),
    tokens: new Tokens(plainTokens(config.tokens)),
    log,
    metrics: createHttpMetrics(registry),
    ...parts,
  });
  const request = (path: string, init?: RequestInit) =>
    app.fetch(new Request(new URL(path, "http://localhost:8082"), init));
  return {
    app,
    producer,
    page,
    topic: topic.name,
    bootstrap,
    request,
    post(path, body, headers = {}) {
      const text = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
      return request(path, {
        method: "POST",
        body: text as BodyInit,
        headers: { "content-type": "application/vnd.kafka.json.v2+json", ...headers },
      });
    },
    async [Symbol.asyncDispose]() {
      page[Symbol.dispose]();
      await Promise.all([view.close(), tails.close()]);
      await producer.close({ deadline: Date.now() + 5_000 });
      await topic[Symbol.asyncDispose]();
    },
  };
}

/** The body of an answer that must have this status, and be JSON. */
// deno-lint-ignore no-explicit-any -- tests look into it as they please, and fail where it is not so
export async function answer(response: Response | Promise<Response>, status: number): Promise<any> {
  const { status: actual, headers } = await response;
  const text = await (await response).text();
  assert.equal(actual, status, text);
  assert.match(headers.get("content-type") ?? "", /^application\/(vnd\.kafka\.v2\+)?json/);
  return JSON.parse(text);
}

/** An error in REST Proxy's form: the status, its code, and a message that says something. */
export async function refused(
  response: Response | Promise<Response>,
  [status, code]: [status: number, code: number],
  message: RegExp,
): Promise<Response> {
  const body = await answer(response, status);
  assert.deepEqual(Object.keys(body), ["error_code", "message"]);
  assert.equal(body.error_code, code, body.message);
  assert.match(body.message, message);
  return await response;
}

// The server as a process of its own, for what shows only there: memory, sockets, what is on the wire.

import { createTopic, sharedKafka } from "../support/kafka.ts";
import { type Script, startScript, waitFor } from "../support/wait.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** A server that is ready, and the topic that is its own. */
export interface Server extends AsyncDisposable {
  script: Script;
  url: string;
  port: number;
  topic: string;
  bootstrap: string;
}

/** Starts a server on a topic of three partitions. @param env Settings besides. */
export async function startServer(env: Record<string, string> = {}): Promise<Server> {
  const { bootstrap } = await sharedKafka();
  const topic = await createTopic(bootstrap, { partitions: 3 });
  const script = startScript(["run", "--allow-net", "--allow-env", "--allow-read", "server.ts"], {
    cwd: ROOT,
    env: { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topic.name, HTTP_PORT: "0", HTTP_ACCESS_LOG: "false", ...env },
  });
  const [, url] = await script.line(/listening on (http:\/\/[\w.]+:\d+)/);
  await waitFor(async () => (await fetch(`${url}/readyz`).then((r) => (r.body?.cancel(), r))).ok, {
    what: "readiness",
  });
  return {
    script,
    url,
    port: Number(new URL(url).port),
    topic: topic.name,
    bootstrap,
    async [Symbol.asyncDispose]() {
      await script[Symbol.asyncDispose]();
      await topic[Symbol.asyncDispose]();
    },
  };
}

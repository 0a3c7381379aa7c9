/**
 * What Deno.serve does without us: takes JSON, gives it back. The measure for `bench/http.ts`.
 *
 * @module
 */
import process from "node:process";

/** What it takes, by the names under which our own server tells it. */
function metrics(): string {
  const { user, system } = process.cpuUsage();
  return `process_resident_memory_bytes ${Deno.memoryUsage().rss}\nprocess_cpu_seconds_total ${
    (user + system) / 1e6
  }\n`;
}

if (import.meta.main) {
  const port = Number(Deno.args[0]);
  Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    if (request.method === "GET") return new Response(metrics());
    return Response.json(await request.json());
  });
}

/**
 * What Deno.serve does without us: takes JSON, gives it back. The measure for `bench/http.ts`.
 *
 * @module
 */
if (import.meta.main) {
  const port = Number(Deno.args[0]);
  Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    if (request.method === "GET") return new Response("ready");
    return Response.json(await request.json());
  });
}

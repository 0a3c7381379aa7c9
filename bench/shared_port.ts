/**
 * Preloaded before a server: what it serves on a port of its own it serves on HTTP_SHARED_PORT as well, which several
 * processes share. The system gives each connection to one of them.
 *
 * @module
 */
const serve = Deno.serve as (options: Deno.ServeTcpOptions, handler: Deno.ServeHandler) => Deno.HttpServer;

function serveTwice(options: Deno.ServeTcpOptions, handler: Deno.ServeHandler): Deno.HttpServer {
  serve({ ...options, port: Number(Deno.env.get("HTTP_SHARED_PORT")), reusePort: true }, handler);
  return serve(options, handler);
}

Object.assign(Deno, { serve: serveTwice });

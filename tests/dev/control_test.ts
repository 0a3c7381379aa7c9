/** The control channel: who may use it, and what becomes of a lab whose page has gone. */
import assert from "node:assert/strict";
import { Control } from "../../dev/control.ts";
import type { Lab } from "../../dev/labs/lab.ts";
import { raw } from "../http/raw_util.ts";
import { waitFor } from "../support/wait.ts";

const ORIGIN = "http://localhost:8082";

/** A channel with one lab that says what is done to it. */
function startControl(options: { leaseMs?: number } = {}) {
  const done: string[] = [];
  let finish = () => {};
  const begin = (): Promise<Lab> => {
    done.push("begin");
    return Promise.resolve({
      facts: { topic: "t" },
      actions: {
        press: (input) => Promise.resolve(void done.push(`press ${JSON.stringify(input)}`)),
        wait: () => new Promise<void>((resolve) => finish = resolve),
        fail: () => Promise.reject(new Error("the button is broken")),
      },
      [Symbol.asyncDispose]: () => Promise.resolve(void done.push("undo")),
    });
  };
  const offers = { demo: { begin }, far: { begin, obstacle: "own-kafka" as const } };
  const control = new Control(offers, { origins: [ORIGIN], print: (line) => done.push(line), ...options });
  const [url, token] = control.address.split("#");
  const call = (path: string, init: RequestInit = {}, headers: Record<string, string> = {}) =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, origin: ORIGIN, ...headers } });
  const post = async (path: string, body = "", headers = {}) => {
    const response = await call(path, { method: "POST", body }, headers);
    return { status: response.status, ...await response.json() };
  };
  return { control, done, call, post, url, token, finish: () => finish() };
}

Deno.test("only a page of the server with the token of this start gets in", async () => {
  const { control, done, call, url, token } = startControl();
  await using _ = control;
  const refused = async (headers: Record<string, string>) => {
    const response = await call("/lab/demo/begin", { method: "POST" }, headers);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await refused({ authorization: "" }), 401);
  assert.equal(await refused({ authorization: `Bearer ${token.slice(0, -1)}` }), 401);
  assert.equal(await refused({ origin: "http://localhost:8083" }), 403);
  assert.equal(await refused({ origin: "null" }), 403);
  const { hostname, port } = new URL(url);
  assert.equal(hostname, "127.0.0.1");
  const { statuses } = await raw(
    { transport: "tcp", hostname, port: Number(port) },
    [
      "GET /lab HTTP/1.1",
      "Host: evil.example",
      `Authorization: Bearer ${token}`,
      "Connection: close",
      "",
      "",
    ].join("\r\n"),
  );
  assert.deepEqual(statuses, [403]);
  assert.deepEqual(done, []);

  const preflight = await fetch(`${url}/lab/demo/begin`, {
    method: "OPTIONS",
    headers: { origin: ORIGIN, "access-control-request-method": "POST" },
  });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get("access-control-allow-headers")!, /authorization/);
  const answer = await call("/lab");
  assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
  assert.deepEqual(await answer.json(), {
    labs: [{ name: "demo", obstacle: null }, { name: "far", obstacle: "own-kafka" }],
    open: null,
    facts: null,
    busy: null,
  });
});

Deno.test("a lab is begun before its buttons work; the next one, and the end, undo it", async () => {
  const { control, done, post } = startControl();
  await using _ = control;
  assert.equal((await post("/lab/demo/press")).status, 409);
  const { status, open, facts } = await post("/lab/demo/begin");
  assert.deepEqual({ status, open, facts }, { status: 200, open: "demo", facts: { topic: "t" } });
  await post("/lab/demo/press", '{"key":"a"}');
  await post("/lab/demo/begin");
  assert.equal((await post("/lab/demo/end")).open, null);
  assert.deepEqual(done.filter((line) => !line.startsWith("lab ")), [
    "begin",
    'press {"key":"a"}',
    "undo",
    "begin",
    "undo",
  ]);
});

Deno.test("what there is not is named, and what fails says why", async () => {
  const { control, post, finish } = startControl();
  await using _ = control;
  await post("/lab/demo/begin");
  assert.match((await post("/lab/toString/begin")).message, /There is no lab toString; expected demo, far/);
  assert.match((await post("/lab/demo/jump")).message, /demo has no jump; expected press, wait, fail/);
  assert.match((await post("/lab/far/begin")).message, /The lab far cannot take place here: own-kafka/);
  assert.match((await post("/lab/demo/press", "[1]")).message, /The body is "\[1\]"; expected a JSON object/);
  assert.equal((await post("/lab/demo/press", " ".repeat(5_000))).status, 413);
  const failed = await post("/lab/demo/fail");
  assert.deepEqual([failed.status, failed.message], [502, "demo/fail failed: the button is broken"]);
  const waiting = post("/lab/demo/wait");
  const second = await waitFor(async () => {
    const answer = await post("/lab/demo/press");
    return answer.status === 409 && answer;
  }, { what: "the first action to be at work" });
  assert.match(second.message, /demo\/wait is at work; expected it to be done/);
  finish();
  assert.equal((await waiting).status, 200);
});

Deno.test("a lab is undone when no page asks for a while, and not before", async () => {
  const { control, done, call, post } = startControl({ leaseMs: 1_500 });
  await using _ = control;
  await post("/lab/demo/begin");
  for (let asked = 0; asked < 4; asked++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await (await call("/lab")).json()).open, "demo", "kept while it is asked for");
  }
  await waitFor(() => done.includes("undo"), { what: "the lab to be undone" });
  assert.equal((await (await call("/lab")).json()).open, null);
});

Deno.test("the end of the channel undoes the lab and frees the port", async () => {
  const { control, done, post, url } = startControl();
  await post("/lab/demo/begin");
  await control[Symbol.asyncDispose]();
  assert.equal(done.at(-1), "undo");
  await assert.rejects(fetch(`${url}/lab`), TypeError);
});

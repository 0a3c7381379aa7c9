/** Who is told where the labs are. */
import assert from "node:assert/strict";
import { labsHandler, parseControl } from "../../http/page_labs.ts";
import type { Call } from "../../http/types.ts";

const CONTROL = "http://127.0.0.1:4711#c0ffee-1";

async function ask(client: string, headers: Record<string, string> = {}, control: string | undefined = CONTROL) {
  const call = { client, request: new Request("http://localhost/page/labs", { headers }) } as Call;
  const response = await labsHandler(parseControl(control))(call);
  return response.status === 200 ? await response.json() : response.status;
}

Deno.test({
  name: "a page on this machine is told where the labs are, and nobody else",
  permissions: "none",
  async fn() {
    const told = { url: "http://127.0.0.1:4711", token: "c0ffee-1" };
    for (const near of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]) assert.deepEqual(await ask(near), told);
    for (const far of ["192.168.1.5", "10.127.0.1", "::ffff:10.0.0.1", "1::1", "unknown"]) {
      assert.equal(await ask(far), 204, far);
    }
    for (const name of ["forwarded", "x-forwarded-for", "via"]) {
      assert.equal(await ask("127.0.0.1", { [name]: "x" }), 204);
    }
  },
});

Deno.test({
  name: "without a control channel, or with one elsewhere, there are no labs",
  permissions: "none",
  async fn() {
    assert.equal(await ask("127.0.0.1", {}, ""), 204);
    assert.equal(await ask("127.0.0.1", {}, "http://evil.example:80#token"), 204);
    assert.equal(parseControl(undefined), undefined);
  },
});

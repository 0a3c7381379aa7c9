import assert from "node:assert/strict";
import { randomName } from "../../names.ts";
import { readTopic } from "../support/reader.ts";
import { answer, refused, startApp } from "./app_test_util.ts";

const POST = { method: "POST" };

Deno.test("a name is in Kafka where the answer says", async () => {
  await using t = await startApp({ partitions: 3, routes: { randomName } });
  const { value, ...where } = await answer(t.request("/names", POST), 200);
  const [record] = await readTopic(t.bootstrap, t.topic);
  assert.deepEqual(where, { topic: t.topic, partition: record.partition, offset: Number(record.offset) });
  assert.equal(record.value?.toString(), value);
  assert.match(value, /^\p{Script=Han}{2,5}$/u);
});

Deno.test("count names come as an array, also one", async () => {
  await using t = await startApp();
  assert.equal((await answer(t.request("/names?count=1", POST), 200)).records.length, 1);
  const { records } = await answer(t.request("/names?count=1000", POST), 200);
  assert.equal(records.length, 1000);
  assert.deepEqual(records[999], { topic: t.topic, partition: 0, offset: 1000, value: "李白" });
  assert.equal((await readTopic(t.bootstrap, t.topic)).length, 1001);
});

Deno.test("a count that is none writes nothing", async () => {
  await using t = await startApp();
  for (const count of ["0", "1001", "-1", "1.5", "1e2", "", "x", "٣", "99999999999999999999"]) {
    await refused(
      t.request(`/names?count=${count}`, POST),
      [422, 422],
      /^count is ".*"; expected a whole number from 1 to 1000$/,
    );
  }
  await refused(t.request("/names?count=1&count=2", POST), [400, 400], /has count 2 times/);
  assert.deepEqual(await readTopic(t.bootstrap, t.topic), []);
});

Deno.test("reading names writes none: 405 with what is allowed", async () => {
  await using t = await startApp();
  for (const method of ["GET", "PUT", "DELETE", "PATCH", "HEAD"]) {
    const response = await t.request("/names", { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "POST, OPTIONS");
  }
  const overridden = { "x-http-method-override": "POST", "x-method-override": "POST", "x-http-method": "POST" };
  await refused(t.request("/names?_method=POST", { headers: overridden }), [405, 405], /GET is not for \/names/);
  assert.deepEqual(await readTopic(t.bootstrap, t.topic), []);
});

Deno.test("trailing slashes are accepted, other paths are not there", async () => {
  await using t = await startApp();
  await answer(t.request("/names/", POST), 200);
  for (const path of ["/nam", "/names/x", "/NAMES", "/topics//x", "/names;x"]) {
    await refused(t.request(path, POST), [404, 404], /There is nothing at/);
  }
  await refused(t.request("/topics/%zz", POST), [400, 400], /%zz/);
  await refused(t.request("/topics/%ff", POST), [400, 400], /expected UTF-8/);
});

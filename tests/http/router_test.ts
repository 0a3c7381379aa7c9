/** The router remembers paths: what it finds must not depend on what it was asked before. */
import assert from "node:assert/strict";
import { createRouter, type Match } from "../../http/router.ts";

const routes = [
  { method: "GET", path: "/topics/{topic}" },
  { method: "POST", path: "/topics/{topic}" },
  { method: "GET", path: "/topics/{topic}/partitions/{partition}" },
] as const;

Deno.test("a path that comes again leads to the same place, for each method", () => {
  const find = createRouter(routes);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(find("GET", "/topics/%E4%B8%AD"), { route: routes[0], parameters: ["\u4e2d"] });
    assert.deepEqual(find("POST", "/topics/%E4%B8%AD"), { route: routes[1], parameters: ["\u4e2d"] });
    assert.deepEqual(find("HEAD", "/topics/a/partitions/7/"), { route: routes[2], parameters: ["a", "7"] });
    assert.equal(find("OPTIONS", "/topics/a"), "GET, HEAD, POST, OPTIONS");
    assert.throws(() => find("POST", "/topics/a/partitions/7"), { status: 405 });
    assert.throws(() => find("GET", "/topics/%E4"), { status: 400 });
    assert.throws(() => find("GET", "/nowhere"), { status: 404 });
  }
});

Deno.test("ever new paths, of any length, lead to their places", () => {
  const find = createRouter(routes);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 2_500; i++) {
      const topic = "t".repeat(i) + i;
      const { route, parameters } = find("GET", `/topics/${topic}`) as Match<(typeof routes)[number]>;
      assert.ok(route === routes[0] && parameters.length === 1 && parameters[0] === topic, topic);
    }
  }
});

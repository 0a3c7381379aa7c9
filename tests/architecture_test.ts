/** Who may import whom: a table, held against the module graph. */
import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** What a file or folder may import of ours, besides its own folder; `types` only as types. `*` is everything. */
interface Allowed {
  imports: string[];
  types?: string[];
}

/** What every script may use: small files that import next to nothing themselves. */
const SHARED = ["config.ts", "errors.ts", "log.ts", "metrics.ts", "names.ts", "signals.ts"];

/** Files and folders that are not there yet have their line already; one without a line fails. */
const MAY_IMPORT: Record<string, Allowed> = {
  "server.ts": { imports: ["http/", "producer.ts", "kafka/", "dashboard/", ...SHARED] },
  "producer.ts": { imports: ["kafka/", ...SHARED] },
  "consumer.ts": { imports: ["consumer/", "kafka/", "handlers/", ...SHARED] },
  // What operators run: each a script of its own, beside the consumer.
  "lag.ts": { imports: ["kafka/", ...SHARED] },
  "offsets.ts": { imports: ["consumer/", "kafka/", ...SHARED] },
  "dlt.ts": { imports: ["consumer/", "kafka/", "producer.ts", ...SHARED], types: ["handlers/"] },
  "http/": { imports: ["errors.ts", "metrics.ts"], types: ["*"] },
  // Dead letters are records to be delivered like any others.
  "consumer/": {
    imports: ["kafka/", "handlers/", "producer.ts", "settings.ts", "errors.ts", "log.ts", "metrics.ts"],
    types: ["*"],
  },
  "kafka/": { imports: ["errors.ts", "log.ts"], types: ["config.ts", "metrics.ts"] },
  "handlers/": { imports: ["errors.ts"], types: ["*"] },
  "dashboard/": { imports: [] },
  // The labs' channel is an HTTP app like the server's; their handler is one like the user's.
  "dev/": { imports: ["kafka/", "http/", "settings.ts", "deno.json", ...SHARED], types: ["handlers/"] },
  // The consumer's rows of the table stand with the consumer.
  "config.ts": { imports: ["errors.ts", "settings.ts", "consumer/settings.ts"] },
  "settings.ts": { imports: ["errors.ts"] },
  "errors.ts": { imports: [] },
  "metrics.ts": { imports: [] },
  "names.ts": { imports: [] },
  "signals.ts": { imports: [] },
  "log.ts": { imports: [], types: ["config.ts"] },
  "std/": { imports: [] },
};

/** Packages from outside, and who may import them. What is not here is for tests and benchmarks alone. */
const PACKAGES: Record<string, string[]> = {
  "@std/cli": ["settings.ts", "dev/"],
  "@std/log": ["*"],
  "kafkajs": ["kafka/", "producer.ts", "consumer.ts", "dev/"],
  "uplot": ["dashboard/"],
  "prom-client": ["metrics.ts", "server.ts", "producer.ts", "consumer.ts", "consumer/", "http/", "dev/"],
  "@faker-js/faker": ["names.ts"],
  "zod": ["http/", "server.ts"],
};

/** kafkajs beneath its API: where it is mended, made, and driven. Pinned, since nothing there is promised. */
const KAFKAJS_INTERNALS = ["kafka/patches.ts", "kafka/client.ts", "kafka/cluster.ts", "kafka/fetch"];

/** One import statement. */
interface Import {
  from: string;
  /** As written. */
  specifier: string;
  /** A path of ours, or the resolved name of something else. */
  to: string;
  typeOnly: boolean;
}

/** Every TypeScript file of the project, tests included. */
function listFiles(folder = ""): string[] {
  const hidden = new Set([".git", ".cache", ".ci", "node_modules"]);
  return [...Deno.readDirSync(new URL(folder || ".", ROOT))].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return hidden.has(name) ? [] : listFiles(`${folder}${name}/`);
    return name.endsWith(".ts") ? [folder + name] : [];
  });
}

/** The imports of all files of ours, as Deno resolves them. */
async function readImports(): Promise<Import[]> {
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(all) };
  await Deno.writeTextFile(all, listFiles().map((path) => `import "${new URL(path, ROOT)}";`).join("\n"));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", `--config=${new URL("deno.json", ROOT).pathname}`, all],
    cwd: ROOT,
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const ours = (specifier: string) => specifier.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : undefined;
  // deno-lint-ignore no-explicit-any
  return JSON.parse(new TextDecoder().decode(stdout)).modules.flatMap((module: any): Import[] => {
    const from = ours(module.specifier);
    if (from === undefined) return [];
    // deno-lint-ignore no-explicit-any
    return (module.dependencies ?? []).map(({ specifier, code, type }: any): Import => {
      const resolved = (code ?? type).specifier ?? specifier; // what cannot be found is for the type check to tell
      return { from, specifier, to: ours(resolved) ?? resolved, typeOnly: !code };
    });
  });
}

const imports = await readImports();

/** The line of the table for a path: its own, or its folder's. */
function lineOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/") + 1) : path;
}

function matches(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern === "*" || path === pattern || pattern.endsWith("/") && path.startsWith(pattern)
  );
}

/** What ships; tests and benchmarks may import anything. */
const shipped = imports.filter(({ from }) => !matches(from, ["tests/", "bench/"]));

/** `a imports b` for each, so that a failure reads as what is wrong. */
function told(offences: readonly Import[]): string[] {
  return offences.map(({ from, specifier, typeOnly }) => `${from} imports ${specifier}${typeOnly ? " as a type" : ""}`);
}

function test(name: string, fn: () => void) {
  Deno.test({ name, permissions: { read: true }, fn });
}

test("the graph is read: known imports are in it", () => {
  assert.ok(imports.some(({ from, to }) => from === "producer.ts" && to === "kafka/sender.ts"));
  assert.ok(imports.some(({ from, to, typeOnly }) => from === "log.ts" && to === "config.ts" && typeOnly));
  assert.ok(imports.some(({ from, to }) => from === "tests/architecture_test.ts" && to === "node:assert/strict"));
});

test("every file has its place in the table", () => {
  const places = [...Object.keys(MAY_IMPORT), "tests/", "bench/"];
  assert.deepEqual(listFiles().filter((path) => !matches(path, places)), []);
});

test("imports among our files go in the directions of the table", () => {
  const offences = shipped.filter(({ from, to, specifier, typeOnly }) => {
    if (/^[a-z]+:/.test(to) || specifier.startsWith("@std/") || lineOf(from) === lineOf(to)) return false;
    const { imports, types = [] } = MAY_IMPORT[lineOf(from)] ?? { imports: [] };
    return !matches(to, typeOnly ? [...imports, ...types] : imports);
  });
  assert.deepEqual(told(offences), []);
});

test("files of ours import each other in no circle, types aside", () => {
  const next = Map.groupBy(shipped.filter(({ typeOnly }) => !typeOnly), ({ from }) => from);
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) return circles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    if (done.has(path)) return;
    for (const { to } of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

test("packages are imported by their names in deno.json, and by those who need them", () => {
  const offences = shipped.filter(({ from, specifier, to }) => {
    if (/^\.{1,2}\//.test(specifier) || to.startsWith("node:")) return false;
    const name = Object.keys(PACKAGES).find((it) => specifier === it || specifier.startsWith(`${it}/`));
    return name === undefined || !matches(from, PACKAGES[name]);
  });
  assert.deepEqual(told(offences), []);
});

test("kafkajs beneath its API is imported by few files, so that another kafkajs can be judged by reading them", () => {
  const inside = shipped.filter(({ specifier }) => specifier.startsWith("kafkajs/"));
  assert.ok(inside.length > 0);
  assert.deepEqual(told(inside.filter(({ from }) => !KAFKAJS_INTERNALS.some((path) => from.startsWith(path)))), []);
});

test("nobody reaches around @std: without links in deno.json the packages themselves are used", () => {
  const around = imports.filter(({ from, specifier, to }) =>
    !from.startsWith("std/") && !specifier.startsWith("@std/") && (to.startsWith("std/") || /@std|jsr[:.]/.test(to))
  );
  assert.deepEqual(told(around), []);
  const outside = imports.filter(({ from, to, specifier }) =>
    from.startsWith("std/") && (specifier.startsWith("@std/") || !/^(std\/|node:)/.test(to))
  );
  assert.deepEqual(told(outside), [], "an adapter stands on what Deno ships");
});

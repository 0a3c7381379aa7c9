/**
 * `GET /openapi.json` and, for people, `GET /docs`: one page without scripts that needs nothing from elsewhere.
 *
 * @module
 */
import type { Route } from "./router.ts";
import type { Handler } from "./types.ts";

// deno-lint-ignore no-explicit-any -- the document was made by us a moment ago
type Untyped = any;
type Described = readonly (Route & { access: string })[];

/** Answers with the document; it is made, and what makes it is loaded, when the first one asks. */
export function openApiHandler(routes: () => Described): Handler {
  let json: Promise<string> | undefined;
  return async () => {
    json ??= import("./openapi.ts").then(({ openApiDocument }) =>
      JSON.stringify(openApiDocument(routes()), undefined, 1)
    );
    return new Response(await json, { headers: { "content-type": "application/json" } });
  };
}

/** Answers with the page. */
export function docsHandler(routes: () => Described): Handler {
  let html: Promise<string> | undefined;
  return async () => {
    html ??= import("./openapi.ts").then(({ openApiDocument }) => page(openApiDocument(routes())));
    return new Response(await html, {
      headers: {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
      },
    });
  };
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { padding: .75rem; overflow-x: auto; border: 1px solid #8884; border-radius: 6px }
table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0 }
h2 { margin-top: 2.5rem; border-top: 1px solid #8884; padding-top: 1rem }
`;

function page(document: Untyped): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Untyped).map(([method, operation]) =>
      section(`${method.toUpperCase()} ${path}`, operation)
    )
  );
  const schemas = Object.entries(document.components.schemas).map(([name, schema]) =>
    `<h3 id="${escape(name)}">${escape(name)}</h3><pre>${escape(JSON.stringify(schema, undefined, 2))}</pre>`
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>kafka-deno: the API</title><style>${STYLE}</style><h1>kafka-deno: the API</h1>
<p>${escape(document.info.description)} As a document for programs: <a href="openapi.json">openapi.json</a>.</p>
${operations.join("\n")}<h2>Schemas</h2>${schemas.join("\n")}</html>`;
}

function section(title: string, { summary, description, parameters, requestBody, responses }: Untyped): string {
  const rows = (cells: string[][]) =>
    cells.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("");
  const inputs = rows(parameters.map((p: Untyped) => [
    `<code>${escape(p.name)}</code>`,
    escape(p.in),
    escape([p.description, p.schema.enum && `One of ${p.schema.enum.join(", ")}.`].filter(Boolean).join(" ")),
  ]));
  const outputs = rows(
    Object.entries(responses).map(([status, { description, content }]: [string, Untyped]) => {
      const [[type, { schema }]] = Object.entries<{ schema?: { $ref: string } }>(content);
      const name = schema?.$ref.split("/").at(-1) ?? "";
      return [
        status,
        escape(description),
        `<code>${escape(type)}</code>`,
        name && `<a href="#${escape(name)}">${escape(name)}</a>`,
      ];
    }),
  );
  const bodies = Object.entries<{ example: unknown }>(requestBody?.content ?? {}).map(([type, { example }]) => {
    const text = typeof example === "string" ? example : JSON.stringify(example);
    return `<p><code>${escape(type)}</code></p><pre>${escape(text)}</pre>`;
  });
  return `<h2><code>${escape(title)}</code></h2><p><strong>${escape(summary)}.</strong> ${escape(description ?? "")}</p>
${inputs && `<table>${inputs}</table>`}${bodies.join("")}<table>${outputs}</table>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

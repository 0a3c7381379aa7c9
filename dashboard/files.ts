/**
 * The live page's files as texts. They are imported and not read, so that they are part of what `deno compile` makes
 * and need no permission; dynamically, so that they take no memory until somebody opens the page.
 *
 * @module
 */

/** What an import of a text gives. */
type Text = Promise<{ default: string }>;

const FILES: Record<string, () => Text> = {
  "index.html": () => import("./index.html", { with: { type: "text" } }),
  "style.css": () => import("./style.css", { with: { type: "text" } }),
  "icon.svg": () => import("./icon.svg", { with: { type: "text" } }),
  "boot.js": () => import("./boot.js", { with: { type: "text" } }) as Text,
  "main.js": () => import("./main.js", { with: { type: "text" } }) as Text,
  "texts.js": () => import("./texts.js", { with: { type: "text" } }) as Text,
  "dom.js": () => import("./dom.js", { with: { type: "text" } }) as Text,
  "feed.js": () => import("./feed.js", { with: { type: "text" } }) as Text,
  "lanes.js": () => import("./lanes.js", { with: { type: "text" } }) as Text,
  "produce.js": () => import("./produce.js", { with: { type: "text" } }) as Text,
  "charts.js": () => import("./charts.js", { with: { type: "text" } }) as Text,
  "cluster.js": () => import("./cluster.js", { with: { type: "text" } }) as Text,
  "search.js": () => import("./search.js", { with: { type: "text" } }) as Text,
  "labs.js": () => import("./labs.js", { with: { type: "text" } }) as Text,
  "labs_texts.js": () => import("./labs_texts.js", { with: { type: "text" } }) as Text,
  "labs_tours.js": () => import("./labs_tours.js", { with: { type: "text" } }) as Text,
  "labs.css": () => import("./labs.css", { with: { type: "text" } }),
  // Well-kept and small: https://github.com/leeoniya/uPlot
  "uplot.js": () => import("uplot/dist/uPlot.iife.min.js", { with: { type: "text" } }) as Text,
  "uplot.css": () => import("uplot/dist/uPlot.min.css", { with: { type: "text" } }) as Text,
};

/** All files by the name under which the page asks for them. */
export async function pageFiles(): Promise<ReadonlyMap<string, string>> {
  const texts = Object.entries(FILES).map(async ([name, load]) => [name, (await load()).default] as const);
  return new Map(await Promise.all(texts));
}

/**
 * Finds the row of the route table that a method and a path ask for.
 *
 * @module
 */
import { HttpError } from "./errors.ts";
import { decodeSegment } from "./target.ts";

/** A row of the table, as far as finding it goes. */
export interface Route {
  method: "GET" | "POST";
  /** Segments in braces stand for any one segment: `/topics/{topic}`. */
  path: string;
}

/** A row, and what its braces stood for, in order. */
export interface Match<R extends Route> {
  route: R;
  parameters: readonly string[];
}

/** Paths whose place is remembered: the same few come again and again, and finding one costs half a microsecond. */
const MAX_REMEMBERED = 1_000;
/** Longer ones, in characters, are found anew each time; a path with the longest name of a topic has fewer. */
const MAX_REMEMBERED_LENGTH = 500;

interface Entry<R extends Route> {
  /** Undefined where any segment will do. */
  segments: (string | undefined)[];
  byMethod: Map<string, R>;
  allow: string;
}

/** Where a path leads. */
interface Place<R extends Route> {
  entry: Entry<R>;
  parameters: readonly string[];
}

/**
 * A finder for a table: the row, or for `OPTIONS` the methods that the path takes. `HEAD` is `GET`.
 *
 * It throws an `HttpError` 404 or 405 for what is not in the table.
 */
export function createRouter<R extends Route>(
  routes: readonly R[],
): (method: string, path: string) => Match<R> | string {
  const entries = new Map<string, Entry<R>>();
  for (const route of routes) {
    const entry = entries.get(route.path) ?? toEntry<R>(route.path);
    entries.set(route.path, entry);
    entry.byMethod.set(route.method, route);
    if (route.method === "GET") entry.byMethod.set("HEAD", route);
    entry.allow = [...entry.byMethod.keys(), "OPTIONS"].join(", ");
  }
  const byLength = Map.groupBy(entries.values(), (entry) => entry.segments.length);
  const remembered = new Map<string, Place<R>>();
  const remember = (path: string): Place<R> => {
    const place = find(byLength, path);
    if (path.length > MAX_REMEMBERED_LENGTH) return place;
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(path, place);
    return place;
  };
  return (method, path) => {
    const { entry, parameters } = remembered.get(path) ?? remember(path);
    const route = entry.byMethod.get(method);
    if (method === "OPTIONS") return entry.allow;
    if (!route) {
      throw new HttpError(405, `${method} is not for ${path}; expected ${entry.allow}`, {
        headers: { allow: entry.allow },
      });
    }
    return { route, parameters };
  };
}

function find<R extends Route>(byLength: ReadonlyMap<number, readonly Entry<R>[]>, path: string): Place<R> {
  const segments = path.split("/");
  if (segments.length > 2 && segments.at(-1) === "") segments.pop();
  const entry = byLength.get(segments.length)?.find((entry) => fits(entry.segments, segments));
  if (!entry) {
    throw new HttpError(404, `There is nothing at ${JSON.stringify(path.slice(0, 200))}; /docs lists what there is`);
  }
  return { entry, parameters: segments.filter((_, i) => entry.segments[i] === undefined).map(decodeSegment) };
}

function toEntry<R extends Route>(path: string): Entry<R> {
  const segments = path.split("/").map((segment) => segment.startsWith("{") ? undefined : segment);
  return { segments, byMethod: new Map(), allow: "" };
}

function fits(pattern: readonly (string | undefined)[], segments: readonly string[]): boolean {
  for (let i = 1; i < pattern.length; i++) {
    if (pattern[i] === undefined ? segments[i] === "" : pattern[i] !== segments[i]) return false;
  }
  return true;
}

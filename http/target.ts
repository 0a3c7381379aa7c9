/**
 * The path and the query of a request. Scanned by hand: `new URL` throws on a Host header that is none, resolves dot
 * segments that nobody should send, and costs more than the routing after it.
 *
 * @module
 */
import { HttpError } from "./errors.ts";

/** A request's target without its authority. */
export interface Target {
  /** Begins with a slash, still percent-encoded. */
  path: string;
  /** What comes after the question mark; empty if nothing does. */
  query: string;
}

/** Splits the URL of a request, `http://authority/path?query`. */
export function parseTarget(url: string): Target {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return { path: "/", query: "" };
  const mark = url.indexOf("?", start);
  return mark < 0
    ? { path: url.slice(start), query: "" }
    : { path: url.slice(start, mark), query: url.slice(mark + 1) };
}

/** A segment of a path without its percent-encoding. @throws {HttpError} 400 when it is not well-formed */
export function decodeSegment(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new HttpError(400, `The path has ${JSON.stringify(segment)} in it; expected UTF-8 as %XX`, { cause });
  }
}

/** A parameter of the query that may stand there once. @throws {HttpError} 400 when it stands there more often */
export function queryParameter(query: string, name: string): string | undefined {
  if (query === "") return undefined;
  const values = new URLSearchParams(query).getAll(name);
  if (values.length > 1) throw new HttpError(400, `The query has ${name} ${values.length} times; expected it once`);
  return values[0];
}

/**
 * A whole number from the query.
 *
 * @throws {HttpError} 422 when it is not one within the bounds, both included
 */
export function integerParameter(
  query: string,
  name: string,
  { min, max, fallback }: { min: number; max: number; fallback: number },
): number {
  const text = queryParameter(query, name);
  if (text === undefined) return fallback;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new HttpError(422, `${name} is ${JSON.stringify(text)}; expected a whole number from ${min} to ${max}`);
}

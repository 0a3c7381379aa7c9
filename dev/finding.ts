/**
 * What `deno task doctor` finds, one line each.
 *
 * @module
 */

/** `note` is worth knowing and no mistake; `skipped` could not be looked at before something else is mended. */
export type Status = "ok" | "note" | "wrong" | "skipped";

/** The outcome of one check. */
export interface Finding {
  /** What was looked at, in a word: `dns`, `port`, `topic`... */
  check: string;
  status: Status;
  /** What is so. */
  detail: string;
  /** What to do about it; there whenever something is wrong. */
  remedy?: string;
}

/** All is well. */
export function ok(check: string, detail: string): Finding {
  return { check, status: "ok", detail };
}

/** Something to know, with what one may do about it. */
export function note(check: string, detail: string, remedy?: string): Finding {
  return { check, status: "note", detail, ...remedy === undefined ? {} : { remedy } };
}

/** Something that will not work, and what to do about it. */
export function wrong(check: string, detail: string, remedy: string): Finding {
  return { check, status: "wrong", detail, remedy };
}

/** Whether something is wrong among them. */
export function isWrong(findings: readonly Finding[]): boolean {
  return findings.some(({ status }) => status === "wrong");
}

/** The lines for people: status, check, what is so, and what to do. What was skipped takes one line. */
export function render(findings: readonly Finding[]): string {
  const [skipped, made] = [true, false].map((wanted) => findings.filter((f) => (f.status === "skipped") === wanted));
  const width = Math.max(...made.map(({ check }) => check.length));
  const lines = made.map(({ status, check, detail, remedy }) =>
    `${status.padEnd("wrong".length)}  ${check.padEnd(width)}  ${detail}${remedy ? ` -> ${remedy}` : ""}`
  );
  if (skipped.length > 0) lines.push(`${skipped.map(({ check }) => check).join(", ")}: ${skipped[0].detail}`);
  return lines.join("\n");
}

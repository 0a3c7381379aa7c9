/**
 * What the contract says that an answer means for a record. Anything else means: unknown.
 *
 * @module
 */
import type { Send } from "./history.ts";
import type { StreamAnswer } from "./stream_client.ts";

/** What an answer says about one record: where it is, or why it is not there. */
export interface Entry {
  partition: number;
  offset: number;
  error_code?: number | null;
  /** What was written, if the server made it up. */
  value?: string;
}

/** What a client was told about a request; status 0: nothing. */
export interface Told {
  status: number;
  notSent?: boolean;
  /** One for each record. */
  entries?: Entry[];
  failure?: string;
}

type Fate = Pick<Send, "outcome" | "partition" | "offset">;

const UNKNOWN = 50004;

/** What became of the nth record of a request. */
export function fateOf({ status, entries, notSent }: Told, index: number): Fate {
  if (status === 200) return fateIn(entries![index]);
  return { outcome: isRefusal(status) || notSent ? "refused" : "unknown" };
}

/**
 * What became of the nth line of a stream, and when that was known. Lines are answered in their order; the last line
 * of the answer may say that what came after some line was not taken.
 */
export function fateInStream(
  { status, answered, failure }: StreamAnswer,
  index: number,
): Fate & Pick<Send, "status" | "failure"> & { at?: number } {
  if (status !== 0 && status !== 200) {
    const why = failure ?? answered[0]?.text.slice(0, 200);
    return { outcome: isRefusal(status) ? "refused" : "unknown", status, failure: why };
  }
  const last = answered.at(-1);
  const stoppedAfter = last && /"error":"The stream ended after line (\d+)/.exec(last.text)?.[1];
  const line = answered[index];
  if (line && !(stoppedAfter && line === last)) return { ...fateIn(JSON.parse(line.text)), status, at: line.at };
  if (stoppedAfter && index >= Number(stoppedAfter)) {
    return { outcome: "refused", status, at: last!.at, failure: last!.text.slice(0, 200) };
  }
  return { outcome: "unknown", status: 0, failure: failure ?? "the answer has no line for this one" };
}

function fateIn({ partition, offset, error_code: code }: Entry): Fate {
  if (code === null || code === undefined) return { outcome: "ok", partition, offset };
  return { outcome: code === UNKNOWN ? "unknown" : "refused" };
}

const isRefusal = (status: number) => status === 503 || (status >= 400 && status < 500);

/**
 * I1, I3 and I5 for records that the server makes up: nobody knows what they are before they are acknowledged, and
 * not always after it.
 *
 * @module
 */
import { type Verdict, verdict } from "../support/checker.ts";
import type { History, Send, Stored } from "./history.ts";

/** The verdicts on topics that hold names. */
export function checkNames({ settings, sends, records }: History): Verdict[] {
  const topics = new Set(settings.topics.filter(({ kind }) => kind === "names").map(({ name }) => name));
  if (topics.size === 0) return [];
  const sent = sends.filter(({ topic }) => topics.has(topic));
  const log = new Map(records.filter(({ topic }) => topics.has(topic)).map((record) => [placeOf(record), record]));
  const acknowledged = sent.filter(({ outcome }) => outcome === "ok");
  const told = new Map<string, Send>();
  return [
    verdict("I1", "an acknowledged name is in the log, where the answer said", {
      items: acknowledged,
      judge: (send) => {
        const found = log.get(placeOf(send));
        const right = found && found.id === send.name && found.pad === 0 && found.key === null;
        return !right && `"${send.name}" of request ${send.request} is not at ${placeOf(send)}, but ${found?.id}`;
      },
    }),
    judgeUntold(sent, log.size - new Set(acknowledged.map(placeOf)).size),
    verdict("I5", "no two names were acknowledged at one place", {
      items: acknowledged,
      judge: (send) => {
        const other = told.get(placeOf(send));
        told.set(placeOf(send), send);
        return other !== undefined &&
          `${placeOf(send)} was the answer to requests ${other.request} and ${send.request}`;
      },
    }),
  ];
}

/** What is in the log without an acknowledgement must be of unknown outcome: a refused one is not there, and none twice. */
function judgeUntold(sent: Send[], untold: number): Verdict {
  const unknown = sent.filter(({ outcome }) => outcome === "unknown").length;
  const offences = Math.max(0, untold - unknown);
  const first = offences > 0
    ? `${untold} were not acknowledged, and only ${unknown} are of unknown outcome`
    : undefined;
  return { invariant: "I3", states: "names in the log are acknowledged, or unknown", checked: untold, offences, first };
}

function placeOf({ topic, partition, offset }: Send | Stored): string {
  return `${topic}[${partition}]@${offset}`;
}

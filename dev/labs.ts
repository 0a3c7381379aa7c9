/**
 * The labs that the page offers under `deno task start`: each answers one question, with buttons that really do it.
 *
 * @module
 */
import { beginBrokerLab } from "./labs/broker.ts";
import { beginDeliveryLab } from "./labs/delivery.ts";
import { beginFlushLab } from "./labs/flush.ts";
import type { Offer } from "./labs/lab.ts";
import { beginPartitionLab } from "./labs/partition.ts";
import { beginPollLab } from "./labs/poll.ts";
import type { Place } from "./labs/workshop.ts";

/** How many brokers the broker lab needs: with fewer, one that stops leaves no majority. */
const BROKERS = 3;

/** The table: a lab's name, what begins it, and what may stand in its way here. */
export function offerLabs(place: Place): Record<string, Offer> {
  const { local } = place;
  return {
    broker: {
      begin: () => beginBrokerLab(place),
      obstacle: (local?.nodes.length ?? 0) < BROKERS ? "three-brokers" : undefined,
    },
    partition: { begin: () => beginPartitionLab(place) },
    flush: { begin: () => beginFlushLab(place), obstacle: local ? undefined : "own-kafka" },
    poll: { begin: () => beginPollLab(place) },
    delivery: { begin: () => beginDeliveryLab(place) },
  };
}

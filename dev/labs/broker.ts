/**
 * What is a broker? Each partition has a leader; when that is stopped, another broker that has a copy takes over, and
 * records keep flowing.
 *
 * @module
 */
import { HttpError } from "../../http/errors.ts";
import { Inspector } from "../../kafka/inspector.ts";
import { type Lab, numberIn } from "./lab.ts";
import { Traffic } from "./traffic.ts";
import { watch } from "./watch.ts";
import { type Place, Workshop } from "./workshop.ts";

const PARTITIONS = 3;
/** How often a record is sent, in ms. */
const EVERY_MS = 200;

/** Begins the lab: a topic with three partitions on three brokers, and a record every moment. */
export async function beginBrokerLab(place: Place): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(new Workshop(place, "broker"));
  const { nodes } = shop.local!;
  stack.defer(async () => {
    // Where all of Kafka is about to stop, nobody needs it back.
    if (!place.stopping.aborted) await Promise.all(nodes.map((node) => node.start({ brokers: nodes.length })));
  });
  await shop.makeTopic(PARTITIONS);
  const server = await shop.server();
  const traffic = stack.use(
    new Traffic(server, shop.topic, {
      everyMs: EVERY_MS,
      record: (n) => ({ key: `key ${n % 7}`, value: `record ${n}` }),
    }),
  );
  const facts = Object.assign(traffic.counts, {
    topic: shop.topic,
    brokers: [] as { id: number; runs: boolean }[],
    partitions: [] as { partition: number; leader: number; replicas: number[]; inSync: number[] }[],
  });
  const inspector = new Inspector(() => shop.client);
  stack.defer(() => inspector.close());
  stack.use(watch(async () => {
    facts.brokers = nodes.map(({ id, running }) => ({ id, runs: running }));
    facts.partitions = (await inspector.topic(shop.topic)).partitions;
  }));
  const find = (input: Record<string, unknown>) => nodes[numberIn(input, "broker", [1, nodes.length]) - 1];
  const owned = stack.move();
  return {
    facts,
    actions: {
      async stop(input) {
        const node = find(input);
        const down = nodes.find(({ running }) => !running);
        if (down) throw new HttpError(409, `Broker ${down.id} is stopped; expected the others to stay`);
        facts.slowestMs = 0;
        await node.stop();
      },
      async start(input) {
        facts.slowestMs = 0;
        await find(input).start({ brokers: nodes.length, signal: place.stopping });
      },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

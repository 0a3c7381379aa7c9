/**
 * What is a partition? Records with the same key take the same lane, and each lane has one owner in a group.
 *
 * @module
 */
import { HttpError } from "../../http/errors.ts";
import { viewGroups } from "../../kafka/groups.ts";
import { randomName } from "../../names.ts";
import type { Child } from "../children.ts";
import { type Lab, textIn } from "./lab.ts";
import { watch } from "./watch.ts";
import { type Place, Workshop } from "./workshop.ts";

const PARTITIONS = 3;
/** One more than there are partitions, so that one is seen with nothing to do. */
const MAX_CONSUMERS = 4;
const SHOWN = 12;

/** A record and the consumer that printed it. */
interface Printed {
  partition: number;
  offset: number;
  key: string;
  value: string;
  by: string;
}

/** Begins the lab: a topic with three partitions, one consumer. */
export async function beginPartitionLab(place: Place): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(new Workshop(place, "partition"));
  const facts = {
    topic: shop.topic,
    partitions: PARTITIONS,
    /** Members as the group's coordinator knows them. */
    members: [] as { name: string; partitions: number[] }[],
    /** The newest first. */
    records: [] as Printed[],
  };
  const consumers: Child[] = [];
  const onLine = (by: string) => (line: string) => {
    const [mark, partition, offset, key, value] = line.split("\t");
    if (mark !== "lab") return;
    facts.records.unshift({ partition: Number(partition), offset: Number(offset), key, value, by });
    facts.records.splice(SHOWN);
  };
  const addConsumer = async () => {
    if (consumers.length === MAX_CONSUMERS) {
      throw new HttpError(409, `There are ${MAX_CONSUMERS} consumers; expected fewer`);
    }
    const name = `consumer-${consumers.length + 1}`;
    const child = shop.consume(name, { flags: ["--format", "lab\\t%p\\t%o\\t%k\\t%s\\n"], onLine: onLine(name) });
    consumers.push(child);
    await shop.says(child, / consumer: assigned/);
  };
  await shop.makeTopic(PARTITIONS);
  const [server] = await Promise.all([shop.server(), addConsumer()]);
  stack.use(watch(async () => {
    const [{ members }] = await viewGroups(shop.client, [shop.topic]);
    facts.members = members.map(({ clientId, partitions }) => ({
      name: clientId,
      partitions: partitions.map(({ partition }) => partition).sort(),
    })).sort((a, b) => a.name < b.name ? -1 : 1);
  }));
  const owned = stack.move();
  return {
    facts,
    actions: {
      async send(input) {
        const { message } = await server.send(shop.topic, [{ key: textIn(input, "key"), value: randomName() }]);
        if (message) throw new HttpError(502, message);
      },
      addConsumer,
      async removeConsumer() {
        if (consumers.length === 1) throw new HttpError(409, "There is 1 consumer; expected more");
        await consumers.pop()!.stop();
      },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

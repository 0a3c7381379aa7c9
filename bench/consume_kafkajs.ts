/**
 * The benchmark's consumer on kafkajs as its documentation shows it: counts records and their bytes in `eachBatch`.
 *
 *     deno run ... bench/consume_kafkajs.ts BROKERS TOPIC GROUP RECORDS
 *
 * @module
 */
import { Kafka, logLevel } from "kafkajs";

const [brokers, topic, groupId, records] = Deno.args;
const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 500 });
const counted = { records: 0, bytes: 0 };
const done = Promise.withResolvers<void>();
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  eachBatch: ({ batch }) => {
    counted.records += batch.messages.length;
    for (const { value } of batch.messages) counted.bytes += value?.length ?? 0;
    if (counted.records >= Number(records)) done.resolve();
    return Promise.resolve();
  },
});
await done.promise;
await consumer.disconnect();
Deno.exit(0);

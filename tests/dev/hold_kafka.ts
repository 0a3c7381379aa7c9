// Starts a Kafka as the tests of guard.sh need it: they kill this program. `deno run hold_kafka.ts NODES [CACHE_FOLDER [DATA_FOLDER]]`
import { startLocalKafka } from "../../dev/local_kafka.ts";

if (import.meta.main) {
  console.log("starting");
  const [nodes, cacheDir, dataDir] = Deno.args;
  const kafka = await startLocalKafka({ brokers: Number(nodes), cacheDir, dataDir });
  console.log(JSON.stringify(kafka.nodes.map(({ pid, port }) => ({ pid, port }))));
  await Promise.all(kafka.nodes.map(({ exited }) => exited));
}

/**
 * Runs the Kafka of one `deno test` process; tests/support/kafka.ts starts it. It says where that is, or why there is
 * none, in `kafka.json` in the folder it is given, and ends when its standard input does.
 *
 * @module
 */
import { join } from "node:path";
import { provideKafka } from "../../dev/provide_kafka.ts";

async function main(folder: string): Promise<void> {
  const ended = new AbortController();
  const parentGone = Deno.stdin.readable.pipeTo(new WritableStream()).finally(() => ended.abort());
  try {
    // Java comes first: a Kafka of the tests' own, on a free port and without anybody's data.
    const sources = ["configured", "java", "running", "docker"] as const;
    await using kafka = await provideKafka({ sources, port: 0, signal: ended.signal });
    await announce(folder, { bootstrap: kafka.bootstrap });
    await Promise.race([parentGone, kafka.failed]);
  } catch (error) {
    await announce(folder, { error: (error as Error).message });
    await parentGone;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Others read the file as soon as it is there. */
async function announce(folder: string, what: { bootstrap: string } | { error: string }): Promise<void> {
  await Deno.writeTextFile(join(folder, "unfinished"), JSON.stringify(what));
  await Deno.rename(join(folder, "unfinished"), join(folder, "kafka.json"));
}

if (import.meta.main) {
  await main(Deno.args[0]);
  Deno.exit(0);
}

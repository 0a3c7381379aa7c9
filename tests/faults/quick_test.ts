/**
 * About a minute of faults on the whole product, twice: with a seed that never changes, and with one that always does.
 * A run's history is kept when something did not hold; `check.ts` judges it again.
 */
import { join } from "node:path";
import { CACHE_DIR } from "../../dev/jars.ts";
import { startProxiedKafka } from "../support/proxied_kafka.ts";
import { judge } from "./check.ts";
import { readHistory } from "./history.ts";
import { showRun } from "./report.ts";
import { makeRun } from "./run.ts";

const FIXED_SEED = 1;
/** To repeat a run that was not good. */
const GIVEN_SEED = Deno.env.get("FAULTS_SEED");

Deno.test("records survive what happens to brokers, networks, servers and consumers", async (t) => {
  const random = GIVEN_SEED === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(GIVEN_SEED);
  await using cluster = await startProxiedKafka({ brokers: 3, seed: random });
  for (const seed of GIVEN_SEED === undefined ? [FIXED_SEED, random] : [random]) {
    await t.step(`seed ${seed}`, async () => {
      const folder = join(CACHE_DIR, "faults", `quick-${seed}-${crypto.randomUUID().slice(0, 8)}`);
      // Other test files run beside this one.
      await makeRun(cluster, { seed, seconds: 30, faults: 16, leewayMs: 5_000, folder });
      const result = judge(readHistory(folder));
      const text = showRun(result);
      console.log(text);
      if (!result.held) throw new Error(`${text}\nthe history is in ${folder}`);
      await Deno.remove(folder, { recursive: true });
    });
  }
});

/** Appends `partition offset` to the file that KAFKA_TEST_LOG names, and takes KAFKA_TEST_MS for each record; says when it begins. */
import type { Handler } from "../../../handlers/types.ts";

const path = Deno.env.get("KAFKA_TEST_LOG")!;
const ms = Number(Deno.env.get("KAFKA_TEST_MS") ?? 0);

export default (async ({ partition, offset }, { log }) => {
  log.info(`begun with ${offset}`);
  await new Promise((resolve) => setTimeout(resolve, ms));
  Deno.writeTextFileSync(path, `${partition} ${offset}\n`, { append: true });
}) satisfies Handler;

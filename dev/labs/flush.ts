/**
 * What does flush do? Kafka is paused: the buffer fills, answers wait, then records are refused. It goes on: all of it
 * drains. A server that is stopped with records in its buffer says what might be lost.
 *
 * @module
 */
import { HttpError } from "../../http/errors.ts";
import { sleep } from "../../kafka/wait.ts";
import type { Lab } from "./lab.ts";
import { watch } from "./watch.ts";
import { type Place, Workshop } from "./workshop.ts";

/** So small that it is full before anybody gets bored. */
const BUFFER_BYTES = 2_000;
/** How often a record is sent, in ms. */
const EVERY_MS = 100;
/** Nobody leaves Kafka paused for longer, in ms: clients of others wait, too. */
const PAUSE_MS = 60_000;
const AGAIN_MS = 100;
/** How long the server tries to flush when it is stopped, in ms. */
const STOP_MS = 2_000;

/** Begins the lab: a server with a small buffer, and a record every moment. */
export async function beginFlushLab(place: Place): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(new Workshop(place, "flush"));
  const nodes = shop.local!.nodes;
  const facts = {
    topic: shop.topic,
    paused: false,
    /** Records by what is known of them. */
    waiting: 0,
    acknowledged: 0,
    refused: 0,
    unknown: 0,
    /** The longest that an answer took since Kafka was paused last, in ms. */
    slowestMs: 0,
    refusal: null as string | null,
    buffer: { bytes: 0, limit: BUFFER_BYTES },
    /** How the server ended when it was stopped. */
    stop: null as { code: number; waiting: number; lines: string[] } | null,
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const resume = () => {
    clearTimeout(timer);
    for (const node of nodes) node.signal("SIGCONT");
    facts.paused = false;
  };
  await shop.makeTopic(1);
  const server = await shop.server({
    KAFKA_BUFFER_BYTES: `${BUFFER_BYTES}`,
    KAFKA_BATCH_BYTES: `${BUFFER_BYTES / 2}`,
    KAFKA_DELIVERY_TIMEOUT_MS: `${2 * PAUSE_MS}`,
    SHUTDOWN_TIMEOUT_MS: `${STOP_MS}`,
  });
  let number = 0;
  const sendOne = async () => {
    const began = performance.now();
    facts.waiting++;
    try {
      const { status, message } = await server.send(shop.topic, [{ value: `record ${++number}` }]);
      if (status === 200) facts.acknowledged++;
      else if (status === 503) (facts.refused++, facts.refusal = message ?? null);
      else facts.unknown++;
      if (status === 200) facts.slowestMs = Math.max(facts.slowestMs, Math.round(performance.now() - began));
    } catch {
      facts.unknown++; // the server ended before it had answered
    } finally {
      facts.waiting--;
    }
  };
  // The server is to know the topic before anybody pauses Kafka: else it could only say that it knows of none.
  while ((await shop.until(server.send(shop.topic, [{ value: "record 0" }]))).status !== 200) {
    await sleep(AGAIN_MS, place.stopping);
  }
  facts.acknowledged = 1;
  const sending = setInterval(() => facts.stop ?? void sendOne(), EVERY_MS);
  stack.defer(() => clearInterval(sending));
  stack.use(watch(async () => void (facts.buffer.bytes = facts.stop ? 0 : await server.bufferBytes())));
  stack.defer(resume); // disposed of first: what is stopped with Kafka paused takes its time
  const owned = stack.move();
  return {
    facts,
    actions: {
      pause() {
        for (const node of nodes) node.signal("SIGSTOP");
        facts.paused = true;
        facts.slowestMs = 0;
        timer = setTimeout(resume, PAUSE_MS);
        return Promise.resolve();
      },
      resume: () => Promise.resolve(resume()),
      async stop() {
        if (facts.stop) throw new HttpError(409, "The server was stopped; expected it to run");
        clearInterval(sending);
        const { waiting } = facts;
        await server.process.stop();
        const { code } = await server.process.ended;
        facts.stop = { code, waiting, lines: server.lines.filter((line) => /might be lost|drain|stop/i.test(line)) };
      },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

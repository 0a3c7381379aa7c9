/**
 * What does flush do? Kafka is paused: the buffer fills, answers wait, then records are refused. It goes on: all of it
 * drains. A server that is stopped with records in its buffer says what might be lost.
 *
 * @module
 */
import { HttpError } from "../../http/errors.ts";
import { sleep } from "../../kafka/wait.ts";
import type { LocalNode } from "../local_kafka.ts";
import type { Lab } from "./lab.ts";
import type { LabServer } from "./lab_server.ts";
import { Traffic } from "./traffic.ts";
import { watch } from "./watch.ts";
import { type Place, Workshop } from "./workshop.ts";

/** So small that it is full before anybody gets bored. */
const BUFFER_BYTES = 2_000;
/** How often a record is sent, in ms. */
const EVERY_MS = 100;
/** Nobody leaves Kafka paused for longer, in ms: clients of others wait, too. */
const PAUSE_MS = 60_000;
const AGAIN_MS = 100;

/** The settings of the lab's server. */
const SERVER = {
  KAFKA_BUFFER_BYTES: `${BUFFER_BYTES}`,
  KAFKA_BATCH_BYTES: `${BUFFER_BYTES / 2}`,
  KAFKA_DELIVERY_TIMEOUT_MS: `${2 * PAUSE_MS}`,
  SHUTDOWN_TIMEOUT_MS: "2000",
};

/** Begins the lab: a server with a small buffer, and a record every moment. */
export async function beginFlushLab(place: Place): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(new Workshop(place, "flush"));
  await shop.makeTopic(1);
  const server = await shop.server(SERVER);
  // It is to know the topic before anybody pauses Kafka: else it could only say that it knows of none.
  while ((await shop.until(server.send(shop.topic, [{ value: "record 0" }]))).status !== 200) {
    await sleep(AGAIN_MS, place.stopping);
  }
  const traffic = stack.use(
    new Traffic(server, shop.topic, { everyMs: EVERY_MS, record: (n) => ({ value: `record ${n}` }) }),
  );
  const facts = Object.assign(traffic.counts, {
    topic: shop.topic,
    paused: false,
    buffer: { bytes: 0, limit: BUFFER_BYTES },
    /** How the server ended when it was stopped. */
    stop: null as Stop | null,
  });
  stack.use(watch(async () => void (facts.buffer.bytes = facts.stop ? 0 : await server.bufferBytes())));
  // Disposed of first: what is stopped with Kafka paused takes its time.
  const pause = stack.use(new Pause(shop.local!.nodes, (paused) => facts.paused = paused));
  const owned = stack.move();
  return {
    facts,
    actions: {
      pause() {
        facts.slowestMs = 0;
        return Promise.resolve(pause.begin());
      },
      resume: () => Promise.resolve(pause[Symbol.dispose]()),
      async stop() {
        if (facts.stop) throw new HttpError(409, "The server was stopped; expected it to run");
        traffic[Symbol.dispose]();
        facts.stop = await stop(server, facts.waiting);
      },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** How a server ended, with so many requests that waited, and what it had to say. */
interface Stop {
  code: number;
  waiting: number;
  lines: string[];
}

async function stop({ process, lines }: LabServer, waiting: number): Promise<Stop> {
  await process.stop();
  const { code } = await process.ended;
  return { code, waiting, lines: lines.filter((line) => /might be lost|drain|stop/i.test(line)) };
}

/** Stops the processes of Kafka where they are. Disposing of it, or a minute, lets them go on. */
class Pause implements Disposable {
  readonly #nodes: readonly LocalNode[];
  readonly #onChange: (paused: boolean) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(nodes: readonly LocalNode[], onChange: (paused: boolean) => void) {
    this.#nodes = nodes;
    this.#onChange = onChange;
  }

  begin(): void {
    for (const node of this.#nodes) node.signal("SIGSTOP");
    this.#onChange(true);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this[Symbol.dispose](), PAUSE_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const node of this.#nodes) node.signal("SIGCONT");
    this.#onChange(false);
  }
}

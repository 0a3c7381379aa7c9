/**
 * Deliberate mistakes, one each, in the delivery path and in the consumer loop; and the tests that are expected to
 * notice.
 *
 * @module
 */

/** A mistake. */
export interface Mutation {
  /** What goes wrong, in a few words. */
  name: string;
  file: string;
  /** Must be in the file exactly once. */
  from: string;
  to: string;
  /** Test files in the order in which they are tried: the first that fails has caught it. */
  tests: string[];
}

const OUTCOMES = ["tests/kafka/outcomes_test.ts"];
const ACCUMULATOR = ["tests/kafka/accumulator_test.ts", "tests/kafka/accumulator_outcomes_test.ts"];
const SENDER = ["tests/integration/producer/answers_test.ts", "tests/integration/producer/connections_test.ts"];
const PRODUCER = [...OUTCOMES, ...ACCUMULATOR, "tests/kafka/intake_test.ts", ...SENDER];
const CONSUMER = [
  "tests/consumer/handling_kafka_test.ts",
  "tests/consumer/stop_kafka_test.ts",
  "tests/consumer/group_kafka_test.ts",
];
/** The last resort: a minute of faults. */
export const QUICK = "tests/faults/quick_test.ts";

/** All of them. */
export const MUTATIONS: Mutation[] = [
  {
    name: "a sequence is not rolled on",
    file: "kafka/outcomes.ts",
    from: "    if (identity) identity.nextSequence = nextSequence(identity.nextSequence, records.count);\n",
    to: "",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "a retry encodes again, with what came in since",
    file: "kafka/outcomes.ts",
    from: "    batch.lastError = error;\n",
    to: "    batch.lastError = error;\n    batch.frozen = undefined;\n",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "a fresh identity is omitted after an unknown outcome",
    file: "kafka/outcomes.ts",
    from: "    queue.identity = undefined;\n",
    to: "",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "a lost sequence sends the batch again under a new identity",
    file: "kafka/outcomes.ts",
    from: "        return this.#giveUp(shipment, error);\n",
    to: "        queue.identity = batch.frozen = undefined;\n" +
      "        return this.failed(shipment, error, { mayHaveArrived: false });\n",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "an unknown outcome is told as not written",
    file: "kafka/outcomes.ts",
    from: "    if (batch.maybeWritten) this.#tellUnknown(shipment, error);\n    else this.#tellRejected",
    to: "    this.#tellRejected",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "an answer that replicas did not confirm in time counts as success",
    file: "kafka/outcomes.ts",
    from: "if (result.code === 0) return",
    to: "if (result.code === 0 || result.code === 7) return",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "a look that is wanted earlier than the next one is not made",
    file: "kafka/sender.ts",
    from: "    if (at >= this.#timerAt) return;\n",
    to: "    if (this.#timerAt < Infinity) return;\n",
    tests: SENDER,
  },
  {
    name: "what follows a batch that was given up waits for the next attempt of that one",
    file: "kafka/outcomes.ts",
    from:
      "    queue.retryAt = 0; // its failures are not the next one's, whose deadline may be nearer than its back-off\n",
    to: "",
    tests: OUTCOMES,
  },
  {
    name: "a broker that fails is asked again at once",
    file: "kafka/sender.ts",
    from: "      node.resumeAt = Date.now() + backoff(++node.failures);\n",
    to: "",
    tests: SENDER,
  },
  {
    name: "nobody looks when a back-off or a deadline is over",
    file: "kafka/sender.ts",
    from: "    }, Math.max(1, at - now));\n",
    to: "    }, 2 ** 31 - 1);\n",
    tests: SENDER,
  },
  {
    name: "records of a call that lie in other batches are taken for neighbours",
    file: "kafka/delivery.ts",
    from: "    return this.#following?.[index] ?? index + 1;\n",
    to: "    return index + 1;\n",
    tests: [...ACCUMULATOR, ...OUTCOMES],
  },
  {
    name: "the halves of a batch forget which record follows which",
    file: "kafka/batch.ts",
    from: "        index = delivery.following(index);\n",
    to: "        index++;\n",
    tests: [...ACCUMULATOR, ...OUTCOMES],
  },
  {
    name: "deadlines are not looked at",
    file: "kafka/sender.ts",
    from: "    this.#outcomes.expire(now);\n",
    to: "",
    tests: [...SENDER, QUICK],
  },
  {
    name: "a partition has several batches in flight",
    file: "kafka/sender.ts",
    from: "    if (queue.busy) return Infinity;\n",
    to: "",
    tests: [...SENDER, QUICK],
  },
  {
    name: "a lost answer counts as never sent",
    file: "kafka/sender.ts",
    from: "{ mayHaveArrived: sentAt > 0 }",
    to: "{ mayHaveArrived: false }",
    tests: [...SENDER, QUICK],
  },
  {
    name: "the newest batch of a partition goes first",
    file: "kafka/accumulator.ts",
    from: "      queue.batches.push(batch);\n",
    to: "      queue.batches.splice(queue.busy || queue.batches[0]?.frozen ? 1 : 0, 0, batch);\n",
    tests: [...ACCUMULATOR, ...SENDER, QUICK],
  },
  {
    name: "all records of a batch get the offset of the first",
    file: "kafka/outcomes.ts",
    from: "baseOffset < 0 ? -1 : baseOffset + index",
    to: "baseOffset",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "the buffer has no bound",
    file: "kafka/accumulator.ts",
    from: "    return this.#bytes + bytes <= this.#limits.bufferBytes;\n",
    to: "    return this.#bytes + bytes >= 0;\n",
    tests: [...PRODUCER, QUICK],
  },
  {
    name: "metadata is refreshed after trouble only",
    file: "kafka/metadata.ts",
    from: "TROUBLE_REFRESH_MS : REFRESH_MS",
    to: "TROUBLE_REFRESH_MS : 2 ** 31 - 1",
    tests: ["tests/integration/producer/topics_test.ts"],
  },
  {
    name: "closing skips the buffer",
    file: "producer.ts",
    from: "    await this.flush({ deadline });\n",
    to: "",
    tests: ["tests/integration/producer/limits_test.ts", "tests/server_kafka_test.ts", QUICK],
  },
  {
    name: "the server does not wait for requests at work when it stops",
    file: "server.ts",
    from: "  await before(deadline, app.drain());\n",
    to: "  void app.drain();\n",
    tests: ["tests/server_kafka_test.ts", QUICK],
  },
  {
    name: "a commit comes before the handler",
    file: "consumer/worker.ts",
    from: "    const admitted = run.admit(records.length);\n",
    to: "    const admitted = run.admit(records.length);\n    this.handled = next;\n    this.#tools.onHandled();\n",
    tests: [...CONSUMER, QUICK],
  },
  {
    name: "records are handled in another order",
    file: "consumer/worker.ts",
    from: "        if (wanted(record)) records.push(record);\n",
    to: "        if (wanted(record)) records.splice(Math.max(0, records.length - 1), 0, record);\n",
    tests: [...CONSUMER, QUICK],
  },
  {
    name: "a handler that fails counts as done",
    file: "consumer/handling.ts",
    from: "        if (!await this.#handleAgain(record, { error, ...surroundings })) return;\n",
    to: "        void error;\n",
    tests: [...CONSUMER, QUICK],
  },
  {
    name: "a record is left out where a consumer begins",
    file: "consumer/session.ts",
    from:
      "    const known = new Map(committed.filter(({ offset }) => offset >= 0).map((p) => [keyOf(p), p.offset]));\n",
    to:
      "    const known = new Map(committed.filter(({ offset }) => offset > 0).map((p) => [keyOf(p), p.offset + 1]));\n",
    tests: [...CONSUMER, QUICK],
  },
  {
    name: "what was handled last is not committed at the end",
    file: "consumer/session.ts",
    from: '    if (ending !== "lost") await this.#commitLast();\n',
    to: "",
    tests: [...CONSUMER, QUICK],
  },
  {
    name: "a consumer that stops does not leave its group",
    file: "kafka/group_member.ts",
    from: "    if (!abandon.aborted) await this.#leave();\n",
    to: "",
    tests: ["tests/consumer/stop_kafka_test.ts", QUICK],
  },
  {
    name: "a coordinator that is silent for longer than the session is not noticed",
    file: "kafka/group_member.ts",
    from: '    if (Date.now() - this.#lastAnswer > this.#options.sessionTimeoutMs) return "lost";\n',
    to: "",
    tests: ["tests/consumer/faults_kafka_test.ts", QUICK],
  },
  {
    name: "a member that was thrown out goes on",
    file: "kafka/group_member.ts",
    from: '      if (NOT_A_MEMBER.includes(code)) return "lost";\n',
    to: "      if (NOT_A_MEMBER.includes(code)) return;\n",
    tests: ["tests/consumer/group_kafka_test.ts", QUICK],
  },
];

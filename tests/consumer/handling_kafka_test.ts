/** Handlers that fail, and what becomes of their records: retry, dead letter, or the end of the run. */
import assert from "node:assert/strict";
import { committedOffsets, readTopic } from "../support/reader.ts";
import { createTopic, sharedKafka, withAdmin } from "../support/kafka.ts";
import { waitFor } from "../support/wait.ts";
import { newGroup, numbered, produce, startConsumer, untilCommitted } from "./consumer_test_util.ts";

const { bootstrap } = await sharedKafka();

Deno.test("a handler that throws a TypeError gets the record again, and the order holds", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(20));
  const [group, attempts] = [newGroup(), [] as number[]];
  await using consumer = startConsumer(
    bootstrap,
    ["--topic", topic.name, "--group", group, "--retry-backoff-ms", "1"],
    {
      default: (record, { attempt }) => {
        if (record.offset !== 7) return;
        attempts.push(attempt);
        if (attempt < 3) (undefined as unknown as { f(): void }).f();
      },
    },
  );
  await untilCommitted(bootstrap, { group, topic: topic.name }, [20]);
  assert.deepEqual(consumer.handled.map(({ offset }) => offset), Array.from({ length: 20 }, (_, i) => i));
  assert.deepEqual(attempts, [1, 2, 3]);
});

Deno.test("a record that cannot be handled becomes a dead letter that tells its story, then is committed", async () => {
  await using topic = await createTopic(bootstrap);
  const [group, letters] = [newGroup(), `${topic.name}.dlt`];
  await produce(bootstrap, topic.name, [
    { value: "fine" },
    { key: "k", value: "bad", timestamp: 1_700_000_000_000, headers: [["a", "1"], ["a", null]] },
    { value: "fine too" },
  ]);
  const flags = ["--topic", topic.name, "--group", group, "--retry-backoff-ms", "1", "--max-attempts", "3"];
  try {
    await using consumer = startConsumer(bootstrap, flags, {
      default: (record) => {
        if (record.text() === "bad") throw new RangeError("out of range");
      },
    });
    await untilCommitted(bootstrap, { group, topic: topic.name }, [3]);
    assert.deepEqual(consumer.handled.map(({ value }) => value), ["fine", "fine too"]);
    const [letter, ...others] = await readTopic(bootstrap, letters);
    assert.equal(others.length, 0);
    assert.deepEqual([letter.key?.toString(), letter.value?.toString()], ["k", "bad"]);
    assert.deepEqual(letter.headers.map(([name, value]) => [name, value?.toString() ?? null]), [
      ["a", "1"],
      ["a", null],
      ["dead-letter.topic", topic.name],
      ["dead-letter.partition", "0"],
      ["dead-letter.offset", "1"],
      ["dead-letter.timestamp", "1700000000000"],
      ["dead-letter.group", group],
      ["dead-letter.attempts", "3"],
      ["dead-letter.error.class", "RangeError"],
      ["dead-letter.error.message", "out of range"],
    ]);
  } finally {
    await withAdmin(bootstrap, (admin) => admin.deleteTopics({ topics: [letters] }));
  }
});

Deno.test("a record whose dead letter Kafka does not take is not committed, and the run ends with the cause", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(5));
  const group = newGroup();
  const flags = ["--topic", topic.name, "--group", group, "--max-attempts", "1", "--no-create-topic"];
  await using consumer = startConsumer(bootstrap, flags, {
    default: ({ offset }) => {
      if (offset === 2) throw new Error("no luck");
    },
  });
  await assert.rejects(consumer.done, /Cannot make offset 2 of .* a dead letter in .*\.dlt: .*does not exist/);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [2n]);
});

Deno.test("without a dead-letter topic the run ends with the cause, and the record is not committed", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(5));
  const group = newGroup();
  const flags = ["--retry-backoff-ms", "1", "--max-attempts", "2", "--dead-letter-topic", "none"];
  await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group, ...flags], {
    default: ({ offset }) => {
      if (offset === 3) throw new Error("no luck");
    },
  });
  await assert.rejects(consumer.done, /failed 2 times with offset 3 of .*not committed: no luck/);
  assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [3n]);
});

Deno.test("an error with retriable: false is not tried again", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(1));
  let calls = 0;
  const flags = ["--topic", topic.name, "--group", newGroup(), "--dead-letter-topic", "none"];
  await using consumer = startConsumer(bootstrap, flags, {
    default: () => {
      calls++;
      throw Object.assign(new Error("hopeless"), { retriable: false });
    },
  });
  await assert.rejects(consumer.done, /hopeless/);
  assert.equal(calls, 1);
});

Deno.test("a batch that fails is handled one by one, so that one bad record is a dead letter alone", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(50));
  const [group, letters] = [newGroup(), `${topic.name}.dlt`];
  const flags = ["--topic", topic.name, "--group", group, "--retry-backoff-ms", "1", "--max-attempts", "2"];
  try {
    await using consumer = startConsumer(bootstrap, flags, {
      batch: (records) => {
        if (records.some(({ offset }) => offset === 31)) throw new Error("31");
      },
    });
    await untilCommitted(bootstrap, { group, topic: topic.name }, [50]);
    const others = Array.from({ length: 50 }, (_, i) => i).filter((offset) => offset !== 31);
    assert.deepEqual(consumer.handled.map(({ offset }) => offset), others);
    assert.deepEqual((await readTopic(bootstrap, letters)).map(({ value }) => `${value}`), ["value 31"]);
  } finally {
    await withAdmin(bootstrap, (admin) => admin.deleteTopics({ topics: [letters] }));
  }
});

// Not beside the next one, whose handler leaves other consumers of its process hardly any turns.
Deno.test("a handler may take longer than the session lasts: heartbeats go on meanwhile", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(2));
  const group = newGroup();
  const flags = ["--topic", topic.name, "--group", group, "--session-timeout-ms", "6000"];
  let meanwhile: unknown;
  await using consumer = startConsumer(bootstrap, flags, {
    default: async ({ offset }) => {
      if (offset > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      meanwhile = await committedOffsets(bootstrap, group, topic.name);
    },
  });
  await waitFor(() => consumer.handled.length === 2, { what: "both records", timeout: 30_000 });
  await untilCommitted(bootstrap, { group, topic: topic.name }, [2]);
  assert.deepEqual(meanwhile, [undefined], "nothing is committed before it is handled");
  assert.equal(consumer.handled.length, 2, "nothing is handled twice");
  assert.equal(consumer.logLines.filter((line) => line.includes("assigned")).length, 1, "no rebalance");
});

Deno.test("a handler that never waits for anything does not keep the process from its heartbeats", async () => {
  await using topic = await createTopic(bootstrap);
  await produce(bootstrap, topic.name, numbered(200));
  const group = newGroup();
  const flags = ["--topic", topic.name, "--group", group, "--session-timeout-ms", "6000"];
  await using consumer = startConsumer(bootstrap, flags, {
    default: () => {
      for (const until = Date.now() + 50; Date.now() < until;);
    },
  });
  await untilCommitted(bootstrap, { group, topic: topic.name }, [200]);
  assert.equal(consumer.handled.length, 200, "nothing is handled twice");
});

Deno.test("partitions are worked on side by side, but no more at once than --concurrency says", async () => {
  await using topic = await createTopic(bootstrap, { partitions: 4 });
  await produce(bootstrap, topic.name, numbered(16, { partitions: 4 }));
  const atWork = new Set<number>();
  let most = 0;
  const group = newGroup();
  await using _consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group, "--concurrency", "3"], {
    default: async ({ partition }) => {
      assert.ok(!atWork.has(partition), "one record of a partition at a time");
      atWork.add(partition);
      most = Math.max(most, atWork.size);
      await new Promise((resolve) => setTimeout(resolve, 30));
      atWork.delete(partition);
    },
  });
  await untilCommitted(bootstrap, { group, topic: topic.name }, [4, 4, 4, 4]);
  assert.equal(most, 3);
});

/** Networks and brokers that fail while a consumer reads: it goes on, skips nothing, and says what matters once. */
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { committedOffsets } from "../support/reader.ts";
import { createTopic } from "../support/kafka.ts";
import { startProxiedKafka } from "../support/proxied_kafka.ts";
import { waitFor } from "../support/wait.ts";
import {
  beside,
  deleteRecordsBefore,
  newGroup,
  numbered,
  produce,
  type RunningConsumer,
  setPosition,
  startConsumer,
  untilCommitted,
} from "./consumer_test_util.ts";

/** Every offset up to here was handled at least once, and no offset before an earlier one that was not. */
function assertNothingSkipped({ handled }: RunningConsumer, ends: readonly number[]): void {
  ends.forEach((end, partition) => {
    const seen = new Set<number>();
    for (const { partition: its, offset } of handled) {
      if (its !== partition) continue;
      assert.ok(offset === 0 || seen.has(offset - 1), `${partition}: ${offset} came before ${offset - 1}`);
      seen.add(offset);
    }
    assert.equal(seen.size, end, `records of partition ${partition}`);
  });
}

Deno.test("one broker behind a proxy", async (t) => {
  await using cluster = await startProxiedKafka();
  const { bootstrap, direct, proxies: [proxy], kafka: { nodes: [node] } } = cluster;
  const step = beside(t);

  // Side by side: each disturbs only what it reads itself.
  await Promise.all([
    ...(["rst", "fin"] as const).map((ending) =>
      step(`a connection that ends (${ending}) in the middle of a fetch's answer`, async () => {
        await using topic = await createTopic(bootstrap, { partitions: 3 });
        await produce(bootstrap, topic.name, numbered(30_000, { partitions: 3 }));
        const group = newGroup();
        using rule = proxy.rule({
          api: "Fetch",
          topic: topic.name,
          responseBytes: 5_000,
          times: 5,
          action: { do: "cut", at: "response", with: ending, bytes: "half" },
        });
        // Small answers, so that there are enough of them.
        const flags = ["--topic", topic.name, "--group", group, "--fetch-bytes", "20000"];
        await using consumer = startConsumer(bootstrap, flags);
        const started = performance.now();
        await untilCommitted(bootstrap, { group, topic: topic.name }, [10_000, 10_000, 10_000]);
        assert.equal(rule.hits, 5);
        assert.ok(performance.now() - started < 15_000, "each costs moments, not a time-out");
        assertNothingSkipped(consumer, [10_000, 10_000, 10_000]);
        assert.equal(consumer.handled.length, 30_000, "the membership was not lost, so nothing is handled twice");
      })
    ),
    step("isolated errors of fetches, more than any counter allows", async () => {
      await using topic = await createTopic(bootstrap);
      const group = newGroup();
      await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
      for (let i = 0; i < 8; i++) {
        const code = [-1, 6, 56, 3][i % 4];
        using rule = proxy.rule({
          api: "Fetch",
          topic: topic.name,
          times: 1,
          action: { do: "error", code, forward: true },
        });
        await produce(bootstrap, topic.name, numbered(10, { from: i * 10 }));
        await rule.hit();
        await untilCommitted(bootstrap, { group, topic: topic.name }, [(i + 1) * 10]);
      }
      assertNothingSkipped(consumer, [80]);
      assert.equal(consumer.handled.length, 80);
      assert.deepEqual(consumer.logLines.filter((line) => /^(WARN|ERROR)/.test(line)), [], "nobody needs to know");
    }),
    step("a partition that has just had a record is in the next request, too", async () => {
      await using topic = await createTopic(bootstrap, { partitions: 2 });
      await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", newGroup()]);
      const handle = async (from: number) => {
        await produce(bootstrap, topic.name, numbered(1, { from }));
        await waitFor(() => consumer.handled.length === from + 1, { what: `record ${from} to be handled` });
      };
      await handle(0); // while it begins, partitions join one after the other
      using all = proxy.rule({ api: "Fetch", topic: topic.name, action: { do: "count" } });
      using its = proxy.rule({ api: "Fetch", topic: topic.name, partition: 0, action: { do: "count" } });
      for (let i = 1; i <= 10; i++) await handle(i);
      assert.ok(all.hits >= 10, `${all.hits} requests`);
      assert.equal(its.hits, all.hits, "without it, its next record would wait until the others have one");
    }),
    step("a batch that is damaged on its way is fetched again", async () => {
      await using topic = await createTopic(bootstrap);
      await produce(bootstrap, topic.name, numbered(100));
      const group = newGroup();
      using rule = proxy.rule({
        api: "Fetch",
        topic: topic.name,
        responseBytes: 1_000,
        times: 2,
        action: { do: "rewrite", body: damaged },
      });
      await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
      await untilCommitted(bootstrap, { group, topic: topic.name }, [100]);
      assert.equal(rule.hits, 2);
      assertNothingSkipped(consumer, [100]);
    }),
    step("a batch that stays damaged stops its partition, loudly; others go on", async () => {
      await using topic = await createTopic(bootstrap, { partitions: 2 });
      await produce(bootstrap, topic.name, numbered(200, { partitions: 2 }));
      const group = newGroup();
      using _rule = proxy.rule({
        api: "Fetch",
        topic: topic.name,
        partition: 1,
        responseBytes: 1_000,
        action: { do: "rewrite", body: damaged },
      });
      const flags = ["--topic", topic.name, "--group", group, "--exit"];
      await using consumer = startConsumer(bootstrap, flags);
      assert.equal(await consumer.done, false, "not all was read");
      assert.match(
        consumer.logLines.filter((line) => line.startsWith("ERROR")).join("\n"),
        /\[1\]: the checksum of the batch at offset 0 is wrong; stopped reading this partition/,
      );
      assert.deepEqual(await committedOffsets(bootstrap, group, topic.name), [100n, undefined]);
    }),
    step("a coordinator that says it is none, or is loading, is asked again", async () => {
      await using topic = await createTopic(bootstrap);
      await produce(bootstrap, topic.name, numbered(50));
      const group = newGroup();
      const codes = [16, 15, 14];
      const rules = (["JoinGroup", "OffsetFetch", "OffsetCommit", "Heartbeat"] as const).flatMap((api) =>
        codes.map((code) =>
          proxy.rule({ api, times: 1, when: isOf(topic.name), action: { do: "error", code, forward: true } })
        )
      );
      await using consumer = startConsumer(bootstrap, [
        ...["--topic", topic.name, "--group", group, "--client-id", topic.name],
      ]);
      await untilCommitted(bootstrap, { group, topic: topic.name }, [50]);
      await rules.at(-1)!.hit();
      await produce(bootstrap, topic.name, numbered(50, { from: 50 }));
      await untilCommitted(bootstrap, { group, topic: topic.name }, [100]);
      assertNothingSkipped(consumer, [100]);
      for (const rule of rules) rule[Symbol.dispose]();
    }),
    step("records that were deleted before they were read: it says how many, and goes on", async () => {
      await using topic = await createTopic(bootstrap);
      await produce(bootstrap, topic.name, numbered(30));
      const group = newGroup();
      await setPosition(bootstrap, { group, topic: topic.name, offset: 5 });
      await deleteRecordsBefore(bootstrap, { topic: topic.name, offset: 20 });
      await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
      await untilCommitted(bootstrap, { group, topic: topic.name }, [30]);
      assert.deepEqual(consumer.handled.map(({ offset }) => offset), [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
    }),
    ...([
      ["FindCoordinator", 30, /ask for the right to read with this group/],
      ["JoinGroup", 24, /choose another group name/],
      ["JoinGroup", 26, /choose a session timeout/],
      ["OffsetCommit", 30, /ask for the right to read with this group/],
      ["Fetch", 29, /ask for the right to read the topic/],
    ] as const).map(([api, code, remedy]) =>
      step(`error ${code} of ${api} ends it with the remedy: no patience would help`, async () => {
        await using topic = await createTopic(bootstrap);
        await produce(bootstrap, topic.name, numbered(1));
        using _rule = proxy.rule({ api, when: isOf(topic.name), action: { do: "error", code, forward: true } });
        await using consumer = startConsumer(bootstrap, [
          ...["--topic", topic.name, "--group", newGroup(), "--client-id", topic.name],
        ]);
        await assert.rejects(consumer.done, remedy);
      })
    ),
    ...([["group", "OffsetFetch"], ["none", "ListOffsets"]] as const).map(([kind, api]) =>
      step(`a client that fails while it begins (${api}) is replaced, again and again`, async () => {
        await using topic = await createTopic(bootstrap);
        await produce(bootstrap, topic.name, numbered(20));
        using rule = proxy.rule({
          ...{ api, times: 3, when: isOf(topic.name) },
          action: { do: "error", code: -1, forward: true },
        });
        const group = kind === "none" ? kind : newGroup();
        await using consumer = startConsumer(bootstrap, [
          ...["--topic", topic.name, "--group", group, "--client-id", topic.name],
        ]);
        await waitFor(() => consumer.handled.length === 20, { what: "all to be handled" });
        assert.equal(rule.hits, 3);
        assert.equal(
          consumer.logLines.filter((line) => /^WARN .*starting over with a new client/.test(line)).length,
          3,
        );
      })
    ),
    step("fetches that nobody answers: a new client tries, and goes on where the last one was", async () => {
      await using topic = await createTopic(bootstrap);
      await produce(bootstrap, topic.name, numbered(20));
      await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", "none"]);
      await waitFor(() => consumer.handled.length === 20, { what: "the first records" });
      const silence = proxy.rule({ api: "Fetch", topic: topic.name, action: { do: "drop", at: "response" } });
      await produce(bootstrap, topic.name, numbered(20, { from: 20 }));
      await waitFor(
        () => consumer.logLines.some((line) => /new client cause=.*no broker answered a fetch/.test(line)),
        {
          what: "the watchdog to bark",
          timeout: 60_000,
        },
      );
      silence[Symbol.dispose]();
      await waitFor(() => consumer.handled.length >= 40, { what: "the other records" });
      assertNothingSkipped(consumer, [40]);
      assert.equal(consumer.handled.length, 40, "nothing is handled twice");
    }),
  ]);

  await t.step("a black hole: it says what it lost, and begins nothing anew that is still under way", async () => {
    await using topic = await createTopic(bootstrap, { partitions: 2 });
    const group = newGroup();
    const flags = ["--topic", topic.name, "--group", group, "--session-timeout-ms", "6000"];
    const late = Promise.withResolvers<void>();
    const calls: number[] = [];
    await using consumer = startConsumer(bootstrap, flags, {
      default: async ({ partition, offset }) => {
        if (partition === 1) return;
        calls.push(offset);
        if (calls.length === 11) await late.promise; // whatever its signal says
      },
    });
    await produce(bootstrap, topic.name, numbered(40, { partitions: 2 }));
    await untilCommitted(bootstrap, { group, topic: topic.name }, [10, 20]);
    proxy.blackhole();
    await waitFor(() => consumer.logLines.some((line) => /lost all partitions/.test(line)), {
      what: "the consumer to give up its partitions",
      timeout: 40_000,
    });
    proxy.heal();
    await produce(bootstrap, topic.name, [{ value: "of the other partition", partition: 1 }]);
    await untilCommitted(bootstrap, { group, topic: topic.name }, [10, 21]);
    assert.equal(calls.length, 11, "the partition waits for the call that has not ended");
    late.resolve();
    await untilCommitted(bootstrap, { group, topic: topic.name }, [20, 21]);
    assertNothingSkipped(consumer, [20, 21]);
    assert.deepEqual(calls.slice(10, 12), [10, 10], "what could not be committed is handled again");
  });

  await t.step("connections that live for a second", async () => {
    await using topic = await createTopic(bootstrap, { partitions: 3 });
    const group = newGroup();
    const flags = ["--topic", topic.name, "--group", group, "--fetch-bytes", "20000"];
    await using consumer = startConsumer(bootstrap, flags);
    proxy.connectionLife({ min: 500, max: 1_500 });
    try {
      for (let i = 0; i < 10; i++) {
        await produce(direct, topic.name, numbered(3_000, { partitions: 3, from: i * 3_000 }));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    } finally {
      proxy.heal();
    }
    await untilCommitted(bootstrap, { group, topic: topic.name }, [10_000, 10_000, 10_000]);
    assertNothingSkipped(consumer, [10_000, 10_000, 10_000]);
  });

  await t.step("a broker that restarts", async () => {
    await using topic = await createTopic(bootstrap, { partitions: 3 });
    await produce(bootstrap, topic.name, numbered(300, { partitions: 3 }));
    const group = newGroup();
    await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
    await untilCommitted(bootstrap, { group, topic: topic.name }, [100, 100, 100]);
    await node.kill();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await node.start();
    await produce(bootstrap, topic.name, numbered(300, { partitions: 3, from: 300 }));
    await untilCommitted(bootstrap, { group, topic: topic.name }, [200, 200, 200]);
    assertNothingSkipped(consumer, [200, 200, 200]);
    assert.equal(consumer.handled.length, 600);
  });
});

/** Whether a client of this name asks. */
function isOf(name: string): (request: { clientId: string | null }) => boolean {
  return ({ clientId }) => clientId === name;
}

/** Flips one bit in the last byte: of a record, if there are any. */
function damaged(body: Buffer): Uint8Array {
  const copy = Buffer.from(body);
  copy[copy.length - 10] ^= 1;
  return copy;
}

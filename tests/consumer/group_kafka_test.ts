/** Groups: members that come, go, freeze and come back, and partitions that are added. */
import assert from "node:assert/strict";
import { committedOffsets } from "../support/reader.ts";
import { createTopic, growTopic, sharedKafka } from "../support/kafka.ts";
import type { HandlerModule } from "../../handlers/types.ts";
import { seededRandom, waitFor } from "../support/wait.ts";
import {
  beside,
  newGroup,
  numbered,
  produce,
  type RunningConsumer,
  startConsumer,
  startConsumerScript,
  startProducer,
  untilCommitted,
} from "./consumer_test_util.ts";

const { bootstrap } = await sharedKafka();

/** How long members come and go, in ms. */
const CHURN_MS = 60_000;
const PARTITIONS = 6;

Deno.test("members come, go and come back", async (t) => {
  const step = beside(t);
  await Promise.all([
    step("members come and go under load: nothing is skipped, no commit runs ahead, the order holds", async () => {
      const seed = Date.now() % 1_000_000;
      console.log(`  seed ${seed}`);
      const random = seededRandom(seed);
      await using topic = await createTopic(bootstrap, { partitions: PARTITIONS });
      const [group, handled] = [newGroup(), Array.from({ length: PARTITIONS }, () => new Set<number>())];
      const repeated = { count: 0, disorder: 0 };
      const join = () => {
        // What one member handles of a partition, in one generation, must not go back.
        return startConsumer(bootstrap, ["--topic", topic.name, "--group", group], {
          default: async ({ partition, offset }) => {
            if (random.next() < 0.02) await new Promise((resolve) => setTimeout(resolve, random.integer(1, 100)));
            if (handled[partition].has(offset)) repeated.count++;
            // Whoever begins in a partition begins behind what is committed, so that all before it was handled.
            if (offset > 0 && !handled[partition].has(offset - 1)) repeated.disorder++;
            handled[partition].add(offset);
          },
        });
      };
      const members: RunningConsumer[] = [join()];
      await using producer = await startProducer(bootstrap);
      let sent = 0;
      const until = Date.now() + CHURN_MS;
      const produceOn = async () => {
        for (; Date.now() < until; sent += 120) {
          await producer.send(topic.name, numbered(120, { partitions: PARTITIONS, from: sent }));
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const observed = { commits: 0, last: Array<number>(PARTITIONS).fill(0) };
      const observe = async () => {
        while (Date.now() < until) {
          const committed = await committedOffsets(bootstrap, group, topic.name);
          committed.forEach((offset = 0n, partition) => {
            for (let before = observed.last[partition]; before < offset; before++) {
              assert.ok(
                handled[partition].has(before),
                `${partition}: ${offset} is committed, ${before} was not handled`,
              );
            }
            assert.ok(
              offset >= observed.last[partition],
              `${partition}: committed ${observed.last[partition]}, then ${offset}`,
            );
            if (offset > observed.last[partition]) observed.commits++;
            observed.last[partition] = Number(offset);
          });
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const churn = async () => {
        for (; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, random.integer(300, 3_000)))) {
          const leaves = members.length > 1 && (members.length >= 3 || random.next() < 0.5);
          if (!leaves) members.push(join());
          else assert.equal(await members.splice(random.integer(0, members.length - 1), 1)[0].stop(), true);
        }
      };
      await Promise.all([produceOn(), observe(), churn()]);
      const ends = Array<number>(PARTITIONS).fill(sent / PARTITIONS);
      await untilCommitted(bootstrap, { group, topic: topic.name }, ends);
      for (const member of members) await member.stop();
      assert.deepEqual(handled.map((offsets) => offsets.size), ends, "each record was handled");
      assert.equal(repeated.disorder, 0, "none was handled before its predecessor");
      assert.ok(observed.commits > 50, `${observed.commits} commits were observed`);
      console.log(`  ${sent} records, ${observed.commits} commits seen, ${repeated.count} handled again`);
      assert.equal(repeated.count, 0, "members that leave in order leave nothing behind");
    }),
    step("a rebalance lets handlers finish, and what they did is committed", async () => {
      await using topic = await createTopic(bootstrap, { partitions: 2 });
      await produce(bootstrap, topic.name, numbered(2, { partitions: 2 }));
      const group = newGroup();
      const busy = Promise.withResolvers<void>();
      const flags = ["--topic", topic.name, "--group", group, "--session-timeout-ms", "6000"];
      await using first = startConsumer(bootstrap, flags, { default: () => busy.promise });
      await waitFor(() => first.logLines.some((line) => line.includes("assigned")), { what: "the first to be alone" });
      await using second = startConsumer(bootstrap, flags);
      await waitFor(() => second.logLines.some((line) => line.includes("waiting")), { what: "the second to join" });
      await new Promise((resolve) => setTimeout(resolve, 10_000)); // longer than a session
      assert.ok(!second.logLines.some((line) => line.includes("assigned")), "the group waits for the handlers");
      busy.resolve();
      await waitFor(() => second.logLines.some((line) => /assigned .*\[1\]|assigned .*\[0\]/.test(line)), {
        what: "each to have one partition",
      });
      await untilCommitted(bootstrap, { group, topic: topic.name }, [1, 1]);
      assert.deepEqual(second.handled, [], "nothing is handled twice");
    }),
    step(
      "a handler that is not done when the group must go on is told so, and its record is handled again",
      async () => {
        await using topic = await createTopic(bootstrap);
        await produce(bootstrap, topic.name, numbered(1));
        const group = newGroup();
        let calls = 0;
        let told = false;
        const flags = ["--topic", topic.name, "--group", group, "--rebalance-timeout-ms", "10000"];
        const module: HandlerModule = {
          default: async (_record, { signal }) => {
            if (++calls > 1) return;
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            told = true;
            throw signal.reason;
          },
        };
        await using first = startConsumer(bootstrap, flags, module);
        await waitFor(() => calls === 1, { what: "the handler to be at work" });
        await using _second = startConsumer(bootstrap, flags, module);
        await untilCommitted(bootstrap, { group, topic: topic.name }, [1]);
        assert.deepEqual([told, calls], [true, 2]);
        assert.ok(first.logLines.some((line) => line.includes("gave all partitions back")));
      },
    ),
    step("a process that was frozen for longer than its session goes on, and nothing is skipped", async () => {
      await using topic = await createTopic(bootstrap, { partitions: 2 });
      const group = newGroup();
      const where = ["--topic", topic.name, "--group", group];
      await using frozen = startConsumerScript(bootstrap, [...where, "--session-timeout-ms", "6000"]);
      await frozen.line(/assigned/);
      await produce(bootstrap, topic.name, numbered(10, { partitions: 2 }));
      await untilCommitted(bootstrap, { group, topic: topic.name }, [5, 5]);
      frozen.signal("SIGSTOP");
      await using other = startConsumer(bootstrap, where);
      await waitFor(() => other.logLines.some((line) => line.includes("assigned")), {
        what: "the other one to get the partitions",
        timeout: 20_000,
      });
      await produce(bootstrap, topic.name, numbered(10, { partitions: 2, from: 10 }));
      await untilCommitted(bootstrap, { group, topic: topic.name }, [10, 10]);
      frozen.signal("SIGCONT");
      await frozen.line(/lost all partitions/);
      await waitFor(() => frozen.stderrLines.filter((line) => line.includes("assigned")).length === 2, {
        what: "it to be a member again",
        timeout: 30_000,
      });
      await produce(bootstrap, topic.name, numbered(10, { partitions: 2, from: 20 }));
      await untilCommitted(bootstrap, { group, topic: topic.name }, [15, 15]);
      const values = [...frozen.stdoutLines, ...other.handled.map(({ value }) => value)];
      for (let i = 0; i < 30; i++) {
        assert.equal(values.filter((value) => value === `value ${i}`).length, 1, `value ${i}`);
      }
    }),
    step("partitions that are added are read, from their beginning", async () => {
      await using topic = await createTopic(bootstrap);
      const group = newGroup();
      await using consumer = startConsumer(bootstrap, ["--topic", topic.name, "--group", group]);
      await using looker = startConsumer(bootstrap, ["--topic", topic.name, "--group", "none"]);
      await produce(bootstrap, topic.name, numbered(1));
      await untilCommitted(bootstrap, { group, topic: topic.name }, [1]);
      await growTopic(bootstrap, topic.name, 3);
      await produce(bootstrap, topic.name, numbered(30, { partitions: 3, from: 3 }));
      await untilCommitted(bootstrap, { group, topic: topic.name }, [11, 10, 10]);
      await waitFor(() => looker.handled.length === 31, { what: "the one without a group to read them too" });
      assert.equal(consumer.handled.length, 31);
    }),
    step("a static member that restarts gets its partitions back without a rebalance", async () => {
      await using topic = await createTopic(bootstrap, { partitions: 4 });
      const group = newGroup();
      const flags = (id: string) => ["--topic", topic.name, "--group", group, "--group-instance-id", id];
      const assignments = (consumer: RunningConsumer) => consumer.logLines.filter((line) => line.includes("assigned "));
      await using stays = startConsumer(bootstrap, flags("a"));
      const goes = startConsumer(bootstrap, flags("b"));
      await waitFor(() => [stays, goes].every((it) => /\[\d, \d\]$/.test(assignments(it).at(-1) ?? "")), {
        what: "both to have two partitions",
        timeout: 20_000,
      });
      const before = assignments(goes).at(-1);
      const count = assignments(stays).length;
      await goes.stop();
      await using comesBack = startConsumer(bootstrap, flags("b"));
      await waitFor(() => assignments(comesBack).length > 0, { what: "it to be back" });
      assert.equal(assignments(comesBack)[0], before);
      await new Promise((resolve) => setTimeout(resolve, 4_000)); // the other one would hear of a rebalance
      assert.equal(assignments(stays).length, count);
    }),
    step("two with the same instance id: the older one ends, and says why", async () => {
      await using topic = await createTopic(bootstrap);
      const flags = ["--topic", topic.name, "--group", newGroup(), "--group-instance-id", "same"];
      await using older = startConsumer(bootstrap, flags);
      await waitFor(() => older.logLines.some((line) => line.includes("assigned")), {
        what: "the first to be a member",
      });
      await using _newer = startConsumer(bootstrap, flags);
      await assert.rejects(older.done, /another member uses the same KAFKA_GROUP_INSTANCE_ID/);
    }),
  ]);
});

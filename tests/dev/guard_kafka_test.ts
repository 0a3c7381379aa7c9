import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CACHE_DIR } from "../../dev/jars.ts";
import { probeKafka } from "../../dev/kafka_probe.ts";
import { startScript, waitFor } from "../support/wait.ts";

const HOLDER = join(import.meta.dirname!, "hold_kafka.ts");
/** The guard gives brokers 10 s to stop in order, then kills them. */
const GONE_TIMEOUT = 20_000;

/** A program that runs a Kafka, in a process group of its own. */
function startHolder(nodes: number) {
  const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write", "--allow-run=sh"];
  return startScript(["run", "--no-config", "--no-lock", ...permissions, HOLDER, String(nodes)]);
}

/** What of a program's Kafka is left: its temporary folders, and processes that work in them. */
async function leftOf(holder: { pid: number }): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(CACHE_DIR));
  const folders = entries.map(({ name }) => name).filter((name) => name.startsWith(`run-${holder.pid}-`));
  const script = 'for pid; do kill -0 "$pid" 2>/dev/null && echo "process $pid"; done';
  return [...folders, ...await shell(script, ...brokersOf.get(holder)?.map(({ pid }) => String(pid)) ?? [])];
}

/** The guard and Kafka: both have their folder in their command line. */
function processesIn(holder: { pid: number }): Promise<string[]> {
  return shell('ps -A -ww -o pid=,args= | grep "[r]un-$1-"', String(holder.pid));
}

async function shell(script: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script, "sh", ...args] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

const brokersOf = new WeakMap<object, { pid: number; port: number }[]>();

async function brokers(holder: ReturnType<typeof startHolder>) {
  const [line] = await holder.line(/^\[.*\]$/, { timeout: 120_000 });
  const started = JSON.parse(line) as { pid: number; port: number }[];
  brokersOf.set(holder, started);
  return started;
}

async function goneWithAllItsTraces(holder: ReturnType<typeof startHolder>): Promise<void> {
  await waitFor(async () => (await leftOf(holder)).length === 0, {
    what: "the Kafka of a killed program to be gone",
    timeout: GONE_TIMEOUT,
  });
}

for (const nodes of [1, 3]) {
  Deno.test(`SIGKILL of the program that runs ${nodes} nodes leaves no process, port or folder behind`, async () => {
    await using holder = startHolder(nodes);
    const started = await brokers(holder);
    assert.equal(started.length, nodes);
    // What is looked for afterwards is there now.
    assert.equal((await leftOf(holder)).length, 1 + nodes);
    assert.equal((await processesIn(holder)).length, 1 + nodes);
    holder.signal("SIGKILL");
    await holder.exit;
    await goneWithAllItsTraces(holder);
    for (const { port } of started) assert.equal((await probeKafka(`127.0.0.1:${port}`)).kind, "nothing");
  });
}

Deno.test("SIGKILL of the program leaves nothing behind either when a broker is frozen", async () => {
  await using holder = startHolder(1);
  const [{ pid }] = await brokers(holder);
  await shell('kill -STOP "$1"', String(pid));
  holder.signal("SIGKILL");
  await holder.exit;
  await goneWithAllItsTraces(holder);
});

Deno.test("SIGKILL in the middle of a start leaves nothing behind, whenever that is", async () => {
  for (const ms of [50, 300, 800, 1500]) {
    await using holder = startHolder(1);
    await holder.line(/^starting$/);
    await sleep(ms); // not a wait: the moment is what varies
    holder.signal("SIGKILL");
    await holder.exit;
    await goneWithAllItsTraces(holder);
    await waitFor(async () => (await processesIn(holder)).length === 0, { what: "its processes to be gone" });
    assert.deepEqual(await leftOf(holder), []); // nor has one of them made the folder anew
  }
});

Deno.test("a Ctrl-C in the terminal, so SIGINT to the whole process group, does not reach the broker", async () => {
  await using holder = startHolder(1);
  const [{ pid, port }] = await brokers(holder);
  const groups = await shell('ps -o pgid= -p "$1"; ps -o pgid= -p "$2"', String(holder.pid), String(pid));
  assert.notEqual(groups[0], groups[1]);
  assert.equal((await probeKafka(`127.0.0.1:${port}`)).kind, "kafka");
});

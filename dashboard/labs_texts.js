/** What the labs say, in both languages. `steps` stand in the order of their tables in labs_tours.js. */
import { language } from "./texts.js";

export const TEXTS = {
  en: {
    title: "Labs: try it out",
    intro:
      "Five questions, each answered by doing it: real processes, the real Kafka. A lab has a topic of its own, and leaves nothing behind when it ends or you close the page.",
    begin: "Begin",
    end: "End the lab",
    beginning: "Starting processes…",
    busy: "At work…",
    unreachable: "The labs do not answer. If `deno task start` was started again, reload this page.",
    lane: "Lane",
    owner: "Owner",
    key: "Key",
    value: "Value",
    offset: "Offset",
    by: "Printed by",
    nobody: "nobody",
    idle: "{name} has nothing to do: there are more consumers than partitions.",
    committed: "Committed",
    end_: "End of the log",
    obstacles: {
      "three-brokers":
        "This lab needs three brokers. Press Ctrl-C in the terminal, then run `deno task start --brokers 3`.",
      "own-kafka":
        "This lab pauses Kafka, and only one that `deno task start` has started itself: this one is somebody else's.",
    },
    broker: {
      question: "What is a broker?",
      intro:
        "A Kafka server. Each partition has one leader, which takes all writes, and copies on other brokers. A record is sent here five times a second.",
      steps: [
        "See who leads which lane, then stop a leader. Another broker that has a copy takes over.",
        "Records keep coming in: the server asked Kafka for the new leader, and sent again what was not answered. Now start the broker again. It catches up and is in sync; the leaders stay where they are for a while.",
      ],
      stop: "Stop broker {broker}",
      start: "Start it again",
      broker: "Broker",
      runs: "runs",
      stopped: "stopped",
      leads: "Leads lanes",
      inSync: "In-sync copies of lanes",
      flow: "{acknowledged} records acknowledged, {failed} failed. Slowest answer since the last step: {slowest}.",
    },
    partition: {
      question: "What is a partition?",
      intro:
        "A topic is several logs, its partitions: the lanes above. Within one lane order holds. In a consumer group each lane has exactly one owner.",
      steps: [
        "Send records. The key decides the lane: apple always takes the same one, however often you send it.",
        "Start a second and a third consumer. The group shares the lanes out anew; each record is printed by one of them only. A fourth finds no lane left.",
        "Stop consumers. Their lanes go to those that stay, who go on where the group had committed.",
      ],
      send: "Send {key}",
      addConsumer: "Start a consumer",
      removeConsumer: "Stop the last consumer",
    },
    flush: {
      question: "What does flush do?",
      intro:
        "A producer keeps records in a buffer until Kafka has acknowledged them; flush waits until the buffer is empty. This server's buffer is small, {limit}, and a record comes in ten times a second.",
      steps: [
        "Pause Kafka. The buffer fills and nobody gets an answer. Once it is full, new records are refused at once with 503: those are certainly not written.",
        "Let it go on. The buffer drains, and all who waited get their 200. (After a minute it goes on by itself.)",
        "Pause it again, and stop the server while records wait. It tries to flush for two seconds, then says how many might be lost, and ends with exit code 1.",
      ],
      pause: "Pause Kafka",
      resume: "Let it go on",
      stop: "Stop the server",
      paused: "Kafka is paused",
      goes: "Kafka answers",
      buffer: "Buffer: {bytes} of {limit}",
      counts:
        "{waiting} wait for an answer, {acknowledged} acknowledged, {refused} refused, {unknown} unknown. Slowest answer: {slowest}.",
      refusal: "The last refusal: {refusal}",
      ended: "The server ended with exit code {code}; {waiting} requests were waiting.",
    },
    poll: {
      question: "What does poll do?",
      intro:
        "In most clients, poll fetches records, and calling it also proves that the consumer is alive. Ours fetches ahead while your handler works, and sends heartbeats by time. The handler here takes a second for each record.",
      steps: [
        "Send ten records and watch three numbers: where the log ends, which record is at work, and what is committed. Only what was handled is committed.",
        "Send a record that takes {long} seconds; the session timeout is {session}. Nothing happens: heartbeats go out every 3 seconds while the handler waits. With Java's client, a handler slower than max.poll.interval.ms loses its partitions. We have no such limit; only a rebalance waits no longer than KAFKA_REBALANCE_TIMEOUT_MS for it.",
        "Send one that computes for {long} seconds without a pause. Nothing else runs in the process then, heartbeats included: the group takes its lane away, and the record is handled again (without computing, so that this ends). Long computations belong in a worker.",
      ],
      send: "Send ten records",
      hold: "Send one that waits",
      block: "Send one that computes",
      position: "Next to be handled",
      member: "Member of the group",
      yes: "yes",
      no: "no: it missed its heartbeats",
      atWork: "At work on {value}, for {seconds} s.",
      rests: "The handler has nothing to do.",
      lost: "Times that the group went on without it: {lost}",
    },
    delivery: {
      question: "What does delivered mean?",
      intro:
        "Nothing that was acknowledged is skipped, but it may come twice: at least once. The handler here takes its time, and a batch of records counts as handled when all of it is.",
      steps: [
        "Send eight orders, and kill the consumer before it is through. It had committed nothing of the batch.",
        "Start it again. The group waits up to {session} seconds for the dead member; then all that was not committed comes again, also what was handled. So handlers must bear repetition.",
        "Send a poison record. The handler fails {attempts} times, then the record is put aside in the dead-letter topic, and the lane goes on.",
        "Mend the handler, then send the dead letter back, as `deno task dlt` does.",
        "Send a record while the network loses Kafka's answer, so that the producer must send again. With idempotence Kafka recognizes the second copy; without, it is written twice.",
      ],
      order: "Send eight orders",
      kill: "Kill the consumer",
      restart: "Start it again",
      poison: "Send poison",
      mend: "Mend the handler",
      sendBack: "Send it back",
      loseAnswer: "Lose an answer, idempotence {mode}",
      on: "on",
      off: "off",
      consumer: "Consumer: {state}",
      progress: "Committed: {committed}. End of the log: {end}.",
      stopped: "stopped",
      joining: "waits until the group lets it in",
      runs: "runs",
      killed: "killed",
      handled: "Handled",
      failed: "Failed",
      deadLetter: "Dead letter: {place}",
      sent: "Sent back: {line}",
      lost: "Idempotence {mode}, one answer lost: {value} is there {copies} times, at offsets {offsets}.",
      lostOnce: "Idempotence {mode}, one answer lost: {value} is there once, at offset {offsets}.",
    },
  },
  zh: {
    title: "动手试试",
    intro:
      "五个问题，每个都靠实际操作来回答：进程是真的，Kafka 也是真的。每个实验用自己的 topic，结束实验或关掉页面后不留任何东西。",
    begin: "开始",
    end: "结束实验",
    beginning: "正在启动进程……",
    busy: "正在执行……",
    unreachable: "实验没有应答。如果重新运行过 `deno task start`，请刷新页面。",
    lane: "泳道",
    owner: "归谁",
    key: "Key",
    value: "Value",
    offset: "偏移量",
    by: "由谁打印",
    nobody: "没人",
    idle: "{name} 没活干：消费者比分区多。",
    committed: "已提交",
    end_: "日志末尾",
    obstacles: {
      "three-brokers": "这个实验需要三个 broker。在终端按 Ctrl-C，再运行 `deno task start --brokers 3`。",
      "own-kafka": "这个实验要暂停 Kafka，而且只暂停 `deno task start` 自己启动的那个。现在这个 Kafka 是别处启动的。",
    },
    broker: {
      question: "broker 是什么？",
      intro: "就是一台 Kafka 服务器。每个分区有一个 leader，写入都经过它，其他 broker 上有副本。这里每秒写入五条消息。",
      steps: [
        "先看每条泳道的 leader 是谁，再停掉一个 leader。另一个有副本的 broker 会接手。",
        "消息没有断：服务端向 Kafka 问到了新的 leader，没等到应答的又发了一遍。现在把 broker 重新启动，它会追上进度，回到同步副本里；leader 暂时不会换回去。",
      ],
      stop: "停掉 broker {broker}",
      start: "重新启动",
      broker: "Broker",
      runs: "运行中",
      stopped: "已停止",
      leads: "任 leader 的泳道",
      inSync: "副本已同步的泳道",
      flow: "{acknowledged} 条已确认，{failed} 条失败。上一步以来最慢的应答：{slowest}。",
    },
    partition: {
      question: "分区是什么？",
      intro:
        "一个 topic 由几份日志组成，每份就是一个分区，也就是上面的一条泳道。同一条泳道里顺序不变。在一个消费者组里，每条泳道只归一个消费者。",
      steps: [
        "发几条消息。走哪条泳道由 key 决定：apple 发多少次都走同一条。",
        "启动第二个、第三个消费者。消费者组会重新分配泳道，每条消息只由其中一个打印。第四个就分不到泳道了。",
        "停掉消费者。它的泳道交给剩下的消费者，从消费者组提交的位置接着读。",
      ],
      send: "发 {key}",
      addConsumer: "启动一个消费者",
      removeConsumer: "停掉最后一个消费者",
    },
    flush: {
      question: "flush 做什么？",
      intro:
        "生产者把消息放在缓冲区里，等 Kafka 确认后才移走；flush 就是等缓冲区清空。这个服务端的缓冲区很小，只有 {limit}，每秒进来十条消息。",
      steps: [
        "暂停 Kafka。缓冲区越积越多，谁也等不到应答。满了之后，新消息马上收到 503：这些肯定没有写入。",
        "恢复 Kafka。缓冲区排空，等着的请求都拿到 200。（一分钟后会自动恢复。）",
        "再暂停一次，趁还有消息在等，停掉服务端。它花两秒尝试 flush，然后报告有多少条可能丢失，退出码是 1。",
      ],
      pause: "暂停 Kafka",
      resume: "恢复 Kafka",
      stop: "停掉服务端",
      paused: "Kafka 已暂停",
      goes: "Kafka 正常应答",
      buffer: "缓冲区：{bytes}，上限 {limit}",
      counts:
        "{waiting} 条在等应答，{acknowledged} 条已确认，{refused} 条被拒绝，{unknown} 条不确定。最慢的应答：{slowest}。",
      refusal: "最近一次拒绝：{refusal}",
      ended: "服务端已退出，退出码 {code}，当时有 {waiting} 个请求在等。",
    },
    poll: {
      question: "poll 做什么？",
      intro:
        "在多数客户端里，poll 用来取消息，同时也证明消费者还活着。我们的消费者在你的处理函数干活时就提前取好下一批，心跳按时间发。这里每条消息要处理一秒。",
      steps: [
        "发十条消息，看三个数字：日志末尾在哪里，正在处理哪条，提交到了哪里。处理完的才会提交。",
        "发一条要处理 {long} 秒的消息，而会话超时只有 {session} 秒。什么事都没有：处理函数在等待时，心跳照样每 3 秒发一次。换成 Java 客户端，处理时间超过 max.poll.interval.ms 就会丢掉分区。我们没有这个限制，只是再均衡时最多等它 KAFKA_REBALANCE_TIMEOUT_MS。",
        "发一条连续计算 {long} 秒的消息。这期间进程里别的代码都跑不了，心跳也发不出去：消费者组收回它的泳道，这条消息会再处理一遍（第二遍不计算，不然没完没了）。长时间的计算应该放到 worker 里。",
      ],
      send: "发十条消息",
      hold: "发一条要等待的",
      block: "发一条要计算的",
      position: "下一条要处理的",
      member: "在消费者组里",
      yes: "在",
      no: "不在：心跳断了",
      atWork: "正在处理 {value}，已经 {seconds} 秒。",
      rests: "处理函数空闲。",
      lost: "被消费者组移除的次数：{lost}",
    },
    delivery: {
      question: "“送达”是什么意思？",
      intro:
        "确认过的消息一条都不会漏，但可能来两次，这就是“至少一次”。这里的处理函数比较慢，一批消息全部处理完才算数。",
      steps: [
        "发八个订单，趁没处理完杀掉消费者。这一批它一条都没提交。",
        "重新启动。消费者组最多等那个死掉的成员 {session} 秒，然后没提交的都会再来一遍，包括已经处理过的。所以处理函数要经得起重复。",
        "发一条毒消息。处理函数失败 {attempts} 次之后，这条消息被放进死信主题，泳道继续往前走。",
        "修好处理函数，再把死信送回去，和 `deno task dlt` 做的一样。",
        "发一条消息，让网络丢掉 Kafka 的应答，生产者只好再发一遍。开着幂等，Kafka 认得出是同一条；关掉就会写两遍。",
      ],
      order: "发八个订单",
      kill: "杀掉消费者",
      restart: "重新启动",
      poison: "发毒消息",
      mend: "修好处理函数",
      sendBack: "送回去",
      loseAnswer: "丢一次应答，幂等{mode}",
      on: "开",
      off: "关",
      consumer: "消费者：{state}",
      progress: "已提交：{committed}。日志末尾：{end}。",
      stopped: "已停止",
      joining: "等消费者组放它进来",
      runs: "运行中",
      killed: "被杀掉了",
      handled: "处理次数",
      failed: "失败次数",
      deadLetter: "死信：{place}",
      sent: "已送回：{line}",
      lost: "幂等{mode}，丢了一次应答：{value} 有 {copies} 条，偏移量 {offsets}。",
      lostOnce: "幂等{mode}，丢了一次应答：{value} 只有一条，偏移量 {offsets}。",
    },
  },
};

/** All texts in the language of the page. */
export function texts() {
  return TEXTS[language() === "en" ? "en" : "zh"];
}

/** A text with its values; `{name}` stands for the value of that name. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

/**
 * Our view of kafkajs's `Cluster`: brokers, leaders, and one request to one broker.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import metadataResponse from "kafkajs/src/protocol/requests/metadata/v6/response.js";
import metadataRequest from "kafkajs/src/protocol/requests/metadata/v6/request.js";
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import { requests } from "kafkajs/src/protocol/requests/index.js";
import { createErrorFromCode } from "kafkajs/src/protocol/error.js";
import type { KafkaClient } from "./client.ts";
import { clusterFactory } from "./patches.ts";
import { Reachability } from "./reachability.ts";
import { sleep } from "./wait.ts";

// deno-lint-ignore no-explicit-any -- kafkajs's internals have no types
type Untyped = any;

/** Where a broker is. */
interface Address {
  host: string;
  port: number;
}

/** What the cluster says about a topic. `code` 3 is: there is none. */
export interface TopicMetadata {
  topic: string;
  code: number;
  /** Leader of partition i; -1 while it has none. */
  leaders: number[];
}

/** One request of ours, on a connection of kafkajs's. */
export interface BrokerRequest<T> {
  apiKey: number;
  apiVersion: number;
  apiName: string;
  body: Buffer;
  /** `false`: the broker does not answer (Produce with acks 0), and the result is undefined. */
  expectResponse?: boolean;
  decode: (body: Buffer) => T;
  /** How long the answer may take, in ms, where that is longer than for other requests. */
  timeoutMs?: number;
  /**
   * Called just before the bytes go to the socket: until then, the broker cannot have seen them. What it throws is
   * what `send` rejects with, and nothing goes out.
   */
  onSend?: () => void;
}

/** Kafka's name and sentence for an error code. */
export function describeCode(code: number): { name: string; message: string } {
  const error = createErrorFromCode(code) as Untyped;
  return { name: error.type, message: error.message };
}

/** A connection to a Kafka cluster. Methods reject with kafkajs's errors; nothing is tried again here. */
export class Cluster {
  readonly reachability: Reachability;
  readonly #client: KafkaClient;
  readonly #cluster: Untyped;
  #lastRefresh: Promise<unknown> = Promise.resolve();

  /** @param reachability Of another cluster object, where they are the same brokers */
  constructor(client: KafkaClient, reachability = new Reachability()) {
    this.#client = client;
    this.reachability = reachability;
    this.#cluster = clusterFactory(client.kafka)({ allowAutoTopicCreation: false, metadataMaxAge: 300_000 });
    adaptBrokers(this.#cluster.brokerPool, client, reachability);
  }

  /** Connects to one of the bootstrap brokers. Rejects when none answers. */
  async connect(): Promise<void> {
    await this.#cluster.connect();
  }

  /** Asks for brokers and for the leaders of topics. Nothing is created. */
  async fetchMetadata(topics: readonly string[]): Promise<TopicMetadata[]> {
    const pool = this.#cluster.brokerPool;
    // One at a time: kafkajs builds its list of brokers over several steps, and two at once would make some twice.
    const refresh = this.#lastRefresh.then(async () => {
      // kafkajs asks for all topics where we name none: on a big cluster that is megabytes for nothing.
      await pool.refreshMetadata(topics.length > 0 ? topics : [NO_TOPIC]);
      return pool.metadata.topicMetadata.filter((t: Untyped) => topics.includes(t.topic));
    });
    this.#lastRefresh = refresh.catch(() => {});
    const asked: Untyped[] = await refresh;
    return asked.map((t) => ({ topic: t.topic, code: t.topicErrorCode, leaders: leadersOf(t) }));
  }

  /** Any broker that answers, for requests that all of them can serve. */
  async anyNode(): Promise<number> {
    if (this.nodes().length === 0) await this.fetchMetadata([]);
    const broker = await this.#cluster.brokerPool.findConnectedBroker();
    return Number(broker.nodeId);
  }

  /** Ids of the brokers that are known. */
  nodes(): number[] {
    return Object.keys(this.#cluster.brokerPool.brokers).map(Number);
  }

  /** The addresses that the brokers tell clients to use, as they were last heard of. */
  addresses(): { nodeId: number; host: string; port: number }[] {
    return (this.#cluster.brokerPool.metadata?.brokers ?? []).map(({ nodeId, host, port }: Untyped) => {
      return { nodeId, host, port };
    });
  }

  /** Connects if needed, sends, and decodes the answer. Rejects when the broker is unknown, unreachable or silent. */
  async send<T>(nodeId: number, request: BrokerRequest<T>): Promise<T | undefined> {
    const broker = await this.#cluster.brokerPool.findBroker({ nodeId });
    const connection = await broker.connectionPool.getConnectionByRequest({ request });
    await connection.authenticate();
    return await closeOnTimeout(this.#client, broker.connectionPool, () => exchange(connection, request));
  }

  /** A new producer id, whose sequences begin at 0 in every partition (KIP-98). */
  async initProducerId(): Promise<{ producerId: bigint; producerEpoch: number }> {
    const nodeId = await this.anyNode();
    const broker = await this.#cluster.brokerPool.findBroker({ nodeId });
    // The time-out is for transactions, which we do not use; the broker wants a positive one all the same.
    const request = broker.lookupRequest(apiKeys.InitProducerId, requests.InitProducerId);
    const { producerId, producerEpoch } = await broker.connectionPool.send({
      ...request({ transactionTimeout: 30_000 }),
      logResponseError: false,
    });
    return { producerId: BigInt(producerId.toString()), producerEpoch };
  }

  /** Highest version of a request that the connected brokers understand, or -1. */
  maxVersion(apiKey: number): number {
    return this.#cluster.brokerPool.versions?.[apiKey]?.maxVersion ?? -1;
  }

  /** Closes all connections at once; the next request opens its own again. */
  reset(why: string): void {
    this.#client.destroySockets(why);
  }

  /** Disconnects. Whoever still waits for an answer after a moment is told that none will come. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#client.destroySockets("closing"), CLOSE_MS);
    await this.#cluster.disconnect();
    clearTimeout(timer);
  }
}

/** How long answers may still take when the connections are to be closed, in ms. */
const CLOSE_MS = 500;

/** A legal name that nobody gives to a topic: the answer is the brokers, and one topic that does not exist. */
const NO_TOPIC = "__kafka-deno-no-such-topic";

/**
 * What kafkajs's brokers must do otherwise.
 *
 * It fails a whole metadata refresh, healthy topics included, when one topic is unknown or one partition has no
 * leader: ours answer with what there is, and each topic carries its own error.
 *
 * It leaves the connection of a request that timed out open: when a black hole heals, what was sent into it arrives
 * late, and answers to nobody come back. Ours close it.
 *
 * It holds requests back while a broker throttles (KIP-219), and they look sent. Holding back is the sender's business.
 */
function adaptBrokers(brokerPool: Untyped, client: KafkaClient, reachability: Reachability): void {
  const createBroker = brokerPool.createBroker;
  brokerPool.createBroker = (options: unknown) => {
    const broker = createBroker(options);
    const { connectionPool } = broker;
    const send = connectionPool.send.bind(connectionPool);
    connectionPool.send = (request: Untyped) =>
      closeOnTimeout(client, connectionPool, () => send({ ...request, response: unthrottled(request.response) }));
    broker.metadata = (topics: string[]) => metadataFrom(brokerPool, broker, topics);
    const connect = broker.connect.bind(broker);
    broker.connect = () => connectNoted(connect, connectionPool, reachability);
    return broker;
  };
}

/** Connects, and notes what came of it. */
async function connectNoted(connect: () => Promise<void>, pool: Address, reachability: Reachability): Promise<void> {
  const address = `${pool.host}:${pool.port}`;
  try {
    await connect();
    reachability.note(address);
  } catch (error) {
    nameAddress(error as Error, pool);
    reachability.note(address, error);
    throw error;
  }
}

/** "Closed connection" and time-outs do not say which broker it was. */
function nameAddress(error: Error, { host, port }: Address): void {
  const about = /^KafkaJS(Connection|RequestTimeout)/.test(error.name);
  if (about && !error.message.includes(`:${port}`)) error.message += ` (${host}:${port})`;
}

/** A broker that is silent for so long, in ms, may be frozen, or behind a network that is gone. */
const SILENCE_MS = 1_000;

/**
 * Asks a broker, and two others where it is silent: else one that is frozen, whose connection looks like any other,
 * would keep us from learning who leads its partitions now, for as long as a request may take and again and again.
 */
async function metadataFrom(brokerPool: Untyped, broker: Untyped, topics: string[]): Promise<unknown> {
  const first = askMetadata(broker, topics);
  const answered = new AbortController();
  first.finally(() => answered.abort()).catch(() => {});
  await sleep(SILENCE_MS, answered.signal);
  if (answered.signal.aborted) return await first;
  const others = Object.values<Untyped>(brokerPool.brokers).filter((other) => other !== broker);
  const nearest = others.sort((a, b) => Number(b.isConnected()) - Number(a.isConnected())).slice(0, 2);
  return await Promise.any([
    first,
    ...nearest.map(async ({ nodeId }) => await askMetadata(await brokerPool.findBroker({ nodeId }), topics)),
  ]);
}

async function askMetadata({ connectionPool }: Untyped, topics: string[]): Promise<unknown> {
  return await connectionPool.send({
    request: metadataRequest({ topics, allowAutoTopicCreation: false }),
    response: { decode: metadataResponse.decode, parse: (data: unknown) => Promise.resolve(data) },
    logResponseError: false,
  });
}

function unthrottled(response: Untyped): Untyped {
  return {
    ...response,
    decode: async (body: Buffer) => ({ ...await response.decode(body), clientSideThrottleTime: 0 }),
  };
}

function leadersOf(topic: Untyped): number[] {
  const leaders: number[] = [];
  for (const { partitionId, leader } of topic.partitionMetadata) leaders[partitionId] = leader;
  return leaders;
}

async function closeOnTimeout<T>(client: KafkaClient, pool: Address, send: () => Promise<T>) {
  try {
    return await send();
  } catch (error) {
    nameAddress(error as Error, pool);
    const timedOut = (error as Error).name === "KafkaJSRequestTimeoutError";
    if (timedOut) client.destroySockets("a request timed out", pool);
    throw error;
  }
}

const CONNECTED = "connected";
const SMALL_BODY_BYTES = 1 << 16;

/**
 * One request and its answer on a connection of kafkajs's. kafkajs's own `send` copies a request twice on its way to
 * the socket, into fresh buffers of up to twice its size, and does not tell whether it got that far.
 */
async function exchange<T>(connection: Untyped, request: BrokerRequest<T>): Promise<T | undefined> {
  const { apiKey, apiVersion, apiName, body, onSend, expectResponse = true, timeoutMs = null } = request;
  const correlationId = connection.nextCorrelationId();
  const header = requestHeader({ apiKey, apiVersion, correlationId, clientId: connection.clientId }, body.length);
  const { payload } = await new Promise<{ payload: Buffer }>((resolve, reject) => {
    // Not "disconnecting", which kafkajs counts as connected: what is sent then has no answer, and no time-out.
    if (connection.connectionStatus !== CONNECTED) throw new Error(`the connection to ${connection.broker} is closing`);
    onSend?.();
    connection.requestQueue.push({
      entry: { apiKey, apiName, apiVersion, correlationId, resolve, reject },
      expectResponse,
      requestTimeout: timeoutMs,
      sendRequest: () => {
        // Each write is a call into the operating system, which costs more than copying a small body.
        if (body.length <= SMALL_BODY_BYTES) return connection.socket.write(Buffer.concat([header, body]));
        connection.socket.write(header);
        connection.socket.write(body);
      },
    });
  });
  return expectResponse ? request.decode(payload) : undefined;
}

/** The frame's length and request header, version 1: https://kafka.apache.org/protocol#protocol_messages */
function requestHeader(
  { apiKey, apiVersion, correlationId, clientId }: Untyped,
  bodyBytes: number,
): Buffer {
  const header = Buffer.allocUnsafe(14 + Buffer.byteLength(clientId));
  header.writeInt32BE(header.length - 4 + bodyBytes, 0);
  header.writeInt16BE(apiKey, 4);
  header.writeInt16BE(apiVersion, 6);
  header.writeInt32BE(correlationId, 8);
  header.writeInt16BE(header.length - 14, 12);
  header.write(clientId, 14);
  return header;
}

/**
 * What kafkajs 2.2.4 gets wrong beneath us, mended in one place. kafkajs has had no release since February 2023, so
 * it is pinned, and every method that is replaced or called from outside its API is looked for at start: another
 * kafkajs fails loudly instead of quietly losing a repair.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Kafka } from "kafkajs";
import Connection from "kafkajs/src/network/connection.js";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

// deno-lint-ignore no-explicit-any -- kafkajs's internals have no types
type Untyped = any;

const PATCHED = Symbol.for("kafka-deno.patched");

/** Applies every repair, once per process. @throws {Error} that names what this kafkajs lacks */
export function applyPatches(): void {
  const connection = (Connection as Untyped).prototype;
  const queue = (RequestQueue as Untyped).prototype;
  if (connection?.[PATCHED]) return;
  expect(connection, "Connection", [
    "authenticate",
    "connect",
    "disconnect",
    "nextCorrelationId",
    "processData",
    "send",
  ]);
  expect(queue, "RequestQueue", ["checkPendingRequests", "push", "scheduleCheckPendingRequests"]);
  connectAfresh(connection);
  fillOneBuffer(connection);
  checkOnlyWhatIsPending(queue);
  connection[PATCHED] = true;
}

/**
 * Two defects of `Connection.connect()`. The bytes of a response that a reset cut short stay in the buffer and are
 * read as the beginning of the next connection's stream, which then never makes sense again (tulios/kafkajs#659,
 * #1163). And two requests that find the connection closed both open a socket: the second one takes the place of the
 * first, whose bytes still arrive in the same buffer.
 */
function connectAfresh(connection: Untyped): void {
  const connect = connection.connect;
  connection.connect = function (this: Untyped) {
    if (this.isConnected()) return Promise.resolve(true);
    this.connecting ??= Promise.resolve().then(() => {
      this.chunks = [];
      this.bytesBuffered = 0;
      this.bytesNeeded = 4; // the length that begins each response
      return connect.call(this);
    }).finally(() => this.connecting = undefined);
    return this.connecting;
  };
}

/** Beyond it, in bytes, a length is more likely to be no length at all: room for it is not made in advance. */
const LONGEST_RESPONSE = 128 << 20;

/**
 * A response that comes in many pieces is kept as pieces and copied when the last one is there: each Fetch takes its
 * size twice, and is read again when the processor's caches have forgotten it. Here each piece is copied to its place
 * as it comes.
 */
function fillOneBuffer(connection: Untyped): void {
  const process = connection.processData;
  connection.processData = function (this: Untyped, data: Buffer) {
    // Once a length is known, kafkajs wants more bytes than the four of a length; then there is one piece.
    const { bytesNeeded, bytesBuffered, chunks, authHandlers } = this;
    if (authHandlers || bytesNeeded <= 4 || bytesNeeded > LONGEST_RESPONSE) return process.call(this, data);
    let [response] = chunks;
    if (response.length < bytesNeeded) {
      response = Buffer.allocUnsafeSlow(bytesNeeded);
      response.set(chunks[0]);
      this.chunks = [response];
    }
    const piece = data.subarray(0, bytesNeeded - bytesBuffered);
    response.set(piece, bytesBuffered);
    this.bytesBuffered += piece.length;
    if (this.bytesBuffered < bytesNeeded) return;
    Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: 4 });
    process.call(this, response);
    if (piece.length < data.length) this.processData(data.subarray(piece.length));
  };
}

/**
 * The check for requests that wait for a throttle to end schedules itself again after every run, with a delay that is
 * negative when nothing is throttled: a timer every millisecond on each connection (tulios/kafkajs#1704).
 */
function checkOnlyWhatIsPending(queue: Untyped): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: Untyped) {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/** kafkajs's function that makes a `Cluster`: the metadata and connections that its producer and consumer stand on. */
export function clusterFactory(kafka: Kafka): (options: Record<string, unknown>) => Untyped {
  const symbol = Object.getOwnPropertySymbols(kafka).find((s) => s.description === "private:Kafka:createCluster");
  if (!symbol) throw missing("Kafka[private:Kafka:createCluster]");
  const create = (kafka as Untyped)[symbol];
  return (options) => {
    const cluster = create(options);
    expect(cluster, "Cluster", ["connect", "refreshMetadata", "findBroker", "disconnect"]);
    expect(cluster.brokerPool, "BrokerPool", ["createBroker", "findBroker", "findConnectedBroker", "refreshMetadata"]);
    return cluster;
  };
}

function expect(object: Untyped, name: string, methods: readonly string[]): void {
  const lacking = methods.find((method) => typeof object?.[method] !== "function");
  if (lacking) throw missing(`${name}.${lacking}`);
}

function missing(what: string): Error {
  return new Error(`kafkajs has no ${what}; kafka-deno is written for kafkajs 2.2.4, which deno.json pins`);
}

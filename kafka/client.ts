/**
 * The only maker of kafkajs objects: with our sockets, our log, our limits, and its defects mended.
 *
 * @module
 */
import net from "node:net";
import tls from "node:tls";
import { type ISocketFactory, Kafka, type KafkaConfig as KafkaJSConfig, type logCreator, logLevel } from "kafkajs";
import { type Logger, LogLevels } from "@std/log";
import type { KafkaConfig } from "../config.ts";
import { loggerFor } from "../log.ts";
import { applyPatches } from "./patches.ts";

/** How long a broker may take to answer, in ms, where the caller has no other wish. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Below it a busy broker would look like a dead one. */
const LEAST_REQUEST_TIMEOUT_MS = 1_000;
const CONNECTION_TIMEOUT_MS = 3_000;
/** Beneath the idle time after which routers and load balancers forget a connection. */
const KEEP_ALIVE_MS = 10_000;

/** A kafkajs client and a grip on its sockets. */
export interface KafkaClient {
  readonly kafka: Kafka;
  /**
   * Closes sockets so that nothing late arrives from them: those to one broker, or all.
   *
   * @param why Told to whoever waits for an answer on them.
   */
  destroySockets(why: string, broker?: { host: string; port: number }): void;
}

/** Options of {@linkcode createKafka}. */
export interface KafkaClientOptions {
  /** In ms. Default: {@linkcode REQUEST_TIMEOUT_MS}. */
  requestTimeoutMs?: number;
  /** Default: none, since our own loops decide what is tried again. */
  retries?: number;
}

/** How long a request may take, in ms: after a lost answer there is time for two more, where that is long enough. */
export function requestTimeoutWithin(deliveryTimeoutMs: number): number {
  return Math.min(REQUEST_TIMEOUT_MS, Math.max(LEAST_REQUEST_TIMEOUT_MS, Math.ceil(deliveryTimeoutMs / 3)));
}

/** Makes a client. One is for one producer, consumer or admin: consumers of one client share state that they should not. */
export function createKafka(config: KafkaConfig, options: KafkaClientOptions = {}): KafkaClient {
  applyPatches();
  const log = loggerFor("kafkajs");
  const sockets = new Map<net.Socket, { host: string; port: number }>();
  const kafka = new Kafka({
    brokers: [...config.brokers],
    clientId: config.clientId,
    ssl: config.ssl ? { ca: config.sslCa, cert: config.sslCert, key: config.sslKey } : false,
    sasl: saslOptions(config),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    retry: { retries: options.retries ?? 0, initialRetryTime: 100, maxRetryTime: 1_000 },
    socketFactory: trackedSockets(sockets),
    logLevel: log.level <= LogLevels.DEBUG ? logLevel.DEBUG : logLevel.INFO,
    logCreator: bridgeLog(log),
  });
  return {
    kafka,
    destroySockets(why, broker) {
      for (const [socket, { host, port }] of sockets) {
        if (broker && (host !== broker.host || port !== broker.port)) continue;
        abort(socket, new Error(why));
      }
    },
  };
}

/**
 * Closes a socket so that what it has not delivered yet is never delivered: a reset, where an orderly end would leave
 * that to the operating system. kafkajs listens to "end" and "error" but not to "close": without an error it would
 * take the connection for connected, and every later request on it would time out.
 */
function abort(socket: net.Socket, error: Error): void {
  if (socket instanceof tls.TLSSocket || socket.connecting) return void socket.destroy(error);
  socket.emit("error", error);
  socket.resetAndDestroy();
}

function saslOptions({ saslMechanism, saslUsername, saslPassword }: KafkaConfig): KafkaJSConfig["sasl"] {
  if (!saslMechanism) return undefined;
  return { mechanism: saslMechanism, username: saslUsername, password: saslPassword } as KafkaJSConfig["sasl"];
}

/** Small requests leave at once (no Nagle), dead peers are noticed, and every socket can be found again. */
function trackedSockets(sockets: Map<net.Socket, { host: string; port: number }>): ISocketFactory {
  return ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // kafkajs calls this over and over for a broker that is down; on a socket that never connected each call leaves a
    // listener behind, and Deno warns of a leak. Our sockets are closed, never just let go.
    socket.unref = () => socket;
    sockets.set(socket, { host, port });
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
}

/**
 * kafkajs's log lines in our log, with its part of the library. Its errors are for debugging: some request of ours ends
 * with the same error, and whoever sent it decides what it means, and says so. A broker that is away would be told two
 * or three times otherwise, and a topic that is about to be made is no error.
 */
function bridgeLog(log: Logger): logCreator {
  return () => ({ namespace, level, log: { message, timestamp: _, logger: __, ...fields } }) => {
    const method = level === logLevel.WARN ? "warn" : level === logLevel.INFO ? "info" : "debug";
    log[method](`${namespace}: ${message}`, fields);
  };
}

/**
 * A real Kafka whose every broker is reached through a fault proxy.
 *
 * @module
 */
import { type LocalKafka, type LocalKafkaOptions, startLocalKafka } from "../../dev/local_kafka.ts";
import { freePorts } from "../../dev/ports.ts";
import { type FaultProxy, startProxy } from "./proxy.ts";

/** A cluster and the proxies before it; disposing stops both. */
export interface ProxiedKafka extends AsyncDisposable {
  readonly kafka: LocalKafka;
  /** One for each of `kafka.nodes`, in the same order. */
  readonly proxies: readonly FaultProxy[];
  /** The addresses for clients, which are the proxies'. */
  readonly bootstrap: string;
  /** The address of the first broker itself: its answers still lead clients to the proxies. */
  readonly direct: string;
}

/**
 * Starts brokers that advertise the ports of proxies. Brokers reach each other
 * without them.
 */
export async function startProxiedKafka(
  { seed, ...options }: Omit<LocalKafkaOptions, "ports" | "advertisedPorts"> & { seed?: number } = {},
): Promise<ProxiedKafka> {
  await using stack = new AsyncDisposableStack();
  const count = options.brokers ?? 1;
  const all = freePorts(2 * count);
  const [ports, advertisedPorts] = [all.slice(0, count), all.slice(count)];
  const proxies: FaultProxy[] = [];
  for (const [i, port] of advertisedPorts.entries()) {
    const target = { hostname: "127.0.0.1", port: ports[i] };
    proxies.push(stack.use(await startProxy({ target, port, seed: seed === undefined ? undefined : seed + i })));
  }
  const kafka = stack.use(await startLocalKafka({ ...options, ports, advertisedPorts }));
  const owned = stack.move();
  return {
    kafka,
    proxies,
    bootstrap: advertisedPorts.map((port) => `127.0.0.1:${port}`).join(),
    direct: `127.0.0.1:${ports[0]}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

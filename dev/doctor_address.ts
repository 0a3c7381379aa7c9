/**
 * Is there a Kafka at an address, as seen from this host? Name, port, TLS and API versions, one after another, on a
 * socket like those of the client (`kafka/client.ts`), but without the client: it would say only that it failed.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { lookup } from "node:dns/promises";
import net from "node:net";
import tls from "node:tls";
import type { KafkaConfig } from "../config.ts";
import { describeTopics } from "../kafka/admin_requests.ts";
import { fetchRecords, listOffsets } from "../kafka/fetch_requests.ts";
import { findCoordinator, heartbeat, offsetCommit, offsetFetch } from "../kafka/group_requests.ts";
import { PRODUCE } from "../kafka/produce_request.ts";
import { RequestWriter, ResponseReader } from "../kafka/wire.ts";
import { type Finding, note, ok, wrong } from "./finding.ts";

/** The settings that say how to connect. */
export type TlsConfig = Pick<KafkaConfig, "ssl" | "sslCa" | "sslCert" | "sslKey">;

/** How long a name, a connection or an answer may take, in ms: as long as the client waits for a connection. */
const TIMEOUT_MS = 3_000;
const DAY_MS = 86_400_000;
/** A certificate that ends sooner is worth a word. */
const CERTIFICATE_DAYS = 21;

/** Looks at `host:port` until something is wrong. The last finding says so, or which Kafka is there. */
export async function examineAddress(address: string, config: TlsConfig): Promise<Finding[]> {
  const at = address.lastIndexOf(":");
  const [host, port] = [address.slice(0, at), Number(address.slice(at + 1))];
  const findings = [await resolveName(host)];
  if (findings[0].status === "wrong") return findings;
  const connected = await connect({ ...config, host, port });
  findings.push(...connected.findings);
  if (!connected.socket) return findings;
  try {
    findings.push(await askVersions(connected.socket, { address, ssl: config.ssl }));
  } finally {
    connected.socket.destroy();
  }
  return findings;
}

async function resolveName(host: string): Promise<Finding> {
  try {
    const found = await lookup(host, { all: true });
    return ok("dns", `${host} is ${found.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    return wrong(
      "dns",
      `${host} cannot be resolved (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`,
      "correct the name, or make it known to this host (DNS, or /etc/hosts)",
    );
  }
}

type Target = TlsConfig & { host: string; port: number };

/** Opens a socket as the client does. Findings are about the port, and about TLS where it is on. */
function connect(target: Target): Promise<{ findings: Finding[]; socket?: net.Socket }> {
  const { host, port, ssl, sslCa: ca, sslCert: cert, sslKey: key } = target;
  const address = `${host}:${port}`;
  return new Promise((resolve) => {
    const findings: Finding[] = [];
    const socket = ssl
      ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }), ca, cert, key })
      : net.connect({ host, port });
    const fail = (finding: Finding) => {
      socket.destroy();
      resolve({ findings: [...findings, finding] });
    };
    const isOpen = () => findings.length > 0;
    socket.setTimeout(TIMEOUT_MS, () => fail(isOpen() ? noTls(address, "no answer") : silentPort(address)));
    socket.once("error", (error) => fail(isOpen() ? tlsFailed(target, error) : portFailed(address, error)));
    socket.once("close", () => fail(noTls(address, "closed the connection")));
    socket.once("connect", () => {
      findings.push(ok("port", `${address} accepts connections`));
      if (!ssl) done();
    });
    socket.once("secureConnect", () => {
      findings.push(certificate(address, socket as tls.TLSSocket));
      done();
    });
    function done() {
      for (const event of ["error", "close", "timeout"]) socket.removeAllListeners(event);
      socket.on("error", () => {}); // whoever reads sees the end
      resolve({ findings, socket });
    }
  });
}

function silentPort(address: string): Finding {
  return wrong(
    "port",
    `${address} does not answer within ${TIMEOUT_MS / 1000} s`,
    "see that the host is up and that no firewall drops connections to this port",
  );
}

function portFailed(address: string, error: NodeJS.ErrnoException): Finding {
  if (error.code !== "ECONNREFUSED") {
    return wrong("port", `${address}: ${error.message}`, "see that this host has a route to it");
  }
  return wrong(
    "port",
    `nothing listens on ${address}`,
    "start Kafka (deno task broker starts one here), or correct KAFKA_BROKERS",
  );
}

function noTls(address: string, what: string): Finding {
  return wrong("tls", `${address}: ${what} to TLS`, "set KAFKA_SSL=false, or choose the listener that has TLS");
}

const TLS_REMEDIES: [RegExp, string][] = [
  [
    /WRONG_VERSION|corrupt message|RESET|eof|ended|disconnected/i,
    "the port speaks plain text: set KAFKA_SSL=false, or choose the port that has TLS",
  ],
  [/VERIFY|UnknownIssuer|SELF_SIGNED|self.signed/i, "set KAFKA_SSL_CA to the PEM file of the authority that signed it"],
  [/ALTNAME|NotValidForName|hostname/i, "use a name in KAFKA_BROKERS that the certificate is for"],
  [/EXPIRED|expired/i, "renew the broker's certificate, and see that this host's clock is right"],
  [/certificate.?required|bad.?certificate|alert/i, "set KAFKA_SSL_CERT and KAFKA_SSL_KEY: the broker asks who we are"],
];

function tlsFailed({ host, port }: Target, error: NodeJS.ErrnoException): Finding {
  const told = `${error.code ?? ""} ${error.message}`;
  const [, remedy] = TLS_REMEDIES.find(([pattern]) => pattern.test(told)) ??
    [, "check KAFKA_SSL_CA, KAFKA_SSL_CERT and KAFKA_SSL_KEY"];
  return wrong("tls", `${host}:${port}: ${error.message}`, remedy!);
}

function certificate(address: string, socket: tls.TLSSocket): Finding {
  const until = new Date(socket.getPeerCertificate().valid_to);
  const days = Math.floor((until.getTime() - Date.now()) / DAY_MS);
  const detail = `${address} has a certificate that is trusted here`;
  if (!Number.isFinite(days)) return ok("tls", detail);
  const dated = `${detail}, until ${until.toISOString().slice(0, 10)}`;
  return days < CERTIFICATE_DAYS ? note("tls", dated, "renew it") : ok("tls", dated);
}

const NOBODY = { groupId: "", generation: -1, memberId: "", instanceId: null };
/** The requests that we send in one version only. The client finds versions of its own for the rest. */
const NEEDED: readonly { apiName: string; apiKey: number; apiVersion: number }[] = [
  PRODUCE,
  fetchRecords([], { maxWaitMs: 0, maxBytes: 0, maxPartitionBytes: 0 }),
  listOffsets([]),
  describeTopics([]),
  findCoordinator(""),
  heartbeat(NOBODY),
  offsetCommit(NOBODY, []),
  offsetFetch("", []),
];

const API_VERSIONS = 18;
const TLS_ALERT = 0x15;

/** ApiVersions, version 0, the one request that every broker answers before it asks who we are (KIP-35). */
async function askVersions(socket: net.Socket, { address, ssl }: { address: string; ssl: boolean }): Promise<Finding> {
  const header = new RequestWriter().int16(API_VERSIONS).int16(0).int32(1).string("kafka-deno-doctor").done();
  socket.write(new RequestWriter().bytes(header).done());
  const answer = await readAnswer(socket);
  if (!answer || answer[0] === TLS_ALERT && !ssl) {
    return wrong(
      "api",
      `${address} accepts connections and does not answer Kafka's first question`,
      ssl ? "choose a port of Kafka's" : "if it expects TLS, set KAFKA_SSL=true; else choose a port of Kafka's",
    );
  }
  try {
    const body = new ResponseReader(answer.subarray(8));
    if (answer.readInt32BE(4) !== 1 || body.int16() !== 0) throw new RangeError("another answer");
    const ranges = new Map(body.array(() => [body.int16(), { min: body.int16(), max: body.int16() }]));
    return judgeVersions(address, ranges);
  } catch {
    return wrong("api", `what listens on ${address} does not speak Kafka's protocol`, "choose a port of Kafka's");
  }
}

function judgeVersions(address: string, ranges: Map<number, { min: number; max: number }>): Finding {
  const lacking = NEEDED.filter(({ apiKey, apiVersion }) => {
    const { min, max } = ranges.get(apiKey) ?? { min: 0, max: -1 };
    return apiVersion < min || apiVersion > max;
  });
  if (lacking.length === 0) return ok("api", `${address} is a Kafka that has all requests we send`);
  const names = lacking.map(({ apiName, apiVersion }) => `${apiName} v${apiVersion}`).join(", ");
  return wrong("api", `${address} is a Kafka without ${names}`, "use Kafka 2.4 to 4.x");
}

/** The bytes of one answer with its length, or undefined when none comes. */
function readAnswer(socket: net.Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => resolve(bytes.length > 0 ? bytes : undefined));
    socket.once("close", () => resolve(bytes.length > 0 ? bytes : undefined));
    socket.on("data", (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      // Another program's greeting, read as a length, is far beyond any answer: it counts as all there is.
      const complete = bytes.length >= 4 && (bytes.length >= 4 + bytes.readUInt32BE(0) || bytes.readUInt32BE(0) > 1e6);
      if (complete) resolve(bytes);
    });
  });
}

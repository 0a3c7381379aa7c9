/**
 * Endpoints of others, to be measured beside our server: what people would write in Go or Python for the same job.
 * They take the same requests for POST /topics/{topic} and answer when all in-sync replicas have the records.
 *
 * @module
 */
import { join } from "node:path";
import { CACHE_DIR } from "../dev/jars.ts";
import { run } from "../dev/run.ts";
import type { ServerSetup } from "./http_servers.ts";
import { shown, type Tool, toolVersion, versionOf } from "./tools.ts";

const SOURCES = join(import.meta.dirname!, "peers");
const FOLDER = join(CACHE_DIR, "peers");

/** An endpoint, for the Kafka there. */
export type PeerServer = (bootstrap: string) => ServerSetup;

/** One who can take part. */
export interface Peer {
  name: string;
  tool: Tool;
  server: PeerServer;
}

/** How peers are found. */
export interface PeerOptions {
  /** Whether they are asked for at all: they come from registries. */
  wanted: boolean;
  onProgress: (line: string) => void;
}

/** All peers, installed into `.cache/peers/` where that can be done, with the reason where it cannot. */
export async function findPeers({ wanted, onProgress }: PeerOptions): Promise<Peer[]> {
  const unasked: Tool = { missing: "it is installed and measured with --peers only" };
  const go = wanted ? await tool(() => buildGo(onProgress)) : unasked;
  const python = wanted ? await tool(() => installPython(onProgress)) : unasked;
  const endpoint = join(SOURCES, "python", "endpoint.py");
  const pythonServer = (kind: string): PeerServer => (bootstrap) => ({
    command: [join(FOLDER, "python", "bin", "python"), endpoint, "PORT", bootstrap, kind],
    readyPath: "/",
  });
  return [
    {
      name: "Go, net/http and franz-go",
      tool: go,
      server: (bootstrap) => ({ command: [join(FOLDER, "go-endpoint"), "PORT", bootstrap], readyPath: "/" }),
    },
    { name: "Python, uvicorn and confluent-kafka", tool: python, server: pythonServer("shared") },
    { name: "Python, a producer per request", tool: python, server: pythonServer("per-request") },
  ];
}

/** Versions of the peers, for results. */
export function peerVersions(peers: readonly Peer[]): Record<string, string> {
  const [Go, Python] = peers.map(({ tool }) => toolVersion(tool));
  return { Go, Python };
}

async function tool(install: () => Promise<string>): Promise<Tool> {
  try {
    return { version: await install() };
  } catch (error) {
    return { missing: (error as Error).message };
  }
}

async function buildGo(onProgress: (line: string) => void): Promise<string> {
  const version = await versionOf("go", ["version"]);
  if (!version) throw new Error("go is not on PATH (https://go.dev/dl)");
  onProgress("building the Go endpoint…");
  await mustInstall("go", ["build", "-C", join(SOURCES, "go"), "-o", join(FOLDER, "go-endpoint"), "."]);
  const library = /franz-go (\S+)/.exec(await Deno.readTextFile(join(SOURCES, "go", "go.mod")))![1];
  return `${version}, franz-go ${library}`;
}

async function installPython(onProgress: (line: string) => void): Promise<string> {
  const version = await versionOf("python3", ["--version"]);
  if (!version) throw new Error("python3 is not on PATH");
  const requirements = join(SOURCES, "python", "requirements.txt");
  const wanted = await Deno.readTextFile(requirements);
  const folder = join(FOLDER, "python");
  // Written last: without it the folder is not finished, or not up to date.
  const installed = join(folder, "requirements.txt");
  if (await Deno.readTextFile(installed).catch(() => "") !== wanted) {
    onProgress("installing the Python endpoint (once)…");
    await mustInstall("python3", ["-m", "venv", "--clear", folder]);
    await mustInstall(join(folder, "bin", "python"), ["-m", "pip", "install", "-q", "-r", requirements]);
    await Deno.writeTextFile(installed, wanted);
  }
  return `${version}, ${wanted.trim().replaceAll("==", " ").replaceAll("\n", ", ")}`;
}

async function mustInstall(program: string, args: readonly string[]): Promise<void> {
  const { code, output } = await run(program, args);
  if (code !== 0) throw new Error(`${shown([program, ...args])} failed: ${output.trim().split("\n").at(-1)}`);
}

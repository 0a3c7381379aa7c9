/**
 * Looks for what goes wrong in the first hour with Kafka, and says what to do about it.
 *
 *     deno task doctor
 *     KAFKA_BROKERS=kafka.example:9092 deno task doctor --json
 *
 * Nothing is written, and nothing is created.
 *
 * @module
 */
import { type Config, helpOrGoOn, loadConfig, type Script } from "../config.ts";
import { ConfigError } from "../errors.ts";
import { setupLogging } from "../log.ts";
import { examineAddress } from "./doctor_address.ts";
import { examineCluster } from "./doctor_cluster.ts";
import { examineHttp } from "./doctor_http.ts";
import { type Finding, isWrong, ok, render, wrong } from "./finding.ts";

const USAGE =
  `Looks for what goes wrong in the first hour with Kafka: one line for each check, with what to do about it.
Exit code 1 if something is wrong, else 0. Nothing is written, and nothing is created.

Usage: deno task doctor [flags]
  deno task doctor --brokers kafka.example:9092 --topic orders --group billing
  KAFKA_SSL=true deno task doctor --json`;

/** All checks, in the order in which a connection needs them. */
const CHECKS = ["settings", "dns", "port", "api", "auth", "listeners", "topic", "rights", "group", "http"];

/** The settings of the doctor, and what is wrong with them or with those of the others. */
export function examineSettings(): { config?: Config<"doctor">; findings: Finding[] } {
  const mistakes = new Set<string>();
  const load = <S extends Script>(script: S, args?: string[]): Config<S> | undefined => {
    try {
      return loadConfig(script, { args });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const mistake of error.mistakes) mistakes.add(mistake);
    }
  };
  const config = load("doctor");
  // What the environment says to the others; their flags are theirs.
  for (const script of ["serve", "produce", "consume"] as const) load(script, []);
  const findings = [...mistakes].map((mistake) => wrong("settings", mistake, "correct it; --help lists the settings"));
  return { config, findings: findings.length > 0 ? findings : [ok("settings", "no mistake in flags and environment")] };
}

/** Looks at everything that can be looked at. */
export async function examine(config: Config<"doctor">): Promise<Finding[]> {
  const [http, ...addresses] = await Promise.all([
    examineHttp(config),
    ...config.brokers.map((address) => examineAddress(address, config)),
  ]);
  const answering = config.brokers.find((_, i) => !isWrong(addresses[i]));
  const kafka = answering === undefined ? [] : await examineCluster(config, answering);
  return [...addresses.flat(), ...kafka, http];
}

/** Adds a finding for each check that could not be made because another one failed. */
export function withSkipped(findings: readonly Finding[], { hasConfig = true } = {}): Finding[] {
  const obstacle = findings.find(({ status, check }) =>
    status === "wrong" && (check !== "http") && !(hasConfig && check === "settings")
  );
  if (!obstacle) return [...findings];
  const unmade = CHECKS.filter((check) => !findings.some((finding) => finding.check === check));
  const detail = `cannot be seen yet, mend ${obstacle.check} first`;
  return [...findings, ...unmade.map((check): Finding => ({ check, status: "skipped", detail }))];
}

async function main(): Promise<number> {
  helpOrGoOn("doctor", USAGE);
  const { config, findings } = examineSettings();
  // What the client library thinks of a broken connection is said by the findings.
  setupLogging({ logLevel: config?.logLevel === "DEBUG" ? "DEBUG" : "CRITICAL", logFormat: config?.logFormat });
  if (config) findings.push(...await examine(config));
  const all = withSkipped(findings, { hasConfig: config !== undefined });
  const fine = !isWrong(all);
  console.log(Deno.args.includes("--json") ? JSON.stringify({ ok: fine, checks: all }, null, 2) : render(all));
  return fine ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());

/**
 * Keeps tokens in step with their file, so that they are rotated without a restart.
 *
 * @module
 */
import type { Logger } from "@std/log";
import { ConfigError } from "../errors.ts";
import { parseTokens, plainTokens, Tokens } from "./tokens.ts";

/** How often the file is looked at, in ms. */
const LOOK_MS = 1_000;

/** Tokens that may change; disposing of it ends the looking. */
export interface LoadedTokens extends Disposable {
  readonly current: Tokens;
}

/**
 * The tokens of HTTP_TOKENS and of the file together. A file that is wrong later on changes nothing, and is told.
 *
 * @throws {ConfigError} when the file cannot be read or is wrong at the start
 */
export function loadTokens(
  { tokens, tokensFile }: { tokens: readonly string[]; tokensFile?: string },
  log: Logger,
): LoadedTokens {
  const plain = plainTokens(tokens);
  if (!tokensFile) return { current: new Tokens(plain), [Symbol.dispose]() {} };
  let text = read(tokensFile);
  const current = new Tokens([...plain, ...parseTokens(text, tokensFile)]);
  let problem: string | undefined;
  const timer = setInterval(() => {
    try {
      const now = read(tokensFile);
      if (now === text && problem === undefined) return;
      text = now;
      const fresh = parseTokens(now, tokensFile);
      current.replace([...plain, ...fresh]);
      log.info("tokens changed", { file: tokensFile, tokens: fresh.length });
      problem = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== problem) log.error("the tokens file is wrong; the tokens stay as they were", { error });
      problem = message;
    }
  }, LOOK_MS);
  Deno.unrefTimer(Number(timer));
  return { current, [Symbol.dispose]: () => clearInterval(timer) };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new ConfigError([`HTTP_TOKENS_FILE is "${path}"; expected the path of a readable file (${why})`]);
  }
}

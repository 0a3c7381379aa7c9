/**
 * Bearer tokens (RFC 6750) and what each may do.
 *
 * A tokens file has a line for each token, with four words: a name for logs, the token, its rights (`read`, `write` or
 * `read,write`) and its topics (`*` for all, or names separated by commas). What follows a `#` is a comment:
 *
 *     billing   4f7c0e6a9b1d2c3e5f60718293a4b5c6   write        invoices,payments
 *     metrics   9a8b7c6d5e4f30211203f4e5d6c7b8a9   read         *   # Prometheus
 *
 * Several lines may have the same name, so that a token can be replaced while the old one still works.
 *
 * @module
 */
import { ConfigError } from "../errors.ts";
import { ErrorCode, HttpError } from "./errors.ts";

/** What a route asks for. */
export type Right = "read" | "write";

/** Who a request comes from. */
export interface Token {
  /** For logs and limits; never the token itself. */
  name: string;
  secret: string;
  rights: ReadonlySet<Right>;
  /** Undefined: all. */
  topics: ReadonlySet<string> | undefined;
}

/** The characters that RFC 6750 allows. */
const SECRET = /^[\w.~+/-]+=*$/;
const RIGHTS: ReadonlySet<string> = new Set<Right>(["read", "write"]);

/** The tokens of HTTP_TOKENS: each may do everything. */
export function plainTokens(secrets: readonly string[]): Token[] {
  return secrets.map((secret, i) => {
    const wrong = `HTTP_TOKENS has an item ${i + 1} with other characters; expected letters, digits and -._~+/`;
    if (!SECRET.test(secret)) throw new ConfigError([wrong]);
    return { name: `token ${i + 1}`, secret, rights: new Set<Right>(["read", "write"]), topics: undefined };
  });
}

/** The tokens of a file. @throws {ConfigError} that names every wrong line, without its token */
export function parseTokens(text: string, path: string): Token[] {
  const mistakes: string[] = [];
  const tokens: Token[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const words = line.replace(/#.*/s, "").split(/\s+/).filter((word) => word);
    if (words.length === 0) continue;
    const [name, secret, rights = "", topics = ""] = words;
    const wrong = words.length !== 4
      ? `has ${words.length} words; expected name, token, rights and topics`
      : !SECRET.test(secret)
      ? "has other characters in its token; expected letters, digits and -._~+/"
      : !rights.split(",").every((right) => RIGHTS.has(right))
      ? `has rights ${JSON.stringify(rights)}; expected read, write or read,write`
      : undefined;
    if (wrong) mistakes.push(`${path}, line ${i + 1} ${wrong}`);
    else {
      tokens.push({
        name,
        secret,
        rights: new Set(rights.split(",") as Right[]),
        topics: topics === "*" ? undefined : new Set(topics.split(",")),
      });
    }
  }
  if (tokens.length === 0 && mistakes.length === 0) mistakes.push(`${path} has no tokens; expected one a line`);
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return tokens;
}

/** Who may call. Without tokens everybody may do everything. */
export class Tokens {
  #tokens: readonly Token[];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** From now on these count, and no others. */
  replace(tokens: readonly Token[]): void {
    this.#tokens = tokens;
  }

  /**
   * Whom the `Authorization` header stands for; undefined where nobody needs one.
   *
   * @throws {HttpError} 401 when there is none or it is wrong, 403 when it does not give this right
   */
  check(headers: Headers, right: Right): Token | undefined {
    if (this.#tokens.length === 0) return undefined;
    const authorization = headers.get("authorization");
    if (authorization === null || authorization === "") throw unauthorized("There is no Authorization header");
    if (!/^bearer /i.test(authorization)) throw unauthorized("The Authorization header has another scheme");
    const token = this.#find(authorization.slice("bearer ".length));
    if (!token) throw unauthorized("The token is not known here", ', error="invalid_token"');
    if (token.rights.has(right)) return token;
    throw new HttpError(403, `The token "${token.name}" does not give the right to ${right}`, {
      code: ErrorCode.topicForbidden,
      headers: { "www-authenticate": 'Bearer realm="kafka-deno", error="insufficient_scope"' },
    });
  }

  /** Looks at every token to its end, so that the time it takes says nothing about any of them. */
  #find(secret: string): Token | undefined {
    let found: Token | undefined;
    for (const token of this.#tokens) if (isSame(secret, token.secret)) found = token;
    return found;
  }
}

/** Compares in a time that depends on nothing but the length of what was given. */
function isSame(given: string, secret: string): boolean {
  let difference = given.length ^ secret.length;
  for (let i = 0; i < given.length; i++) difference |= given.charCodeAt(i) ^ secret.charCodeAt(i % secret.length);
  return difference === 0;
}

function unauthorized(found: string, detail = ""): HttpError {
  return new HttpError(401, `${found}; expected "Authorization: Bearer <token>"`, {
    code: ErrorCode.unauthorized,
    headers: { "www-authenticate": `Bearer realm="kafka-deno"${detail}` },
  });
}

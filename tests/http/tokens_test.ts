import assert from "node:assert/strict";
import { ConfigError } from "../../errors.ts";
import { loadTokens } from "../../http/token_file.ts";
import { parseTokens } from "../../http/tokens.ts";
import { loggerFor } from "../../log.ts";
import { waitFor } from "../support/wait.ts";

Deno.test("a tokens file gives names, rights and topics", { permissions: "none" }, () => {
  const text =
    "# ours\n\nbilling  abc-1  write  invoices,payments # two topics\r\nall x== read,write *\nall y read *\n";
  const tokens = parseTokens(text, "f").map((t) => ({
    ...t,
    rights: [...t.rights],
    topics: t.topics && [...t.topics],
  }));
  assert.deepEqual(tokens, [
    { name: "billing", secret: "abc-1", rights: ["write"], topics: ["invoices", "payments"] },
    { name: "all", secret: "x==", rights: ["read", "write"], topics: undefined },
    { name: "all", secret: "y", rights: ["read"], topics: undefined },
  ]);
});

Deno.test("every wrong line is told, without its token", { permissions: "none" }, () => {
  const mistakes = (text: string) => {
    try {
      parseTokens(text, "tokens.txt");
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return error.mistakes;
    }
    assert.fail();
  };
  assert.deepEqual(mistakes("a secret1 write\nb secret2 admin *\nc secrët3 read *\n"), [
    "tokens.txt, line 1 has 3 words; expected name, token, rights and topics",
    'tokens.txt, line 2 has rights "admin"; expected read, write or read,write',
    "tokens.txt, line 3 has other characters in its token; expected letters, digits and -._~+/",
  ]);
  assert.deepEqual(mistakes("# none\n"), ["tokens.txt has no tokens; expected one a line"]);
});

Deno.test("a token is rotated while the server runs; a file that is wrong changes nothing", async () => {
  const path = await Deno.makeTempFile();
  await using _file = { [Symbol.asyncDispose]: () => Deno.remove(path) };
  await Deno.writeTextFile(path, "a old read *\n");
  using tokens = loadTokens({ tokens: ["plain"], tokensFile: path }, loggerFor("server"));
  const nameOf = (secret: string) => {
    try {
      return tokens.current.check(new Headers({ authorization: `Bearer ${secret}` }), "read")?.name;
    } catch {
      return undefined;
    }
  };
  assert.deepEqual(["plain", "old", "new"].map(nameOf), ["token 1", "a", undefined]);
  await Deno.writeTextFile(path, "a new read *\n");
  await waitFor(() => nameOf("new") === "a", { what: "the new token to count" });
  assert.deepEqual(["plain", "old"].map(nameOf), ["token 1", undefined]);
  await Deno.writeTextFile(path, "nonsense\n");
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // longer than the file is left unread
  assert.equal(nameOf("new"), "a");
});

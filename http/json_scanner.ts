/**
 * Finds where the values of a JSON text begin and end, and refuses what is not JSON (RFC 8259), without building the
 * values. A record's key and value are cut out of the request as they stand there, so that a number of any size and
 * spelling reaches Kafka as it was sent: `JSON.parse` would make 9007199254740992 of 9007199254740993 in silence.
 * It also costs less.
 *
 * @module
 */

/** Deeper values are refused: no reader of the topic should have to survive what nobody means. */
export const MAX_DEPTH = 1_000;

/** Characters that tokens begin with. */
export const Token = {
  quote: 0x22,
  openObject: 0x7b,
  openArray: 0x5b,
  comma: 0x2c,
  colon: 0x3a,
  minus: 0x2d,
  zero: 0x30,
  nine: 0x39,
  n: 0x6e,
} as const;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Walks over one JSON text. Whoever uses it says what may come; it sees to it that it is JSON. */
export class JsonScanner {
  readonly text: string;
  /** Where the next token begins or, before it, white space. */
  position = 0;
  /** Whether what was skipped since this was last set to false could be written shorter: see {@linkcode compactJson}. */
  loose = false;
  #depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The first character of the next token, not taken; NaN at the end. */
  peek(): number {
    const { text } = this;
    let code = text.charCodeAt(this.position);
    while (code <= SPACE && (code === SPACE || code === 0x0a || code === 0x0d || code === 0x09)) {
      this.loose = true;
      code = text.charCodeAt(++this.position);
    }
    return code;
  }

  /** Takes this one character as the next token if it is. */
  take(code: number): boolean {
    if (this.peek() !== code) return false;
    this.position++;
    return true;
  }

  /** Takes a string; the position must be at its quote. @returns its value */
  string(): string {
    const start = this.position;
    const escaped = this.skipString();
    return escaped ? JSON.parse(this.text.slice(start, this.position)) : this.text.slice(start + 1, this.position - 1);
  }

  /** Takes the name of a member and the colon behind it. */
  memberName(): string {
    if (this.peek() !== Token.quote) this.refuse("the name of a member in quotes");
    const name = this.string();
    if (!this.take(Token.colon)) this.refuse('":"');
    return name;
  }

  /** Steps into an object or array; `each` must take one member (its name first) or one element. */
  children(open: typeof Token.openObject | typeof Token.openArray, each: () => void): void {
    if (++this.#depth > MAX_DEPTH) this.refuse(`no value nested deeper than ${MAX_DEPTH}`);
    const close = open + 2; // so it is in ASCII, for both kinds
    this.position++;
    if (!this.take(close)) {
      do each(); while (this.take(Token.comma));
      if (!this.take(close)) this.refuse(`"," or "${String.fromCharCode(close)}"`);
    }
    this.#depth--;
  }

  /** Skips one value of any type. */
  skipValue(): void {
    const code = this.peek();
    if (code === Token.quote) this.skipString();
    else if (code === Token.openObject) this.children(code, this.#skipMember);
    else if (code === Token.openArray) this.children(code, this.#skipElement);
    else if (code === Token.minus || (code >= Token.zero && code <= Token.nine)) this.#skipNumber();
    else this.#skipWord();
  }

  /** Skips a string; the position must be at its quote. @returns whether it has escapes */
  skipString(): boolean {
    const { text } = this;
    let escaped = false;
    let at = this.position + 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === Token.quote) break;
      if (code === BACKSLASH) {
        ESCAPE.lastIndex = at;
        if (!ESCAPE.test(text)) this.refuse("an escape of JSON", at);
        at = ESCAPE.lastIndex;
        escaped = true;
      } else if (code >= SPACE) at++;
      else this.refuse(at < text.length ? "a control character to be escaped" : "the string to end", at);
    }
    this.position = at + 1;
    if (escaped) this.loose = true;
    return escaped;
  }

  /** Takes the whole text for one value of any type. */
  whole(): void {
    this.skipValue();
    this.end();
  }

  /** Refuses anything but white space from here on. */
  end(): void {
    if (!Number.isNaN(this.peek())) this.refuse("the end of the text");
  }

  /** @throws {SyntaxError} always */
  refuse(expected: string, at = this.position): never {
    const found = at < this.text.length ? JSON.stringify(this.text.slice(at, at + 20)) : "the end";
    throw new SyntaxError(`not JSON: ${found} at character ${at}; expected ${expected}`);
  }

  readonly #skipMember = () => {
    if (this.peek() !== Token.quote) this.refuse("the name of a member in quotes");
    this.skipString();
    if (!this.take(Token.colon)) this.refuse('":"');
    this.skipValue();
  };

  readonly #skipElement = () => this.skipValue();

  #skipNumber(): void {
    NUMBER.lastIndex = this.position;
    if (!NUMBER.test(this.text)) this.refuse("a number");
    this.position = NUMBER.lastIndex;
  }

  #skipWord(): void {
    for (const word of ["null", "true", "false"]) {
      if (this.text.startsWith(word, this.position)) return void (this.position += word.length);
    }
    this.refuse("a value");
  }
}

/** JSON without white space between its tokens and with no more escapes than needed; numbers stay as they are. */
export function compactJson(json: string): string {
  const scanner = new JsonScanner(json);
  let compact = "";
  let from = 0;
  while (scanner.position < json.length) {
    const at = scanner.position;
    const code = json.charCodeAt(at);
    if (code === Token.quote) {
      if (!scanner.skipString()) continue;
      compact += json.slice(from, at) + JSON.stringify(JSON.parse(json.slice(at, scanner.position)));
      from = scanner.position;
    } else {
      if (code <= SPACE) {
        compact += json.slice(from, at);
        from = at + 1;
      }
      scanner.position++;
    }
  }
  return compact + json.slice(from);
}

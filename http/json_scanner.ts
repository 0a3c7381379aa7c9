/**
 * Finds where the values of a JSON text begin and end, and refuses what is not JSON (RFC 8259), without building the
 * values. A record's key and value are cut out of the request's bytes as they stand there, so that a number of any
 * size and spelling reaches Kafka as it was sent: `JSON.parse` would make 9007199254740992 of 9007199254740993 in
 * silence. It also costs less.
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
const POINT = 0x2e;
const PLUS = 0x2b;

const SHORT_ESCAPES = bytesOf('"\\/bfnrt');
const WORDS = ["null", "true", "false"].map(bytesOf);
const utf8 = new TextDecoder();

/** Walks over one JSON text in UTF-8. Whoever uses it says what may come; it sees to it that it is JSON. */
export class JsonScanner {
  /** Must be valid UTF-8. */
  bytes!: Uint8Array;
  /** Where the next token begins or, before it, white space. */
  position = 0;
  /** Whether what was skipped since this was last set to false could be written shorter: see {@linkcode compactJson}. */
  loose = false;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.reset(bytes);
  }

  /** Begins anew, with another text. */
  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.position = 0;
    this.#depth = 0;
  }

  /** The first byte of the next token, not taken; -1 at the end. */
  peek(): number {
    const { bytes } = this;
    let at = this.position;
    while (at < bytes.length && isSpace(bytes[at])) at++;
    if (at !== this.position) this.loose = true;
    this.position = at;
    return at < bytes.length ? bytes[at] : -1;
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
    return escaped ? JSON.parse(this.text(start)) : utf8.decode(this.bytes.subarray(start + 1, this.position - 1));
  }

  /** Takes the name of a member and the colon behind it. */
  memberName(): string {
    if (this.peek() !== Token.quote) this.refuse("the name of a member in quotes");
    const name = this.string();
    if (!this.take(Token.colon)) this.refuse('":"');
    return name;
  }

  /** Takes the name of a member if it is this one, written without escapes, and the colon behind it. */
  takeName(name: Uint8Array): boolean {
    const { bytes } = this;
    if (this.peek() !== Token.quote) return false;
    const start = this.position + 1;
    for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
    if (bytes[start + name.length] !== Token.quote) return false;
    this.position = start + name.length + 1;
    if (!this.take(Token.colon)) this.refuse('":"');
    return true;
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
    else if (code === Token.minus || isDigit(code)) this.#skipNumber(code);
    else this.#skipWord();
  }

  /** Skips a string; the position must be at its quote. @returns whether it has escapes */
  skipString(): boolean {
    const { bytes } = this;
    let escaped = false;
    let at = this.position + 1;
    for (;;) {
      const code = bytes[at];
      if (code === Token.quote) break;
      if (code === BACKSLASH) {
        at = this.#skipEscape(at);
        escaped = true;
      } else if (code >= SPACE) at++;
      else this.refuse(at < bytes.length ? "a control character to be escaped" : "the string to end", at);
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
    if (this.peek() >= 0) this.refuse("the end of the text");
  }

  /** The text from here to the position. */
  text(start: number): string {
    return utf8.decode(this.bytes.subarray(start, this.position));
  }

  /** @throws {SyntaxError} always */
  refuse(expected: string, at = this.position): never {
    const found = at < this.bytes.length ? JSON.stringify(utf8.decode(this.bytes.subarray(at, at + 20))) : "the end";
    throw new SyntaxError(`not JSON: ${found} at byte ${at}; expected ${expected}`);
  }

  readonly #skipMember = () => {
    if (this.peek() !== Token.quote) this.refuse("the name of a member in quotes");
    this.skipString();
    if (!this.take(Token.colon)) this.refuse('":"');
    this.skipValue();
  };

  readonly #skipElement = () => this.skipValue();

  /** @returns the position after the escape */
  #skipEscape(at: number): number {
    const { bytes } = this;
    if (SHORT_ESCAPES.includes(bytes[at + 1])) return at + 2;
    let digits = 0;
    if (bytes[at + 1] === 0x75) { while (digits < 4 && isHexDigit(bytes[at + 2 + digits])) digits++; }
    if (digits < 4) this.refuse("an escape of JSON, such as \\n or \\u4e2d", at);
    return at + 6;
  }

  /** `-`, digits without a needless zero before them, a fraction, an exponent. */
  #skipNumber(code: number): void {
    const { bytes } = this;
    if (code === Token.minus) this.position++;
    if (bytes[this.position] === Token.zero) this.position++;
    else this.#skipDigits();
    if (bytes[this.position] === POINT) {
      this.position++;
      this.#skipDigits();
    }
    if ((bytes[this.position] | 0x20) === 0x65) { // e or E
      const sign = bytes[++this.position];
      if (sign === PLUS || sign === Token.minus) this.position++;
      this.#skipDigits();
    }
  }

  #skipDigits(): void {
    const { bytes } = this;
    const start = this.position;
    let at = start;
    while (isDigit(bytes[at])) at++;
    if (at === start) this.refuse("a digit");
    this.position = at;
  }

  #skipWord(): void {
    const { bytes, position } = this;
    for (const word of WORDS) {
      if (!word.every((code, i) => bytes[position + i] === code)) continue;
      this.position += word.length;
      return;
    }
    this.refuse("a value");
  }
}

/** JSON without white space between its tokens and with no more escapes than needed; numbers stay as they are. */
export function compactJson(json: Uint8Array): string {
  const scanner = new JsonScanner(json);
  let compact = "";
  let start = 0;
  const copy = (end: number) => compact += utf8.decode(json.subarray(start, end));
  while (scanner.position < json.length) {
    const at = scanner.position;
    if (json[at] === Token.quote) {
      if (!scanner.skipString()) continue;
      copy(at);
      compact += JSON.stringify(JSON.parse(scanner.text(at)));
      start = scanner.position;
    } else if (isSpace(json[at])) {
      copy(at);
      scanner.peek();
      start = scanner.position;
    } else scanner.position++;
  }
  copy(json.length);
  return compact;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function isSpace(code: number): boolean {
  return code === SPACE || code === 0x0a || code === 0x0d || code === 0x09;
}

function isDigit(code: number): boolean {
  return code >= Token.zero && code <= Token.nine;
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66);
}

/**
 * A real Chromium for tests, driven by its own protocol: https://chromedevtools.github.io/devtools-protocol/
 *
 * @module
 */
import { join } from "node:path";
import { waitFor } from "../support/wait.ts";

const HERE = join(import.meta.dirname!, "browser");
const FIND = [
  "run",
  "--quiet",
  "--check",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
  "--allow-net",
];
const FLAGS = [
  "--headless=shell",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--force-color-profile=srgb",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
  "--remote-allow-origins=*",
];

// deno-lint-ignore no-explicit-any -- the protocol's own types are a package of their own
type Untyped = any;

/** How a page is opened. */
export interface TabOptions {
  width?: number;
  height?: number;
  /** Pixels of the picture for one of the page. */
  scale?: number;
  scheme?: "light" | "dark";
  /** What the browser says it prefers: `zh-CN`. */
  language?: string;
  /** Nothing slides, for pictures. */
  still?: boolean;
}

/** What a picture shows. */
export interface PictureOptions {
  full?: boolean;
  /** Selectors of the first and the last element. */
  of?: string[];
  format?: "png" | "webp";
}

/** From the top of the first to the bottom of the last, with a margin. */
const AROUND = `(selectors) => {
  const boxes = selectors.map((selector) => document.querySelector(selector).getBoundingClientRect());
  const top = Math.min(...boxes.map((box) => box.top)) + scrollY - 12;
  return { y: top, height: Math.max(...boxes.map((box) => box.bottom)) + scrollY + 12 - top };
}`;

/** A Chromium that runs; disposing ends it. */
export class Chromium implements AsyncDisposable {
  /** The source of axe-core. */
  readonly axe: string;
  readonly #child: Deno.ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, { resolve: (result: Untyped) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Map<string, (method: string, params: Untyped) => void>();
  #lastId = 0;

  private constructor(child: Deno.ChildProcess, { profile, axe, socket }: Untyped) {
    this.#child = child;
    this.#profile = profile;
    this.axe = axe;
    this.#socket = socket;
    socket.onmessage = ({ data }: MessageEvent) => this.#receive(JSON.parse(data));
  }

  /** Finds one, fetching it if need be, and starts it. */
  static async start(): Promise<Chromium> {
    const found = await new Deno.Command(Deno.execPath(), { args: [...FIND, "find.ts"], cwd: HERE }).output();
    if (!found.success) throw new Error(`No Chromium was found: ${new TextDecoder().decode(found.stderr)}`);
    const { chromium, axe } = JSON.parse(new TextDecoder().decode(found.stdout));
    const profile = await Deno.makeTempDir({ prefix: "kafka-deno-chromium-" });
    const child = new Deno.Command(chromium, {
      args: [...FLAGS, `--user-data-dir=${profile}`],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const socket = new WebSocket(await addressOf(child.stderr));
    await new Promise((resolve, reject) => [socket.onopen, socket.onerror] = [resolve, reject]);
    return new Chromium(child, { profile, axe, socket });
  }

  /** Sends a command. @throws {Error} with the command's name and Chromium's message */
  send(method: string, params: Untyped = {}, sessionId?: string): Promise<Untyped> {
    const id = ++this.#lastId;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject: ({ message }) => reject(new Error(`${method}: ${message}`)) });
    });
  }

  #receive({ id, result, error, method, params, sessionId }: Untyped): void {
    if (id === undefined) return this.#listeners.get(sessionId)?.(method, params);
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(error);
    else call?.resolve(result);
  }

  /** Opens a page in a profile of its own. */
  async open(url: string, options: TabOptions = {}): Promise<Tab> {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab((method, params) => this.send(method, params, sessionId), {
      axe: this.axe,
      close: () => this.send("Target.disposeBrowserContext", { browserContextId }),
    });
    this.#listeners.set(sessionId, tab.receive);
    await tab.prepare(options);
    await tab.go(url);
    return tab;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#child.kill("SIGKILL");
    await Promise.all([closed, this.#child.status]);
    await Deno.remove(this.#profile, { recursive: true });
  }
}

/** The address that Chromium tells when it is ready. */
async function addressOf(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let [output, found] = ["", undefined as string | undefined];
  const reader = stderr.pipeThrough(new TextDecoderStream()).getReader();
  while (!found) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Chromium ended before it was ready:\n${output}`);
    output += value;
    found = /DevTools listening on (ws:\S+)\n/.exec(output)?.[1];
  }
  void (async () => {
    while (!(await reader.read()).done); // what it goes on saying is of no interest, but must not fill the pipe
  })();
  return found;
}

/** A page in a browser. */
export class Tab implements AsyncDisposable {
  /** Exceptions, console errors and violations of the page's policy. */
  readonly errors: string[] = [];
  /** The servers of all requests. */
  readonly hosts = new Set<string>();
  readonly #send: (method: string, params?: Untyped) => Promise<Untyped>;
  readonly #axe: string;
  readonly #close: () => Promise<unknown>;
  #motion = "no-preference";

  constructor(
    send: (method: string, params?: Untyped) => Promise<Untyped>,
    { axe, close }: { axe: string; close: () => Promise<unknown> },
  ) {
    this.#send = send;
    this.#axe = axe;
    this.#close = close;
  }

  readonly receive = (method: string, params: Untyped): void => {
    if (method === "Runtime.exceptionThrown") {
      this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    }
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.errors.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
    if (method === "Runtime.consoleAPICalled" && params.type === "error") {
      this.errors.push(params.args.map((arg: Untyped) => arg.value ?? arg.description).join(" "));
    }
    const url = method === "Network.requestWillBeSent" ? params.request.url : "";
    if (/^\w+:\/\//.test(url)) this.hosts.add(new URL(url).origin); // Chromium draws its own controls with data:
  };

  async prepare(
    { width = 1280, height = 900, scale = 1, scheme = "light", language = "en-US", still = false }: TabOptions,
  ) {
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.#send(`${domain}.enable`);
    const mobile = width < 600;
    await this.#send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: scale, mobile });
    this.#motion = still ? "reduce" : "no-preference";
    await this.scheme(scheme);
    const { userAgent } = await this.#send("Browser.getVersion");
    await this.#send("Emulation.setUserAgentOverride", { userAgent, acceptLanguage: language });
  }

  /** What the system prefers: light or dark. */
  async scheme(value: "light" | "dark"): Promise<void> {
    const motion = { name: "prefers-reduced-motion", value: this.#motion };
    await this.#send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }, motion] });
  }

  async go(url: string): Promise<void> {
    const { errorText } = await this.#send("Page.navigate", { url });
    if (errorText) throw new Error(`Cannot open ${url}: ${errorText}`);
    await waitFor(() => this.run("() => document.readyState === 'complete'"), { what: `${url} to load` });
  }

  /**
   * Runs a function in the page, given as its source since it knows the page's types and not ours, with arguments that
   * JSON can carry.
   */
  async run<T>(source: string, ...args: unknown[]): Promise<T> {
    return await this.evaluate(`(${source})(...${JSON.stringify(args)})`) as T;
  }

  /** @throws {Error} with the exception of the page's */
  async evaluate(expression: string): Promise<unknown> {
    const options = { awaitPromise: true, returnByValue: true, userGesture: true };
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", { expression, ...options });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** The text of an element as a reader sees it; nothing where there is none. */
  text(selector: string): Promise<string> {
    return this.run("(selector) => document.querySelector(selector)?.innerText ?? ''", selector);
  }

  /** Waits until an element's text matches. */
  async shows(selector: string, pattern: RegExp, timeout = 15_000): Promise<string> {
    let last = "";
    await waitFor(async () => pattern.test(last = await this.text(selector)), {
      what: `${selector} to show ${pattern}`,
      timeout,
    }).catch((error) => {
      throw new Error(
        `${error.message}; it shows ${JSON.stringify(last.slice(0, 500))}; errors: ${this.errors.join()}`,
      );
    });
    return last;
  }

  async click(selector: string): Promise<void> {
    await this.run("(selector) => document.querySelector(selector).click()", selector);
  }

  /** Presses a key: `Tab`, `Enter`, `ArrowRight`, or a character. */
  async press(key: string, { shift = false } = {}): Promise<void> {
    const codes: Record<string, number> = { Tab: 9, Enter: 13, Escape: 27, " ": 32, ArrowLeft: 37, ArrowRight: 39 };
    const text = key === "Enter" ? "\r" : key.length === 1 ? key : undefined;
    const event = { key, text, windowsVirtualKeyCode: codes[key], modifiers: shift ? 8 : 0 };
    await this.#send("Input.dispatchKeyEvent", { type: text ? "keyDown" : "rawKeyDown", ...event });
    await this.#send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Types into what has the focus. */
  async type(text: string): Promise<void> {
    await this.#send("Input.insertText", { text });
  }

  /** The findings of axe-core that are serious or worse, each in a line. */
  async seriousFindings(): Promise<string[]> {
    await this.evaluate(`${this.#axe}; undefined`);
    return await this.evaluate(`axe.run().then(({ violations }) => violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, help, nodes }) => id + ": " + help + ": " + nodes.map(({ target, failureSummary }) =>
        target + " " + failureSummary).slice(0, 5).join("; ")))`) as string[];
  }

  /** Bytes that scripts hold, after a collection. */
  async heapBytes(): Promise<number> {
    await this.#send("HeapProfiler.collectGarbage");
    return (await this.#send("Runtime.getHeapUsage")).usedSize;
  }

  /** A picture of what one sees without scrolling, of the whole page, or of a part: what goes from one element to another. */
  async picture({ full = false, of, format = "png" }: PictureOptions = {}): Promise<Uint8Array> {
    const { cssContentSize: { width, height } } = await this.#send("Page.getLayoutMetrics");
    const part = of && await this.run<Record<"y" | "height", number>>(AROUND, of);
    const { data } = await this.#send("Page.captureScreenshot", {
      format,
      quality: format === "png" ? undefined : 80,
      captureBeyondViewport: full || of !== undefined,
      clip: full || part ? { x: 0, y: 0, width, height, scale: 1, ...part } : undefined,
    });
    return Uint8Array.fromBase64(data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

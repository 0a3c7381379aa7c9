/** The page of a `deno task start`, in a real browser. */
import { type Script, startScript, waitFor } from "../support/wait.ts";
import { Chromium, type Tab, type TabOptions } from "./chromium.ts";

/** A page with labs; disposing closes the browser and stops all that was started. */
export class LabsPage implements AsyncDisposable {
  readonly #owned: AsyncDisposableStack;

  private constructor(readonly start: Script, readonly tab: Tab, owned: AsyncDisposableStack) {
    this.#owned = owned;
  }

  static async open(args: string[], env: Record<string, string>, options: TabOptions = {}): Promise<LabsPage> {
    await using stack = new AsyncDisposableStack();
    const start = stack.use(startScript(["task", "start", "--port", "0", ...args], { env }));
    stack.defer(async () => {
      try {
        start.signal("SIGTERM"); // a kill would leave the labs to the guard
      } catch {
        // The test has ended it.
      }
      await start.exit;
    });
    const [browser, [, url]] = await Promise.all([
      Chromium.start(),
      start.line(/^ +(http:\S+)$/, { timeout: 120_000 }),
    ]);
    stack.use(browser);
    const tab = stack.use(await browser.open(url, { height: 1400, ...options }));
    const page = new LabsPage(start, tab, stack.move());
    await page.tab.shows("#labs-title", /\S/);
    return page;
  }

  /** Presses a button of the labs, as soon as it can be pressed. */
  async press(label: string): Promise<void> {
    await waitFor(() =>
      this.tab.run<boolean>(
        `(label) => {
          const found = [...document.querySelectorAll("#labs button")].find((it) => it.textContent === label && it.ariaDisabled !== 'true');
          found?.click();
          return found !== undefined;
        }`,
        label,
      ), { what: `the button ${label}`, timeout: 60_000 }).catch(async (error) => {
        throw new Error(`${error.message}; the labs show:\n${await this.tab.text("#labs")}`, { cause: error });
      });
  }

  /** Waits until nothing is at work. */
  async ready(): Promise<void> {
    const idle = "() => document.querySelector('[data-lab=\"begin or end\"]').ariaDisabled === 'false'";
    await waitFor(() => this.tab.run<boolean>(idle), { what: "the labs to be ready", timeout: 60_000 });
  }

  /** Waits until what the lab has found reads so. */
  facts(pattern: RegExp): Promise<string> {
    return this.tab.shows("#lab-facts", pattern, 60_000);
  }

  /** Chooses a lab and begins it. @returns its topic, whose lanes are shown now */
  async begin(question: string): Promise<string> {
    await this.press(question);
    await this.press("Begin");
    const lab = new RegExp(`lab-${LABS[question]}-\\w+`);
    return lab.exec(await this.tab.shows("#lanes-title", lab, 60_000))![0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

const LABS: Record<string, string> = {
  "What is a broker?": "broker",
  "What is a partition?": "partition",
  "What does flush do?": "flush",
  "What does poll do?": "poll",
  "What does delivered mean?": "delivery",
};

/** The way to the server: requests with the token, and the stream of news. */
import { byId } from "./dom.js";
import { t } from "./texts.js";

const AGAIN_MS = 1_000;
const KEY = "token";

/** Asks the server, with the token if there is one; where one is needed, the user is asked for it. */
export async function ask(path, init = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = token ? { ...init.headers, authorization: `Bearer ${token}` } : init.headers;
    const response = await fetch(path, { ...init, headers });
    if (response.status !== 401) return response;
    // Another request may have been told a better one meanwhile.
    if (token === sessionStorage.getItem(KEY)) await askForToken(token !== null);
  }
}

let asking;

/** One question at a time, whoever needs the answer. */
function askForToken(wrong) {
  return asking ??= new Promise((resolve) => {
    const dialog = byId("token");
    const [form] = dialog.getElementsByTagName("form");
    byId("token-wrong").textContent = wrong ? t("tokenWrong") : "";
    // Without one there is nothing to see: Escape does not help.
    dialog.oncancel = (event) => event.preventDefault();
    form.onsubmit = () => {
      sessionStorage.setItem(KEY, form.elements.token.value.trim());
      form.reset();
      asking = undefined;
      resolve();
    };
    dialog.showModal();
  });
}

/**
 * Follows a topic, for ever: after an end it begins anew.
 *
 * @param on `event(name, data)` is called for each of the server's events, `trouble(kind, message)` when there is no
 * stream: `unreachable`, `refused`.
 * @returns what ends it
 */
export function follow(topic, on) {
  const controller = new AbortController();
  void (async () => {
    while (!controller.signal.aborted) {
      try {
        const query = topic === undefined ? "" : `?topic=${encodeURIComponent(topic)}`;
        const response = await ask(`page/feed${query}`, { signal: controller.signal });
        if (response.ok) await readEvents(response.body, on.event);
        else on.trouble(response.status === 503 ? "busy" : "refused", (await response.json()).message);
      } catch {
        if (!controller.signal.aborted) on.trouble("unreachable", "");
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  })();
  return () => controller.abort();
}

/** Server-sent events, as our server writes them: an `event` line and a `data` line. */
async function readEvents(body, onEvent) {
  let rest = "";
  for await (const text of readText(body)) {
    const events = (rest + text).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const at = event.indexOf("\ndata: ");
      onEvent(event.slice("event: ".length, at), JSON.parse(event.slice(at + "\ndata: ".length)));
    }
  }
}

/** Safari has no asynchronous iteration of streams. */
async function* readText(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read; !(read = await reader.read()).done;) yield read.value;
}

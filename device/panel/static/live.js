// Keeps what is known of the device up to date, and says when it cannot.

import { $, say, set } from "./dom.js";
import { BASE } from "./rest.js";

const SILENT_MS = 40000; // the scanner says something every 15 s
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];

/**
 * Watch the device. `heard(changed, whole)` gets the sections that changed, or all of them.
 * While nobody looks at the page it does not watch: a browser has few connections to share.
 */
export function watch(heard) {
  let source = null;
  let tries = 0;
  let timer = 0;

  function line(state) {
    set($("line"), "data-line", state);
    say($("line"), { live: "Live", lost: "Not connected", connecting: "Connecting" }[state]);
    set($("lost"), "hidden", state !== "lost");
    say($("lost"), state === "lost" ? "The connection to the scanner is lost; what you see may be old. Trying again…" : "");
    document.body.classList.toggle("stale", state === "lost");
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function lost() {
    close();
    line("lost");
    timer = setTimeout(open, AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)]);
    if (tries === 2) askWhy();
  }

  function alive() {
    clearTimeout(timer);
    timer = setTimeout(lost, SILENT_MS);
  }

  function open() {
    close();
    source = new EventSource(`${BASE}/events`);
    source.addEventListener("error", lost);
    source.addEventListener("ping", alive);
    for (const kind of ["all", "change"]) {
      source.addEventListener(kind, (event) => {
        alive();
        tries = 0;
        heard(JSON.parse(event.data), kind === "all");
        line("live");
      });
    }
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  open();
}

/** An event stream does not tell why it failed. If the way in is closed, go there. */
async function askWhy() {
  try {
    const answer = await fetch(`${BASE}/state`);
    if (answer.status === 401) location.reload();
    else if (!answer.ok) say($("lost"), `${(await answer.json()).detail} Trying again…`);
  } catch {
    // Nobody answers: that is said already.
  }
}

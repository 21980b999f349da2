// The panel's REST. Every answer that is no success becomes an Error with the problem's own words.

import { $, el } from "./dom.js";

const device = new URLSearchParams(location.search).get("device");

/** Where this device's resources are; another device of the same program has its own. */
export const BASE = device ? `/api/v1/devices/${encodeURIComponent(device)}` : "/api/v1";

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Whoever is logged on for scan processes: sent with each request, never by the browser itself. */
export const session = {
  get token() {
    return sessionStorage.getItem(`session ${BASE}`) || "";
  },
  set token(value) {
    sessionStorage.setItem(`session ${BASE}`, value);
  },
};

/** Ask, and get what the JSON of the answer holds. A FormData goes as a form, else as JSON. */
export async function ask(method, path, body) {
  const asked = { method, headers: {} };
  if (session.token) asked.headers.Session = session.token;
  if (body instanceof FormData) asked.body = body;
  else if (body !== undefined) {
    asked.body = JSON.stringify(body);
    asked.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(`${BASE}/${path}`, asked);
  } catch {
    throw new Problem(0, "The scanner does not answer.");
  }
  if (answer.status === 401) location.reload();
  const json = (answer.headers.get("Content-Type") || "").includes("json");
  const told = json ? await answer.json() : null;
  if (!answer.ok) throw new Problem(answer.status, told?.detail || answer.statusText);
  return told;
}

/** Do what a button says; it is busy meanwhile, and what goes wrong is said. */
export async function doing(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } catch (error) {
    note(error.message);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** Say something that has happened; it goes by itself, or when it is closed. */
export function note(text, kind = "trouble") {
  const shown = el("div", { class: "note", "data-kind": kind }, el("p", { text }));
  const close = el("button", { type: "button", class: "close", "aria-label": "Close this notice", text: "×" });
  close.addEventListener("click", () => shown.remove());
  shown.append(close);
  $("notes").append(shown);
  while ($("notes").children.length > 4) $("notes").firstElementChild.remove();
  setTimeout(() => shown.remove(), 12000);
}

// The last messages, the latest first: live, or those that a search finds.

import { $, el, keyed, many, say, set, size, time } from "./dom.js";
import { ask, note } from "./rest.js";
import { pretty } from "./xml.js";

const SHOWN = 100;
let known = [];
let searching = 0;
let timer = 0;

export function setUp() {
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(show, 200);
  };
  $("search").addEventListener("input", later);
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
}

export function heard(entries, whole) {
  known = [...(whole ? [] : known), ...entries].slice(-SHOWN);
  show();
}

async function show() {
  const text = $("search-text").value.trim();
  const direction = $("search-direction").value;
  if (!text && !direction) {
    searching++;
    lay(known, known.length ? `The last ${many(known.length, "message")}` : "Nobody has said anything yet.");
    return;
  }
  const mine = ++searching;
  try {
    const query = new URLSearchParams({ text, direction, limit: SHOWN });
    const found = await ask("GET", `journal?${query}`);
    if (mine === searching) lay(found, found.length ? `${many(found.length, "message")} found` : "Nothing found");
  } catch (error) {
    note(error.message);
  }
}

function lay(entries, count) {
  say($("wire-count"), count);
  keyed($("entries"), entries.toReversed(), (one) => one.id, entry);
}

function entry(one) {
  const good = ["ok", "repeated"].includes(one.outcome);
  const event = one.direction === "event";
  const summary = el(
    "summary",
    {},
    el("span", { class: "arrow", text: event ? "→" : "←", title: event ? "event to a subscriber" : "request of a client" }),
    el("span", { class: "unseen", text: event ? "event" : "request" }),
    el("span", { class: "action", text: one.name || "?" }),
    el("span", { class: "outcome", "data-good": good, text: one.outcome }),
    el("span", { class: "peer", text: one.peer }),
    el("span", { class: "when", text: `${time(one.time)} · ${one.milliseconds} ms · ${size(one.received_octets + one.sent_octets)}` }),
  );
  const body = el("div", { class: "xml" });
  const node = el("li", { class: "entry" }, el("details", {}, summary, body));
  node.firstElementChild.addEventListener("toggle", async () => {
    if (!node.firstElementChild.open || body.children.length) return;
    try {
      const whole = await ask("GET", `journal/${one.id}`);
      body.replaceChildren(...part(event ? "The event" : "The request", whole.request_xml), ...part("The reply", whole.reply_xml));
    } catch (error) {
      note(error.message);
    }
  });
  return node;
}

function part(title, text) {
  if (!text) return [];
  const copy = el("button", { type: "button", class: "key small", text: "Copy", "aria-label": `Copy: ${title}` });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(copy, "Copied");
    } catch {
      note("The browser does not let this page copy; mark the text and copy it yourself.");
    }
  });
  const code = el("pre", { tabindex: "0", "aria-label": title }, pretty(text));
  return [el("div", { class: "head" }, el("h3", { text: title }), copy), code];
}

// Jobs under way and finished ones.

import { $, el, keyed, many, say, set, time } from "./dom.js";
import { BASE, ask, doing } from "./rest.js";
import { reasons, sourceWord } from "./words.js";

const STATES = {
  Pending: "Waits for the computer",
  Held: "Held",
  Processing: "At work",
  Terminating: "Ending",
  Completed: "Completed",
  Canceled: "Cancelled",
  Aborted: "Broken off",
};

export function showJobs(jobs) {
  set($("no-jobs"), "hidden", jobs.length > 0);
  set($("jobs"), "hidden", jobs.length === 0);
  keyed($("jobs"), jobs, (one) => one.id, (first) => job(first, true));
}

export function showHistory(jobs) {
  set($("past"), "hidden", jobs.length === 0);
  say($("past-count"), `(${jobs.length})`);
  keyed($("history"), jobs, (one) => one.id, (first) => job(first, false));
}

function job(first, live) {
  const title = el("p", { class: "title" });
  const what = el("p", { class: "what" });
  const state = el("p", { class: "job-state" });
  const node = el("li", { class: "job" }, el("div", { class: "words" }, title, what, state));
  const bar = live && el("progress", { "aria-label": `Progress of job ${first.id}`, max: 1 });
  if (live) node.append(bar, cancelKey(first));
  const pages = el("ul", { class: "pages", "aria-label": `Pages of job ${first.id}`, tabindex: "0" });
  node.append(pages);
  node.update = (one) => {
    set(node, "data-state", one.state);
    say(title, `Job ${one.id}${one.name ? ` · ${one.name}` : ""}`);
    const when = live ? time(one.created) : time(one.completed || one.created);
    say(what, [when, one.user, sourceWord(one.source), one.format].filter(Boolean).join(" · "));
    const why = reasons(one.reasons);
    const wanted = one.images_wanted;
    const count = wanted ? `${one.scans_completed} of ${many(wanted, "page")}` : many(one.scans_completed, "page");
    say(state, `${STATES[one.state] || one.state}${why ? `: ${why}` : ""} · ${count}`);
    set(pages, "hidden", one.pictures.length === 0);
    keyed(pages, one.pictures, (path) => path, (path) => {
      const img = el("img", { src: `${BASE}/${path}`, alt: `Page ${path.split("/").at(-1)}`, loading: "lazy" });
      return el("li", {}, el("a", { href: `${BASE}/${path}`, target: "_blank", rel: "noopener" }, img));
    });
    if (bar && wanted) set(bar, "value", Math.min(1, one.scans_completed / wanted));
    else if (bar) set(bar, "value", false);
    if (bar) set(bar, "data-still", one.state === "Pending" || one.reasons.includes("ScannerStopped"));
  };
  return node;
}

function cancelKey(one) {
  const button = el("button", { type: "button", class: "key small stop", text: "Cancel", "aria-label": `Cancel job ${one.id}` });
  button.addEventListener("click", () => doing(button, () => ask("POST", `jobs/${one.id}/cancel`, {})));
  return button;
}

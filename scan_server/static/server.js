// The scan server's page: asks now and then how everything is, and shows what has changed.

import { $, el, keyed, many, say, set, size, time } from "./dom.js";
import { ask, doing } from "./rest.js";

const EVERY_MS = 1500;
const LOST_MS = 4000;

const STATES = {
  Creating: "Receives pages",
  Pending: "Waits for its turn",
  "Pending-Held": "Held",
  Started: "Begins",
  Processing: "At work",
  Terminating: "Ending",
  Completed: "Done",
  Canceled: "Cancelled",
  Aborted: "Broken off",
};
const REASONS = {
  NoValidPostScanInstructionsFound: "its instructions will not do",
  CreatePostScanJobFailed: "it could not be begun",
  SendImageFailed: "a page could not be stored",
  PostScanJobTimedOut: "the device did not come back",
  PostScanJobProcessingFailed: "a filter failed",
  PostScanJobCompletedWithErrors: "with errors",
  PostScanJobCompletedWithWarnings: "with warnings",
};
const FILTER_REASONS = {
  InvalidArgs: "not understood",
  OutOfDiskSpace: "the server's disk is full",
  ServerOutOfMemory: "the server is out of memory",
  FileShareAccessDenied: "the share does not let it in",
  FileShareOutOfDiskSpace: "the share is full",
  SharePointAccessDenied: "the library does not let it in",
  SharePointOutOfDiskSpace: "the library is full",
  InvalidSMTPServer: "the mail server cannot be reached",
  UnableToSendEmail: "the mail was refused",
  UnknownError: "it failed",
};
const FILTERS = { email: "E-mail", fileshare: "File share", sharepoint: "SharePoint" };
const ACTIONS = { hold: "Hold", release: "Release", cancel: "Cancel", retry: "Do again" };
const SERVER = { Idle: "Ready", Processing: "At work", Stopped: "Stopped" };

const final = (job) => job.completed !== null;
const failed = (job) => job.state === "Aborted" || job.reason === "PostScanJobCompletedWithErrors";
const filterWord = (name) => FILTERS[name] || name;

// ---- what is shown

function showServer(server) {
  document.title = server.name;
  say($("name"), server.name);
  say($("url"), server.url);
  set($("lamp"), "data-state", server.state);
  say($("state"), SERVER[server.state] || server.state);
  say($("reason"), server.stopped ? "Jobs wait until the queue goes on." : "");
  set($("queue"), "hidden", false);
  say($("queue"), server.stopped ? "Let the queue go on" : "Stop the queue");
  $("queue").stopped = server.stopped;
  keyed($("filters"), server.filters, (one) => one.name, filterRow);
  keyed($("facts"), [["Address", server.url], ["Identity", server.uuid], ["Version", server.version]], (one) => one[0], ([name]) => {
    const value = el("dd");
    const row = el("div", {}, el("dt", { text: name }), value);
    row.update = (one) => say(value, one[1]);
    return row;
  });
}

function filterRow(first) {
  const title = el("p", { class: "title", text: filterWord(first.name) });
  const what = el("p", { class: "what" });
  const button = el("button", { type: "button", class: "key small" });
  const row = el("li", { class: "filter" }, el("div", { class: "words" }, title, what), button);
  let enabled = first.enabled;
  button.addEventListener("click", () =>
    doing(button, async () => showServer(await ask("PUT", `filters/${encodeURIComponent(first.name)}`, { enabled: !enabled }))),
  );
  row.update = (one) => {
    enabled = one.enabled;
    set(row, "data-off", !enabled);
    say(what, enabled ? "Takes new jobs" : "Takes no new jobs");
    say(button, enabled ? "Turn off" : "Turn on");
    set(button, "aria-label", `${enabled ? "Turn off" : "Turn on"}: ${filterWord(first.name)}`);
  };
  return row;
}

function showJobs(jobs) {
  const groups = {
    active: jobs.filter((one) => !final(one)),
    failed: jobs.filter((one) => final(one) && failed(one)),
    ended: jobs.filter((one) => final(one) && !failed(one)),
  };
  for (const [name, group] of Object.entries(groups)) keyed($(name), group, (one) => one.token, jobRow);
  set($("failures"), "hidden", groups.failed.length === 0);
  set($("no-active"), "hidden", groups.active.length > 0);
  set($("no-ended"), "hidden", groups.ended.length > 0);
}

function jobRow(first) {
  const title = el("p", { class: "title" });
  const what = el("p", { class: "what" });
  const state = el("p", { class: "job-state" });
  const filters = el("ul", { class: "filters", "aria-label": "Filters" });
  const keys = el("div", { class: "keys" });
  const row = el("li", { class: "job" }, el("div", { class: "words" }, title, what, state, filters), keys, files(first));
  row.update = (one) => {
    set(row, "data-state", one.state);
    set(row, "data-failed", failed(one));
    say(title, `${one.process} · ${one.user}`);
    say(what, [time(one.completed || one.created), many(one.images, "page"), size(one.octets)].join(" · "));
    const why = REASONS[one.reason];
    say(state, `${STATES[one.state] || one.state}${why ? `, ${why}` : ""}`);
    keyed(filters, one.filters.map((each, at) => ({ ...each, at })), (each) => each.at, filterMark);
    keyed(keys, one.may, (action) => action, (action) => key(action, one));
  };
  return row;
}

function filterMark() {
  const mark = el("li");
  mark.update = (one) => {
    const why = one.reasons.map((reason) => FILTER_REASONS[reason] || reason).join(", ");
    set(mark, "data-state", one.state);
    say(mark, why ? `${filterWord(one.name)}: ${why}` : filterWord(one.name));
  };
  return mark;
}

function key(action, job) {
  const words = ACTIONS[action] || action;
  const kind = action === "cancel" ? "key small stop" : "key small";
  const button = el("button", { type: "button", class: kind, text: words, "aria-label": `${words}: ${job.process}, ${time(job.created)}` });
  button.addEventListener("click", () =>
    doing(button, async () => {
      await ask("POST", `jobs/${job.token}/${action}`, {});
      await look();
    }),
  );
  return button;
}

function files(job) {
  const list = el("ul", { class: "made" });
  const details = el("details", {}, el("summary", { text: "Pages and files" }), list);
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    try {
      const found = await ask("GET", `jobs/${job.token}`);
      const pages = found.documents.map((one) => `Page ${one.id}: ${one.format}, ${size(one.size)}`);
      const made = found.files.map((one) => `${filterWord(found.filters[one.filter].name)}: ${one.path}`);
      list.replaceChildren(...[...pages, ...made].map((text) => el("li", { text })));
      if (pages.length === 0) list.replaceChildren(el("li", { text: "No page came." }));
    } catch (error) {
      list.replaceChildren(el("li", { text: error.message }));
    }
  });
  return details;
}

// ---- how it is, again and again

let timer = 0;

function line(state, why = "") {
  set($("line"), "data-line", state);
  say($("line"), { live: "Live", lost: "Not connected" }[state]);
  set($("lost"), "hidden", state !== "lost");
  say($("lost"), state === "lost" ? `${why} What you see may be old. Trying again…` : "");
  document.body.classList.toggle("stale", state === "lost");
}

async function look() {
  clearTimeout(timer);
  let pause = EVERY_MS;
  try {
    const [server, found] = await Promise.all([ask("GET", "server"), ask("GET", "jobs")]);
    showServer(server);
    showJobs(found.jobs);
    line("live");
  } catch (error) {
    line("lost", error.status ? error.message : "The scan server does not answer.");
    pause = LOST_MS;
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, pause);
}

$("queue").addEventListener("click", () =>
  doing($("queue"), async () => showServer(await ask("PUT", "queue", { stopped: !$("queue").stopped }))),
);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
look();

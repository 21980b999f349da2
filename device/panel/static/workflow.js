// Scan processes: log on, choose one, change what may be changed, start it, and see it arrive.

import { $, el, keyed, many, say, set, time } from "./dom.js";
import { ask, doing, note, session } from "./rest.js";

const STANDINGS = {
  "under-way": "Under way",
  delivered: "Delivered",
  "broken-off": "Broken off",
  canceled: "Cancelled",
  failed: "Not delivered; the pages are kept",
};

export function setUp() {
  $("log-on").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value));
    doing(event.submitter, async () => {
      const made = await ask("POST", "session", given);
      event.target.reset();
      session.token = made.token;
      await begin();
      $("processes").querySelector("button")?.focus();
    });
  });
  $("log-off").addEventListener("click", (event) =>
    doing(event.currentTarget, async () => {
      await ask("DELETE", "session");
      session.token = "";
      await begin();
      $("log-on").querySelector("label:not([hidden]) input")?.focus();
    }),
  );
  $("process").addEventListener("submit", (event) => {
    event.preventDefault();
    doing(event.submitter, start);
  });
}

let offered = false;
let directory = false; // whether users log on at one
let delivering = false;

/** Where nothing is offered, and nothing on its way, there is nothing to see. */
function showAll() {
  set($("workflow"), "hidden", !offered && !delivering);
}

/** Find out whether there are scan processes here, and who may see which. */
export async function begin() {
  let here;
  try {
    here = await ask("GET", "session");
  } catch (error) {
    if (error.status === 403 && session.token) {
      session.token = ""; // logged off after doing nothing for long
      return begin();
    }
    offered = false;
    showAll();
    return undefined;
  }
  const asked = here.ways.length > 0 && !here.user;
  offered = here.ways.length > 0;
  directory = here.ways.includes("password");
  set($("insecure"), "hidden", !here.insecure);
  say($("user"), here.user ? here.user.name || here.user.principal : "");
  set($("log-off"), "hidden", !here.user || here.ways.length === 0);
  set($("log-on"), "hidden", !asked);
  for (const label of $("log-on").querySelectorAll("label")) set(label, "hidden", !here.ways.includes(label.dataset.way));
  set($("process"), "hidden", true);
  if (asked) showProcesses(null);
  else await list();
  showAll();
  return undefined;
}

async function list() {
  try {
    const found = await ask("GET", "processes");
    offered ||= found.length > 0;
    showProcesses(found);
  } catch (error) {
    showProcesses(null);
    note(error.message);
  }
}

function showProcesses(found) {
  set($("no-processes"), "hidden", found === null || found.length > 0);
  set($("processes"), "hidden", !found?.length);
  keyed($("processes"), found || [], (one) => `${one.id} ${one.problem}`, (one) => {
    const button = el("button", { type: "button", class: "key", text: "Choose", "aria-label": `Choose: ${one.name}` });
    button.addEventListener("click", () => doing(button, () => choose(one.id)));
    const words = el("div", { class: "words" }, el("p", { class: "title", text: one.name }));
    if (one.problem) words.append(el("p", { class: "what", text: one.problem }));
    return el("li", {}, words, ...(one.problem ? [] : [button]));
  });
}

// ---- one process

let chosen = null;

async function choose(id) {
  chosen = await ask("GET", `processes/${encodeURIComponent(id)}`);
  const form = $("process");
  const facts = [["Server", chosen.server], ["Goes to", chosen.targets.join(", ")], ["Scanned otherwise", chosen.otherwise.join(", ")]];
  const open = chosen.settings.filter((one) => !one.locked);
  const locked = chosen.settings.filter((one) => one.locked);
  if (locked.length) facts.push(["Fixed", locked.map((one) => `${one.path}: ${one.value}`).join(", ")]);
  form.replaceChildren(
    el("h3", { id: "process-title", text: chosen.name, tabindex: "-1" }),
    el("dl", {}, ...facts.filter(([, text]) => text).flatMap(([name, text]) => [el("dt", { text: name }), el("dd", { text })])),
    ...(chosen.may_change_file_name ? [field("File name", el("input", { name: "file_name", value: chosen.file_name }))] : []),
    ...(chosen.may_add_emails ? [field("Further e-mail addresses, one in each line", el("textarea", { name: "emails", rows: "2" })), ...lookup()] : []),
    ...(chosen.may_change_shares ? [field("Shares, one in each line", area("shares", chosen.shares))] : []),
    ...(open.length ? [el("details", {}, el("summary", { text: "Settings" }), el("div", { class: "settings" }, ...open.map(setting)))] : []),
    el("div", { class: "head" }, el("button", { class: "key", text: "Scan and deliver" })),
  );
  set(form, "hidden", false);
  $("process-title").focus();
}

const PAUSE_MS = 200; // in typing, after which the directory is asked

/** Finds addresses in the directory while one types; the one that is chosen goes into the list. */
function lookup() {
  if (!directory) return [];
  const found = el("datalist", { id: "addresses" });
  const input = el("input", { type: "search", list: "addresses", autocomplete: "off" });
  let asked = 0;
  input.addEventListener("input", async () => {
    const text = input.value.trim();
    const chosen = [...found.children].find((one) => one.value === text);
    if (chosen) {
      const emails = $("process").elements.emails;
      emails.value = [...emails.value.split("\n").filter((one) => one.trim()), text, ""].join("\n");
      input.value = "";
    }
    const mine = ++asked;
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    if (mine !== asked) return;
    const people = chosen || text.length < 2 ? [] : await ask("GET", `addresses?begins=${encodeURIComponent(text)}`).catch(() => []);
    if (mine === asked) found.replaceChildren(...people.map((one) => el("option", { value: one.mail, text: one.name })));
  });
  return [field("Look up an address", input), found];
}

const field = (name, input) => el("label", {}, name, input);

function area(name, lines) {
  const found = el("textarea", { name, rows: "2" });
  found.value = lines.join("\n");
  return found;
}

function setting({ path, value }) {
  const input = typeof value === "boolean"
    ? el("select", {}, ...["true", "false"].map((one) => el("option", { value: one, text: one, selected: one === String(value) })))
    : el("input", { type: typeof value === "number" ? "number" : "text", value });
  input.dataset.path = path;
  return field(path.replaceAll("/", " · "), input);
}

/** What was changed, and nothing else: the server's own words stay what they are. */
function changes() {
  const form = $("process");
  const lines = (name) => form.elements[name].value.split("\n").map((one) => one.trim()).filter(Boolean);
  const body = {};
  if (chosen.may_change_file_name && form.elements.file_name.value !== chosen.file_name) body.file_name = form.elements.file_name.value;
  if (chosen.may_add_emails && lines("emails").length) body.emails = lines("emails");
  if (chosen.may_change_shares && lines("shares").join() !== chosen.shares.join()) body.shares = lines("shares");
  const settings = {};
  for (const { path, value, locked } of chosen.settings) {
    const input = locked ? null : form.querySelector(`[data-path="${path}"]`);
    if (!input || input.value === String(value)) continue;
    settings[path] = { number: Number, boolean: (text) => text === "true", string: String }[typeof value](input.value);
  }
  if (Object.keys(settings).length) body.settings = settings;
  return body;
}

async function start() {
  await ask("POST", `processes/${encodeURIComponent(chosen.id)}/start`, changes());
  set($("process"), "hidden", true);
  $("deliveries").querySelector("button")?.focus();
}

// ---- deliveries

export function showDeliveries(found) {
  delivering = found.length > 0;
  showAll();
  set($("deliveries-title"), "hidden", found.length === 0);
  set($("deliveries"), "hidden", found.length === 0);
  keyed($("deliveries"), found, (one) => one.id, delivery);
}

function delivery(first) {
  const title = el("p", { class: "title", text: first.process });
  const what = el("p", { class: "what", text: [time(first.began), first.user, first.server].filter(Boolean).join(" · ") });
  const state = el("p", { class: "job-state", role: "status" });
  const trouble = el("p", { class: "what" });
  const keys = {
    cancel: key(first, "Cancel", "POST", "/cancel", {}),
    retry: key(first, "Send again", "POST", "/retry", {}),
    discard: key(first, "Throw away", "DELETE", ""),
  };
  const node = el("li", { class: "delivery" }, el("div", { class: "words" }, title, what, state, trouble), ...Object.values(keys));
  node.update = (one) => {
    set(node, "data-standing", one.standing);
    const under = one.standing === "under-way";
    say(state, under ? `${one.doing || STANDINGS[one.standing]} · ${one.received} of ${many(one.pages, "page")}` : one.summary || STANDINGS[one.standing]);
    say(trouble, one.trouble);
    set(trouble, "hidden", !one.trouble);
    set(keys.cancel, "hidden", !under);
    for (const name of ["retry", "discard"]) set(keys[name], "hidden", one.standing !== "failed");
  };
  return node;
}

function key(one, text, method, path, body) {
  const stop = text !== "Send again";
  const button = el("button", { type: "button", class: `key small${stop ? " stop" : ""}`, text, "aria-label": `${text}: ${one.process}` });
  button.addEventListener("click", () => doing(button, () => ask(method, `deliveries/${one.id}${path}`, body)));
  return button;
}

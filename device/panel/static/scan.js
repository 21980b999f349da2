// The display: the scanner's state, the computers that wait, and a scan button for each.

import { $, el, icon, keyed, many, say, set } from "./dom.js";
import { ask, doing } from "./rest.js";
import { reasons, sourceWord } from "./words.js";

const SCREEN = icon("M4 5h16v10H4z", "M9 19h6", "M12 15v4");
const STATES = { Idle: "Ready", Processing: "Scanning", Stopped: "Stopped" };
const PRESSES = {
  waiting: "Waiting for the computer…",
  scanning: "Scanning…",
  done: "Done",
  "no answer": "No answer from the computer",
};

export function showScanner(scanner) {
  say($("state"), STATES[scanner.state] || scanner.state);
  say($("reason"), reasons(scanner.reasons));
  set($("lamp"), "data-state", scanner.state);
}

export function showSources(sources) {
  const choices = ["", ...sources];
  const chosen = document.querySelector("#sources input:checked")?.value ?? "";
  keyed($("sources"), ["legend", ...choices], (one) => one, (one) => choice(one));
  const kept = choices.includes(chosen) ? chosen : "";
  for (const input of document.querySelectorAll("#sources input")) input.checked = input.value === kept;
}

function choice(source) {
  if (source === "legend") return el("legend", { text: "Scan from" });
  const input = el("input", { type: "radio", name: "source", value: source });
  return el("label", {}, input, el("span", { text: source ? sourceWord(source) : "Automatic" }));
}

export function showDestinations(destinations, presses) {
  set($("nobody"), "hidden", destinations.length > 0);
  set($("destinations"), "hidden", destinations.length === 0);
  keyed($("destinations"), destinations, (one) => one.id, destination);
  for (const node of $("destinations").children) node.pressed(latest(presses, node.destination));
}

/** The last press for a destination, also of one that has subscribed again since. */
function latest(presses, { name, context, client }) {
  return presses.findLast(({ destination: one }) => one.name === name && one.context === context && one.client === client);
}

function destination(first) {
  const name = el("span", { class: "name", id: `destination-${first.id}` });
  const client = el("span", { class: "client" });
  const outcome = el("span", { class: "outcome", role: "status" });
  const button = el("button", { type: "button", class: "scan" }, el("span", { text: "Scan" }));
  const node = el("li", { class: "destination" }, SCREEN.cloneNode(true), el("span", { class: "who" }, name, client, outcome), button);
  node.update = (one) => {
    node.destination = one;
    say(name, one.name);
    say(client, one.context && one.context !== one.name ? `${one.client} · ${one.context}` : one.client);
    set(button, "aria-label", `Scan: ${one.name}`);
  };
  node.pressed = (press) => {
    set(node, "data-press", press?.state ?? false);
    const jobs = press?.jobs.length ? ` · ${press.jobs.length > 1 ? many(press.jobs.length, "job") : `job ${press.jobs[0]}`}` : "";
    say(outcome, press ? `${PRESSES[press.state]}${jobs}` : "");
  };
  button.addEventListener("click", () =>
    doing(button, async () => {
      const source = document.querySelector("#sources input:checked")?.value;
      await ask("POST", `destinations/${node.destination.id}/press`, source ? { source } : {});
    }),
  );
  return node;
}

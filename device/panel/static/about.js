// What the device is, and who listens to it.

import { $, el, keyed, many, say, set } from "./dom.js";
import { BASE, ask, doing } from "./rest.js";

/** The other devices of the same program, to go to. */
async function showDevices(uuid) {
  const answer = await fetch("/api/v1/devices");
  const found = answer.ok ? await answer.json() : [];
  set($("which"), "hidden", found.length < 2);
  $("devices").replaceChildren(...found.map((one) => el("option", { value: one.uuid, text: one.name, selected: one.uuid === uuid })));
}

export function setUp() {
  $("devices").addEventListener("change", (event) => {
    location.search = `?device=${encodeURIComponent(event.target.value)}`;
  });
}

export function showDevice(device) {
  showDevices(device.uuid);
  document.title = device.name;
  say($("name"), device.name);
  say($("model"), device.model);
  set($("qr"), "src", `${BASE}/qr.svg`);
  set($("qr"), "alt", `QR code of ${device.page}`);
  const facts = [
    ["Address", device.page],
    ["For clients", device.url],
    ["Identity", `urn:uuid:${device.uuid}`],
  ];
  keyed($("facts"), facts, ([name]) => name, ([name]) => {
    const value = el("dd");
    const node = el("div", {}, el("dt", { text: name }), value);
    node.update = ([, text]) => say(value, text);
    return node;
  });
}

export function showSubscribers(subscribers) {
  set($("no-subscribers"), "hidden", subscribers.length > 0);
  set($("subscribers"), "hidden", subscribers.length === 0);
  keyed($("subscribers"), subscribers, (one) => one.id, subscriber);
}

function subscriber(first) {
  const title = el("p", { class: "title" });
  const what = el("p", { class: "what" });
  const left = el("p", { class: "what left" });
  const button = el("button", { type: "button", class: "key small stop", text: "End", "aria-label": `End the subscription of ${first.client}` });
  button.addEventListener("click", () => doing(button, () => ask("DELETE", `subscribers/${first.id}`)));
  const node = el("li", { class: "subscriber" }, el("div", { class: "words" }, title, what, left), button);
  node.update = (one) => {
    say(title, one.client);
    set(what, "title", one.events.join(", "));
    const trouble = one.failures ? `, ${many(one.failures, "failure")}` : "";
    const waiting = one.waiting ? `, ${one.waiting} waiting` : "";
    say(what, `${many(one.events.length, "event")} to ${one.notify_to}${waiting}${trouble}`);
    node.expires = Date.parse(one.expires);
    node.tick();
  };
  node.tick = () => {
    const seconds = Math.max(0, Math.round((node.expires - Date.now()) / 1000));
    say(left, `${seconds < 120 ? many(seconds, "second") : many(Math.round(seconds / 60), "minute")} left`);
  };
  return node;
}

export function tick() {
  for (const node of $("subscribers").children) node.tick();
}

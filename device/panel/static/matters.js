// What can be the matter: switches for the usual things, a form for the others.

import { $, el, icon, keyed, say, set, time } from "./dom.js";
import { ask, doing } from "./rest.js";
import { CONDITION_NAMES, PLACE_NAMES, conditionWord, placeWord } from "./words.js";

const SWITCHES = [
  ["MediaJam", "ADF", icon("M5 8h9l5 4-5 4H5", "M9 5v14")],
  ["CoverOpen", "ADF", icon("M4 18h16", "M4 15 19 6", "M4 15v3")],
  ["MultipleFeedError", "ADF", icon("M6 4h9v12H6z", "M9 8h9v12H9z")],
  ["InputTrayEmpty", "ADF", icon("M4 12v6h16v-6", "M8 12h8")],
  ["LampError", "Platen", icon("M12 4a5 5 0 0 1 3 9v3H9v-3a5 5 0 0 1 3-9z", "M10 19h4", "M4 4l16 16")],
  ["LampWarming", "Platen", icon("M12 4a5 5 0 0 1 3 9v3H9v-3a5 5 0 0 1 3-9z", "M10 19h4")],
  ["Calibrating", "Platen", icon("M12 4v4", "M12 16v4", "M4 12h4", "M16 12h4", "M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6z")],
  ["InternalStorageFull", "MediaPath", icon("M5 6h14v4H5z", "M5 14h14v4H5z", "M8 8h1", "M8 16h1")],
];

let active = [];
const find = (name, component) => active.find((one) => one.name === name && one.component === component);

export function setUp() {
  for (const [name, component, picture] of SWITCHES) {
    const button = el("button", { type: "button", class: "switch", "aria-pressed": "false", "data-name": name }, picture, el("span", { text: conditionWord(name) }));
    button.addEventListener("click", () =>
      doing(button, () => {
        const found = find(name, component);
        return found ? ask("DELETE", `conditions/${found.id}`) : ask("POST", "conditions", { name, component });
      }),
    );
    button.show = () => {
      const found = find(name, component);
      set(button, "aria-pressed", found ? "true" : "false");
      set(button, "data-severity", found?.severity ?? false);
    };
    $("switches").append(button);
  }
  const option = (value, text) => el("option", { value, text });
  $("condition-name").append(...CONDITION_NAMES.map((one) => option(one, conditionWord(one))));
  $("condition-component").append(...PLACE_NAMES.map((one) => option(one, placeWord(one))));
  $("condition-severity").append(option("", "as usual"), ...["Informational", "Warning", "Critical"].map((one) => option(one, one.toLowerCase())));
  $("condition-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const body = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value));
    doing(event.submitter, () => ask("POST", "conditions", body));
  });
}

export function showConditions(conditions) {
  active = conditions;
  for (const button of $("switches").children) button.show();
  set($("conditions"), "hidden", conditions.length === 0);
  keyed($("conditions"), conditions, (one) => one.id, condition);
}

function condition(one) {
  const word = conditionWord(one.name);
  const button = el("button", { type: "button", class: "key small", text: "Clear", "aria-label": `Clear: ${word}, ${placeWord(one.component)}` });
  button.addEventListener("click", () => doing(button, () => ask("DELETE", `conditions/${one.id}`)));
  const node = el(
    "li",
    { class: "condition", "data-severity": one.severity },
    el("div", { class: "words" }, el("p", { class: "title", text: `${word}, ${placeWord(one.component)}` }), el("p", { class: "what" })),
    button,
  );
  node.update = (now) => say(node.querySelector(".what"), `${now.severity.toLowerCase()} since ${time(now.time)}`);
  return node;
}

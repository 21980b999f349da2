// What lies in the feeder and on the glass: shown, laid in, arranged, taken out.

import { $, el, keyed, many, say, set } from "./dom.js";
import { BASE, ask, doing, note } from "./rest.js";

let sheets = [];
let carried = null;

export function setUp() {
  const press = (id, path) =>
    $(id).addEventListener("click", (event) => doing(event.currentTarget, () => ask("POST", path, {})));
  press("load", "feeder/load");
  press("feeder-empty", "feeder/empty");
  press("platen-empty", "platen/empty");
  takesFiles($("feeder"), $("feeder-files"), "feeder/sheets");
  takesFiles($("platen"), $("platen-files"), "platen/sheets");
  $("sheets").addEventListener("dragover", over);
  $("sheets").addEventListener("drop", drop);
  $("sheets").addEventListener("dragleave", unmark);
}

export function showFeeder(feeder) {
  sheets = sheetsOf(feeder.pages);
  const virtual = feeder.virtual;
  set($("real"), "hidden", virtual);
  for (const id of ["feeder-empty", "feeder-drop"]) set($(id), "hidden", !virtual);
  set($("feeder-files").parentElement, "hidden", !virtual);
  say($("feeder-count"), virtual ? (sheets.length ? many(sheets.length, "sheet") : "empty") : "");
  set($("sheets"), "hidden", sheets.length === 0);
  keyed($("sheets"), sheets, (one) => `${one.id} ${one.pages[0].picture}`, sheet);
}

export function showPlaten(platen) {
  for (const node of [$("platen-empty"), $("platen-files").parentElement]) set(node, "hidden", !platen.virtual);
  set($("platen"), "hidden", !platen.virtual);
  const [page] = platen.pages;
  say($("platen-count"), platen.pages.length > 1 ? `${many(platen.pages.length, "page")}, one for each job` : page ? "" : "empty");
  keyed($("bed"), page ? [page] : [{ picture: "none" }], (one) => one.picture, (one) => {
    if (!page) return el("p", { class: "nothing", text: "Nothing lies on the glass." });
    return el("div", { class: "laid" }, picture(one), el("p", { class: "label", text: one.label }));
  });
}

/** Pages as sheets: a back belongs to the front before it. */
function sheetsOf(pages) {
  const found = [];
  for (const page of pages) {
    if (page.back && found.length) found.at(-1).pages.push(page);
    else found.push({ id: page.number, pages: [page], fixed: page.back });
  }
  return found;
}

function picture(page) {
  const img = el("img", { src: `${BASE}/${page.picture}`, alt: "", loading: "lazy", draggable: "false" });
  img.addEventListener("error", () => set(img, "hidden", true)); // the sheet is blank then
  return el("span", { class: "leaf" }, img);
}

function sheet(first) {
  const [front] = first.pages;
  const name = first.pages.length > 1 ? front.label.replace(/ front$/, "") : front.label;
  const tool = (text, label, act, kind = "tool") => {
    const button = el("button", { type: "button", class: kind, text, "aria-label": `${label}: ${name}` });
    button.addEventListener("click", () => act(button));
    return button;
  };
  const earlier = tool("◀", "Earlier", (button) => move(first.id, -1, button));
  const out = tool("✕", "Take out", (button) => doing(button, () => ask("DELETE", `feeder/sheets/${first.id}`)), "tool out");
  const later = tool("▶", "Later", (button) => move(first.id, 1, button));
  const node = el(
    "li",
    { class: `sheet${first.pages.length > 1 ? " double" : ""}${first.fixed ? " fixed" : ""}`, draggable: !first.fixed && "true", title: first.pages.map((one) => one.label).join("\n") },
    picture(front),
    el("span", { class: "label", text: first.pages.length > 1 ? `${name}, both sides` : name }),
    el("span", { class: "tools" }, earlier, out, later),
  );
  node.update = ({ id, fixed }) => {
    const movable = sheets.filter((one) => !one.fixed);
    set(earlier, "disabled", fixed || movable[0]?.id === id);
    set(later, "disabled", fixed || movable.at(-1)?.id === id);
    set(out, "disabled", fixed);
  };
  node.addEventListener("dragstart", (event) => {
    carried = first.id;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", name);
    node.classList.add("carried");
  });
  node.addEventListener("dragend", () => {
    carried = null;
    node.classList.remove("carried");
    unmark();
  });
  node.dataset.sheet = first.id;
  return node;
}

// ---- order

const order = () => sheets.filter((one) => !one.fixed).map((one) => one.id);

function arrange(wanted) {
  return ask("PUT", "feeder/sheets", { order: wanted });
}

function move(id, by, button) {
  doing(button, async () => {
    const wanted = order();
    const at = wanted.indexOf(id);
    [wanted[at], wanted[at + by]] = [wanted[at + by], wanted[at]];
    showFeeder(await arrange(wanted));
    const moved = document.querySelector(`[data-sheet="${id}"]`);
    moved?.scrollIntoView({ block: "nearest", inline: "nearest" });
    // The sheet was moved in the page, which takes its focus; at an end its other key is left.
    if (![document.body, button].includes(document.activeElement)) return; // it went on meanwhile
    (button.disabled ? moved?.querySelector(".tool:not([disabled])") : button)?.focus();
  });
}

/** The place between two sheets that the pointer is at. */
function place(event) {
  const node = event.target.closest?.(".sheet:not(.fixed)");
  if (!node || carried === null) return null;
  const box = node.getBoundingClientRect();
  return { node, after: event.clientX > box.left + box.width / 2 };
}

function unmark() {
  for (const node of $("sheets").children) node.classList.remove("before", "after");
}

function over(event) {
  const found = place(event);
  if (!found) return;
  event.preventDefault();
  unmark();
  found.node.classList.add(found.after ? "after" : "before");
}

function drop(event) {
  const found = place(event);
  unmark();
  if (!found) return;
  event.preventDefault();
  event.stopPropagation();
  const mine = carried;
  const target = Number(found.node.dataset.sheet);
  if (target === mine) return;
  const wanted = order().filter((one) => one !== mine);
  wanted.splice(wanted.indexOf(target) + (found.after ? 1 : 0), 0, mine);
  arrange(wanted).then(showFeeder, (error) => note(error.message));
}

// ---- files

function takesFiles(area, input, path) {
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  area.addEventListener("dragover", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) area.classList.remove("over");
  });
  area.addEventListener("drop", (event) => {
    area.classList.remove("over");
    if (!isFiles(event)) return;
    event.preventDefault();
    send(area, event.dataTransfer.files, path);
  });
  input.addEventListener("change", async () => {
    await send(area, input.files, path);
    input.value = "";
  });
}

async function send(area, files, path) {
  if (!files.length) return;
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name);
  set(area, "aria-busy", "true");
  try {
    const laid = await ask("POST", path, form);
    if (laid.feeder) showFeeder(laid.feeder);
    if (laid.platen) showPlaten(laid.platen);
    if (laid.refused.length) note(laid.refused.join("\n"));
  } catch (error) {
    note(error.message);
  } finally {
    set(area, "aria-busy", false);
  }
}

// A file that misses its place must not be opened by the browser in place of the page.
for (const kind of ["dragover", "drop"]) {
  addEventListener(kind, (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
}

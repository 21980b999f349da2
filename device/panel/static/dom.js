// Elements without innerHTML: whatever comes over the wire stays text.

export const $ = (id) => document.getElementById(id);

/** An element. `props` are attributes; `on` holds listeners, `text` is its text. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [kind, heard] of Object.entries(value)) node.addEventListener(kind, heard);
    else set(node, name, value);
  }
  node.append(...children);
  return node;
}

/** Set an attribute, or take it away by false; nothing happens when it is so already. */
export function set(node, name, value) {
  const text = value === true ? "" : value === false || value == null ? null : String(value);
  if (node.getAttribute(name) === text) return;
  if (text === null) node.removeAttribute(name);
  else node.setAttribute(name, text);
}

/** Set a text, if it is another one: a screen reader reads what changes. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Make the children of `parent` those of `items`: old ones stay where they can, with their focus.
 * `make(item)` gives a new node, whose `update(item)` brings it up to date.
 */
export function keyed(parent, items, key, make) {
  const { activeElement } = document;
  const place = [...parent.children].findIndex((node) => node.contains(activeElement));
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let cursor = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let node = old.get(name);
    if (node) old.delete(name);
    else {
      node = make(item);
      node.dataset.key = name;
    }
    node.update?.(item);
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
    while (cursor && old.has(cursor.dataset.key) && !items.some((one) => String(key(one)) === cursor.dataset.key)) {
      const gone = cursor;
      cursor = cursor.nextElementSibling;
      old.delete(gone.dataset.key);
      gone.remove();
    }
  }
  for (const node of old.values()) node.remove();
  if (place >= 0 && !activeElement.isConnected) refocus(parent, place, activeElement.className);
}

/** What had the focus is gone: its like in what stands there now gets it, or else the section. */
function refocus(parent, place, kind) {
  const near = parent.children[place] ?? parent.lastElementChild;
  const keys = [...(near?.querySelectorAll("button:not([disabled])") ?? [])];
  const section = parent.closest("section");
  section.tabIndex = -1;
  (keys.find((one) => one.className === kind) ?? section).focus();
}

/** A picture out of a few paths, for ornament. */
export function icon(...paths) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const d of paths) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

export const time = (iso) =>
  new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;

export function size(octets) {
  if (octets < 1000) return `${octets} B`;
  return octets < 1e6 ? `${(octets / 1000).toFixed(1)} kB` : `${(octets / 1e6).toFixed(1)} MB`;
}

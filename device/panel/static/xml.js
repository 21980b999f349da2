// XML for people: one element a line, indented. It becomes text nodes, never markup.

import { el } from "./dom.js";

const DEEPEST = 60;
const SHOWN = 16384; // what the journal shows of a message; the rest of a longer one is missing

/** `text` laid out; as it came when it is no XML, or only the beginning of some. */
export function pretty(text) {
  const out = el("code");
  const found = text && text.length < SHOWN ? parsed(text) : null;
  if (found) lay(out, found, 0);
  else out.append(text);
  return out;
}

function parsed(text) {
  const found = new DOMParser().parseFromString(text.replace(/^\uFEFF/, ""), "application/xml");
  return found.querySelector("parsererror") ? null : found.documentElement;
}

function lay(out, node, depth) {
  const pad = "  ".repeat(Math.min(depth, DEEPEST));
  const name = (prefix, end) => [prefix, el("span", { class: "tag", text: node.nodeName }), end];
  out.append(pad, ...name("<", ""));
  for (const { name: key, value } of node.attributes) {
    out.append(" ", el("span", { class: "attribute", text: key }), "=", el("span", { class: "value", text: `"${value}"` }));
  }
  const inside = [...node.childNodes].filter((one) => one.nodeType !== Node.TEXT_NODE || one.data.trim());
  if (!inside.length) {
    out.append("/>\n");
    return;
  }
  out.append(">");
  if (inside.every((one) => one.nodeType !== Node.ELEMENT_NODE)) {
    out.append(el("span", { class: "text", text: node.textContent.trim() }), ...name("</", ">\n"));
    return;
  }
  out.append("\n");
  for (const one of inside) {
    if (one.nodeType === Node.ELEMENT_NODE) lay(out, one, depth + 1);
    else out.append(pad, "  ", el("span", { class: "text", text: one.data.trim() }), "\n");
  }
  out.append(pad, ...name("</", ">\n"));
}

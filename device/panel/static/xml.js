// XML for people: one element a line, indented. It becomes text nodes, never markup.

import { el } from "./dom.js";

const DEEPEST = 60;

/** `text` laid out; as it came when it is no XML, or only the beginning of some. */
export function pretty(text) {
  const parsed = new DOMParser().parseFromString(text, "application/xml");
  const out = el("code");
  if (!text || parsed.querySelector("parsererror")) out.append(text);
  else lay(out, parsed.documentElement, 0);
  return out;
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

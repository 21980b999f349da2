// What lies in the feeder and on the glass.

import { $, el, keyed, many, say, set } from "./dom.js";
import { ask, doing } from "./rest.js";

export function setUp() {
  $("load").addEventListener("click", (event) => doing(event.currentTarget, () => ask("POST", "feeder/load", {})));
  $("feeder-empty").addEventListener("click", (event) => doing(event.currentTarget, () => ask("POST", "feeder/empty", {})));
}

export function showFeeder(feeder) {
  set($("real"), "hidden", feeder.virtual);
  set($("feeder-empty"), "hidden", !feeder.virtual);
  say($("feeder-count"), feeder.virtual ? many(feeder.pages.length, "side") : "");
  keyed($("sheets"), feeder.pages, (one) => one.number, (one) => el("li", { class: "sheet", text: one.label }));
}

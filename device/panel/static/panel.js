// The front panel: what comes from the device goes to the part of the page that shows it.

import * as about from "./about.js";
import { showHistory, showJobs } from "./jobs.js";
import { watch } from "./live.js";
import * as matters from "./matters.js";
import * as paper from "./paper.js";
import { showDestinations, showScanner, showSources } from "./scan.js";
import * as wire from "./wire.js";
import * as workflow from "./workflow.js";

const known = {};

function heard(changed, whole) {
  Object.assign(known, changed);
  if (changed.device) {
    about.showDevice(changed.device);
    showSources(changed.device.sources);
  }
  if (changed.scanner) {
    showScanner(changed.scanner);
    matters.showConditions(changed.scanner.conditions);
  }
  if (changed.destinations || changed.presses) showDestinations(known.destinations, known.presses);
  if (changed.feeder) paper.showFeeder(changed.feeder);
  if (changed.platen) paper.showPlaten(changed.platen);
  if (whole && changed.deliveries) workflow.begin();
  if (changed.deliveries) workflow.showDeliveries(changed.deliveries);
  if (changed.jobs) showJobs(changed.jobs);
  if (changed.history) showHistory(changed.history);
  if (changed.subscribers) about.showSubscribers(changed.subscribers);
  if (changed.journal) wire.heard(changed.journal, whole);
}

about.setUp();
matters.setUp();
paper.setUp();
wire.setUp();
workflow.setUp();
watch(heard);
setInterval(about.tick, 1000);

// The standard's keywords in the words of people. What is not known is shown as it is.

const split = (keyword) => keyword.replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);

const SOURCES = { ADF: "Feeder", ADFDuplex: "Feeder, both sides", Platen: "Glass", Film: "Film" };
const PLACES = { ADF: "feeder", Platen: "glass", MediaPath: "paper path", Film: "film unit" };
const CONDITIONS = {
  Calibrating: "Calibrating",
  CoverOpen: "Cover open",
  InputTrayEmpty: "Feeder empty",
  InterlockOpen: "Interlock open",
  InternalStorageFull: "Storage full",
  LampError: "Lamp broken",
  LampWarming: "Lamp warming up",
  MediaJam: "Paper jam",
  MultipleFeedError: "Two sheets at once",
};
const REASONS = {
  ...CONDITIONS,
  AttentionRequired: "Needs attention",
  Paused: "Paused",
  JobScanning: "scanning",
  JobTransferring: "sending",
  JobScanningAndTransferring: "scanning and sending",
  ScannerStopped: "the scanner is stopped",
  JobTimedOut: "the computer did not come back for it",
  ImageTransferError: "the computer broke off",
  InvalidScanTicket: "it cannot be scanned like that",
  DocumentFormatError: "the file could not be made",
  JobCanceledAtDevice: "cancelled here",
  JobCompletedWithErrors: "the source failed",
  JobCompletedWithWarnings: "some settings were altered",
};

export const sourceWord = (keyword) => SOURCES[keyword] || split(keyword);
export const placeWord = (keyword) => PLACES[keyword] || keyword;
export const conditionWord = (keyword) => CONDITIONS[keyword] || split(keyword);
export const reasonWord = (keyword) => REASONS[keyword] || split(keyword);
export const reasons = (found) => found.filter((one) => one !== "None").map(reasonWord).join(", ");
export const CONDITION_NAMES = Object.keys(CONDITIONS);
export const PLACE_NAMES = ["ADF", "Platen", "MediaPath", "Film"];

"""The only folder that knows SANE: binding, option mapping, hot-plug."""

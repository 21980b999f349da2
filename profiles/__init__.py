"""One TOML for each model that the device can claim to be."""

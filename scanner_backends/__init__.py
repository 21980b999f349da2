"""Where pages come from, in SANE's words. Nothing here knows of WSD or of `device`."""

"""The front panel and its REST. Never codecs."""

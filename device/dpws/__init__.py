"""Device metadata. Not scanning."""

"""WS-Discovery: being found. Not scanning."""

"""WS-Eventing. Not what a scanner is."""

"""Scan tickets ↔ XML, for WS-Scan and for scan processes. No decisions."""

"""Scan processes at the panel: where they come from, who may use them, and what becomes of them."""

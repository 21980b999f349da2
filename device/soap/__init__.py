"""Envelopes: XML and MIME. Knows neither scanning nor HTTP."""

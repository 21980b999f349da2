"""Pixels and file formats, band by band. Knows no tickets, no XML, no asyncio."""

"""The words of the standard: dataclasses and enums. No XML, no I/O, no profile."""

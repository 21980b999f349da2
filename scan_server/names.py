"""Safe names for delivered files and folders.

Source: ws-dsp sections 4.8 and 7.4.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from device.imaging.spec import EXTENSIONS

MAX_NAME = 80
"""Octets of one part of a name; four of them and the rest fit into 255."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f/\\<>:"|?*\u2028\u2029]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)


def safe(text: str, otherwise: str = "scan") -> str:
    """`text` as a part of a file name that no system takes for anything else.

    No separators, control characters, characters or names that Windows reserves, and no dots or
    blanks at either end; `otherwise` when nothing is left.
    """
    name = unicodedata.normalize("NFC", text)
    name = "".join("_" if unicodedata.category(c) in ("Cf", "Cs", "Co") else c for c in name)
    name = _FORBIDDEN.sub("_", name).strip(". ")
    name = name.encode()[:MAX_NAME].decode(errors="ignore").strip(". ")
    if not name.strip("_"):
        return otherwise
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def stamp(moment: datetime) -> str:
    """`yyyymmddThhmmss`, in UTC."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S")


def extension(format_: str) -> str:
    """The ending for a format keyword, with its dot; `.bin` for a vendor's own."""
    return EXTENSIONS.get(format_, ".bin")


def job_folder(root: str, created: datetime, token: str) -> str:
    """The folder of one job in the server's own store."""
    return f"{safe(root)}_{stamp(created)}_{safe(token, 'job')[:8]}"


def file_name(
    root: str, created: datetime, user: str, document_id: int, format_: str, taken: int
) -> str:
    """`<root>_<time>_<user>_<DocumentId>.<ext>`; `taken` counts the names that were not free."""
    again = f"-{taken + 1}" if taken else ""
    stem = f"{safe(root)}_{stamp(created)}_{safe(user, 'user')}_{document_id:04d}"
    return f"{stem}{again}{extension(format_)}"

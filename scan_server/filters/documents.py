"""A document on its way out: its name, its media type, its bytes.

Source: ws-dsp sections 4.8 and 7.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from device.imaging.spec import MEDIA_TYPES
from scan_server import names
from scan_server.post_scan_jobs import Document, PostScanJob

PIECE = 1 << 20
"""Octets that are read at once."""
_BITMAP = b"BM"


@dataclass(frozen=True, slots=True)
class OutgoingDocument:
    """One document of a job. What is delivered is `header` and then the file at `path`."""

    document_id: int
    format: str
    path: Path
    header: bytes
    root_name: str
    user: str
    created: datetime

    def name(self, taken: int = 0) -> str:
        """A safe file name; `taken` counts the names that were not free."""
        return names.file_name(
            self.root_name, self.created, self.user, self.document_id, self.format, taken
        )

    @property
    def media_type(self) -> str:
        """That of the format; a vendor's own is octets."""
        return MEDIA_TYPES.get(self.format, "application/octet-stream")

    @property
    def size(self) -> int:
        return len(self.header) + self.path.stat().st_size

    def pieces(self) -> Iterator[bytes]:
        """All its octets, by and by."""
        if self.header:
            yield self.header
        with self.path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def sha256(self) -> str:
        """Of all its octets, in hexadecimal."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


def outgoing(job: PostScanJob, user: str, document: Document, path: Path) -> OutgoingDocument:
    """The document of a job that lies at `path`, with `user` in its name.

    Raises:
        OSError: it cannot be read.
    """
    return OutgoingDocument(
        document_id=document.document_id,
        format=document.format,
        path=path,
        header=_missing_header(path, document),
        root_name=job.instructions.document_root_name,
        user=user,
        created=job.created,
    )


def _missing_header(source: Path, document: Document) -> bytes:
    """The file header for a bitmap that comes without one (ws-dsp section 4.8)."""
    if document.format != "dib":
        return b""
    with source.open("rb") as file:
        start = file.read(40)
    if start[:2] == _BITMAP or len(start) < 16:
        return b""
    header_size = int.from_bytes(start[:4], "little")
    bits = int.from_bytes(start[14:16], "little")
    used = int.from_bytes(start[32:36], "little") if header_size >= 40 and len(start) >= 36 else 0
    colors = used or (1 << bits if bits <= 8 else 0)
    offset = 14 + header_size + 4 * colors
    size = 14 + document.size
    return _BITMAP + size.to_bytes(4, "little") + bytes(4) + offset.to_bytes(4, "little")

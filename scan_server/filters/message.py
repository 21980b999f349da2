"""A mail with documents attached, made piece by piece.

Source: RFC 5322 and 2046.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from scan_server import names
from scan_server.filters.base import Work
from scan_server.filters.documents import OutgoingDocument

_POLICY = SMTP.clone(cte_type="7bit")
_LINE = 57
"""Octets in one line of base64."""
_AROUND = 4_096
"""More than the header and the text take."""
_AROUND_EACH = 1_024
"""More than a part's own header takes."""


def size_of(documents: Iterable[OutgoingDocument]) -> int:
    """Octets of a message with these documents, rather too many than too few."""
    return _AROUND + sum(_share(one) for one in documents)


def _share(document: OutgoingDocument) -> int:
    return _AROUND_EACH + (document.size // _LINE + 1) * 78


def grouped(
    documents: Iterable[OutgoingDocument], limit: int
) -> list[tuple[OutgoingDocument, ...]]:
    """Documents in as few messages as `limit` octets allow, in order.

    One that is larger by itself has a message of its own.
    """
    groups: list[list[OutgoingDocument]] = []
    left = 0
    for document in documents:
        share = _share(document)
        if not groups or left < share:
            groups.append([])
            left = limit - _AROUND
        groups[-1].append(document)
        left -= share
    return [tuple(group) for group in groups]


def head(work: Work, sender: str, recipients: Sequence[str], identifier: str) -> EmailMessage:
    """The header and the text. It is the same each time that it is made."""
    made = EmailMessage(_POLICY)
    made["Message-ID"] = identifier
    made["Date"] = format_datetime(work.job.created)
    made["From"] = sender
    made["To"] = ", ".join(recipients)
    made["Subject"] = names.safe(work.job.instructions.document_root_name)
    made["Auto-Submitted"] = "auto-generated"
    pages = len(work.documents)
    many = "" if pages == 1 else "s"
    made.set_content(f"{pages} scanned document{many} from {names.safe(work.user.name)}.\n")
    return made


def written(top: EmailMessage, documents: Sequence[OutgoingDocument]) -> Iterator[bytes]:
    """The whole message, with CRLF, no line longer than 998 octets and none beginning with a dot.

    `top` is what `head` made: its own headers go to the top, its text becomes the first part.
    """
    boundary = f"=_{names.safe(top['Message-ID'].partition('@')[0], 'scan')}"
    text = EmailMessage(_POLICY)
    text.set_content(top.get_content())
    outer = EmailMessage(_POLICY)
    for name, value in top.items():
        if not name.lower().startswith("content-"):
            outer[name] = value
    outer["Content-Type"] = "multipart/mixed"
    outer.set_param("boundary", boundary)
    yield _header(outer)
    yield b"--%s\r\n%s" % (boundary.encode(), text.as_bytes())
    for document in documents:
        part = EmailMessage(_POLICY)
        part["Content-Type"] = document.media_type
        part["Content-Transfer-Encoding"] = "base64"
        part.add_header("Content-Disposition", "attachment", filename=document.name())
        yield b"\r\n--%s\r\n%s" % (boundary.encode(), _header(part))
        yield from _encoded(document)
    yield b"\r\n--%s--\r\n" % boundary.encode()


def _header(part: EmailMessage) -> bytes:
    """The header alone, and the empty line after it."""
    return part.as_bytes().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _encoded(document: OutgoingDocument) -> Iterator[bytes]:
    rest = b""
    for piece in document.pieces():
        rest += piece
        whole = len(rest) - len(rest) % _LINE
        yield base64.encodebytes(rest[:whole]).replace(b"\n", b"\r\n")
        rest = rest[whole:]
    yield base64.encodebytes(rest).replace(b"\n", b"\r\n")

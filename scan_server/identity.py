"""Who a request says it comes from, and what that one may do.

A file tells who the certificates belong to. Without it a certificate is nobody's in particular, but
the same one is the same one.

Source: ws-dsp sections 4.5, 12 and 13.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from device.dsp.messages import is_sid
from device.errors import NotScanAdmin
from device.eventing import addresses
from device.settings import Table, read_toml
from device.soap.dispatch import Incoming

_PRINCIPAL = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_KINDS = ("sha256", "subject", "principal")


class Administration(StrEnum):
    """Who may administer without a certificate that says so."""

    NOBODY = "nobody"
    LOOPBACK = "loopback"
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whose pages come here. `sid` is a security identifier, `name` as events tell it."""

    sid: str
    name: str
    mail: str = ""
    administrator: bool = False


class Users:
    """The users that a file names, by their SIDs and their certificates."""

    def __init__(
        self,
        users: Iterable[User] = (),
        certificates: Iterable[tuple[str, User]] = (),
    ) -> None:
        self._by_sid = {user.sid.upper(): user for user in users}
        self._by_certificate = dict(certificates)

    def of_sid(self, sid: str) -> User | None:
        """The user with this SID."""
        return self._by_sid.get(sid.upper())

    def of_certificate(self, der: bytes) -> User | None:
        """Whom a certificate belongs to: by itself, by its principal name, or by its subject."""
        marks = _marks(der)
        return next((self._by_certificate[m] for m in marks if m in self._by_certificate), None)

    def owner_of(self, incoming: Incoming) -> str:
        """Whose a request is: a known user's, or that of a certificate; empty without one."""
        der = incoming.client_certificate
        if not der:
            return ""
        user = self.of_certificate(der)
        return f"user:{user.sid.upper()}" if user else _marks(der)[0]

    @property
    def know_certificates(self) -> bool:
        """Whether a certificate of nobody here is a stranger's."""
        return bool(self._by_certificate)


def load(path: Path) -> Users:
    """Read a file of users.

    Each `[[user]]` has `sid` and `name`, and may have `mail`, `administrator` and `certificates`:
    a list of `sha256:…`, `subject:CN=…` (RFC 4514) and `principal:user@domain`.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    document = read_toml(path)
    users: list[User] = []
    certificates: list[tuple[str, User]] = []
    for table in document.tables("user"):
        user = User(
            sid=table.text("sid"),
            name=table.text("name"),
            mail=table.text("mail", ""),
            administrator=table.boolean("administrator", False),
        )
        if not is_sid(user.sid):
            raise table.wrong("sid", f"is {user.sid!r}, and must be like S-1-5-21-1-2-3-1000")
        if any(user.sid.upper() == other.sid.upper() for other in users):
            raise table.wrong("sid", f"is {user.sid}, which another user has")
        users.append(user)
        for text in table.texts("certificates", ()):
            mark = _mark(table, text)
            if any(mark == other for other, _ in certificates):
                raise table.wrong("certificates", f"holds {text!r}, which another user has")
            certificates.append((mark, user))
        table.done()
    document.done()
    return Users(users, certificates)


def _mark(table: Table, text: str) -> str:
    """What the file says of a certificate, as `_marks` spells it."""
    kind, colon, value = text.partition(":")
    value = value.strip()
    if not colon or kind not in _KINDS or not value:
        raise table.wrong(
            "certificates",
            f"holds {text!r}, and must hold texts that begin with sha256:, subject: or principal:",
        )
    if kind == "sha256":
        digits = value.replace(":", "").replace(" ", "").lower()
        if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
            raise table.wrong("certificates", f"holds {text!r}, which is no SHA-256 in hexadecimal")
        return f"{kind}:{digits}"
    if kind == "subject":
        try:
            return f"{kind}:{x509.Name.from_rfc4514_string(value).rfc4514_string()}"
        except ValueError:
            raise table.wrong(
                "certificates", f"holds {text!r}, which is no name such as CN=Joe,O=Office"
            ) from None
    return f"{kind}:{value.lower()}"


@lru_cache(maxsize=256)
def _marks(der: bytes) -> tuple[str, ...]:
    """All that a certificate can be known by, the most certain first."""
    certificate = x509.load_der_x509_certificate(der)
    marks = [f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for other in names.get_values_for_type(x509.OtherName):
            if other.type_id == _PRINCIPAL and other.value[:1] == b"\x0c":  # a UTF8String
                marks.append(f"principal:{_text(other.value).lower()}")
    except (x509.ExtensionNotFound, ValueError):
        pass
    marks.append(f"subject:{certificate.subject.rfc4514_string()}")
    return tuple(marks)


def _text(der: bytes) -> str:
    """The text of a DER string of up to 255 octets."""
    start = 3 if der[1] == 0x81 else 2
    return der[start:].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Administrators:
    """Decides who may administer the scan server."""

    users: Users
    without_certificate: Administration = Administration.LOOPBACK

    def check(self, incoming: Incoming) -> None:
        """
        Raises:
            NotScanAdmin: this one may not.
        """
        if self.without_certificate is Administration.ANYONE:
            return
        if incoming.client_certificate:
            user = self.users.of_certificate(incoming.client_certificate)
            allowed = user is not None and user.administrator
        else:
            address, _ = addresses.parse(incoming.peer)
            allowed = self.without_certificate is Administration.LOOPBACK and address.is_loopback
        if not allowed:
            raise NotScanAdmin

"""What a directory is asked with, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Login(StrEnum):
    """How a user proves who it is."""

    SIMPLE = "simple"
    """Name and password, always inside TLS."""
    GSSAPI = "gssapi"
    """Kerberos, signed and sealed, on a plain connection."""
    SPNEGO = "spnego"
    """The same, negotiated."""


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """Where the directory is, and how to talk to it.

    Attributes:
        server: `ldaps://HOST[:PORT]`, `ldap://HOST[:PORT]`, or a domain's name, whose controllers
            are looked up in the DNS.
        ca: a file of authorities (PEM) for TLS, empty for the system's.
        base: the naming context; empty asks the server.
        processes: where scan processes are; empty is the usual container below `base`.
        domain: the DNS name of the domain; empty takes it from `base`.
        user_dn: the DN of a user with `{}` for the name, for directories that are no Active
            Directory and know no other name at a simple login.
    """

    server: str
    login: Login = Login.SIMPLE
    ca: str = ""
    base: str = ""
    processes: str = ""
    domain: str = ""
    user_dn: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs on, and the proof: a password, a keytab, or a Kerberos cache. Never logged."""

    name: str
    password: str = field(default="", repr=False)
    keytab: str = ""
    cache: str = ""


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """The document of one scan process, as the directory holds it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody whom the directory knows with an e-mail address."""

    name: str
    mail: str


@dataclass(frozen=True, slots=True)
class Thumbprint:
    """What the directory says of a server's certificate: its hash, in hexadecimal."""

    digest: str
    algorithm: str

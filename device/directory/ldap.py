"""LDAP by bonsai: bind as the user, and read what this user may see. Runs in a child process.

libldap blocks, and bonsai's own asyncio polls without a pause and hangs for ever in a TLS handshake
that the server does not answer (1.5.0). In a child, a time-out is a kill.

Source: ws-dsp sections 9.2, 9.5 and 13.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlsplit

import bonsai
from bonsai import LDAPSearchScope as Scope

from device.directory import names
from device.directory.controllers import find_controllers
from device.directory.names import escaped, escaped_octets, guid_text, sid_text
from device.directory.words import (
    Address,
    Credentials,
    DirectorySettings,
    FoundDocument,
    Login,
    Thumbprint,
)
from device.errors import DirectoryUnavailable, LogonRefused, NoSuchProcess
from device.model.operator import ListedProcess, User

T = TypeVar("T")
Entry = Any

TIMEOUT_S = 10.0
PAGE_SIZE = 200
MIN_SSF = 56
"""Bits of encryption that a SASL connection must have: signed and sealed, not only signed."""
CLASS = "msImaging-PostScanProcess"
IDENTIFIER, DOCUMENT = "msImaging-PSPIdentifier", "msImaging-PSPString"
DIGEST, ALGORITHM = "msImaging-ThumbprintHash", "msImaging-HashAlgorithm"
_OCTETS = [IDENTIFIER, DIGEST, "objectSid", "cACertificate", "cACertificate;binary"]
_USER = ["cn", "objectSid", "mail", "userPrincipalName", "sAMAccountName", "displayName"]
_NAMES = ("displayName", "cn", "sn", "sAMAccountName", "mail")
MAX_ADDRESSES = 20
_ENDED = (bonsai.errors.ClosedConnection, bonsai.errors.ConnectionError)


class _NoSuchBase(DirectoryUnavailable):
    """The place of a search is not there, or the user may not see it."""


class Logon:
    """A user who is logged on. Every search is made as this user.

    Raises:
        LogonRefused: the directory does not take the name with this proof, or does not know it.
        DirectoryUnavailable: it cannot be reached or trusted, or not asked.
    """

    def __init__(self, settings: DirectorySettings, credentials: Credentials) -> None:
        self._settings = settings
        try:
            self._name = names.logon_name(credentials.name)
        except ValueError as error:
            raise LogonRefused(str(error)) from None
        self._credentials = credentials
        self._client, self._connection = self._connect()
        self._base = settings.base or self._root("defaultNamingContext", "namingContexts")
        self.user = self._find_user()

    # ---- what may be asked

    def processes(self) -> Iterator[ListedProcess]:
        """The scan processes that the directory lets this user see, in no order."""
        wanted = ["displayName", IDENTIFIER]
        for entry in self._search(
            self._container, Scope.ONELEVEL, f"(objectClass={CLASS})", wanted
        ):
            name = _first(entry, "displayName") or str(entry.dn)
            octets = _octets(entry, IDENTIFIER)
            try:
                yield ListedProcess(guid_text(octets), name)
            except ValueError:
                yield ListedProcess("", name, f"it has no {IDENTIFIER} that could be read")

    def document(self, identifier: str) -> FoundDocument:
        """The document of one scan process. Raises NoSuchProcess when this user sees none."""
        wanted = ["displayName", DOCUMENT]
        try:
            found = self._search(self._container, Scope.ONELEVEL, _is_process(identifier), wanted)
        except (_NoSuchBase, ValueError):
            found = []
        if len(found) != 1:
            raise NoSuchProcess(identifier)
        name = _first(found[0], "displayName") or identifier
        return FoundDocument(name, _first(found[0], DOCUMENT))

    def user_of(self, sid: str) -> User | None:
        """The user with this SID; None if there is none."""
        try:
            wanted = f"(objectSid={escaped_octets(names.sid_octets(sid))})"
        except ValueError:
            return None
        found = self._search(self._base, Scope.SUBTREE, wanted, _USER)
        return self._user(found[0], sid) if len(found) == 1 else None

    def addresses(self, text: str) -> list[Address]:
        """Who has an address and begins so, by name or by address; a few of them."""
        spelt = "".join(f"({one}={escaped(text)}*)" for one in _NAMES)
        wanted = f"(&(objectClass=user)(mail=*)(|{spelt}))"

        def search() -> list[Entry]:
            found = self._connection.paged_search(
                self._base, Scope.SUBTREE, wanted, _USER, timeout=TIMEOUT_S, page_size=MAX_ADDRESSES
            )
            return list(islice(found, MAX_ADDRESSES))

        return [
            Address(_first(entry, "displayName") or _first(entry, "cn"), _first(entry, "mail"))
            for entry in self._once(search)
        ]

    def thumbprint(self, host: str) -> Thumbprint | None:
        """What the directory says of the certificate of a scan server; None if it says nothing."""
        wanted = f"(&(objectClass=computer)(dNSHostName={escaped(host.rstrip('.'))}))"
        for entry in self._search(self._base, Scope.SUBTREE, wanted, [DIGEST, ALGORITHM]):
            digest, algorithm = _octets(entry, DIGEST), _first(entry, ALGORITHM)
            if digest or algorithm:
                return Thumbprint(digest.hex(), algorithm)
        return None

    def authorities(self) -> list[bytes]:
        """The certificates of the enterprise's root authorities (DER)."""
        configuration = self._root("configurationNamingContext") or f"CN=Configuration,{self._base}"
        base = f"CN=Certification Authorities,CN=Public Key Services,CN=Services,{configuration}"
        try:
            found = self._search(
                base, Scope.ONELEVEL, "(objectClass=certificationAuthority)", ["cACertificate"]
            )
        except _NoSuchBase:
            return []
        return [
            bytes(value)
            for entry in found
            for name in ("cACertificate", "cACertificate;binary")  # OpenLDAP says so
            for value in entry.get(name, ())
        ]

    # ---- inside

    @property
    def _container(self) -> str:
        return self._settings.processes or f"CN=PSPs,CN=System,{self._base}"

    def _connect(self) -> tuple[bonsai.LDAPClient, Any]:
        """Bind at the first server that answers. Raises as the class does."""
        trouble: DirectoryUnavailable | None = None
        for url in self._servers():
            client = self._configured(url)
            try:
                return client, client.connect(timeout=TIMEOUT_S)
            except bonsai.errors.AuthenticationError:
                raise LogonRefused("the name or the password is wrong") from None
            except bonsai.errors.LDAPError as error:
                if _is_refusal(error):
                    raise LogonRefused(_words(error)) from None
                trouble = DirectoryUnavailable(url, self._why(url, error))
        raise trouble or DirectoryUnavailable(self._settings.server, "it has no controller")

    def _servers(self) -> Sequence[str]:
        server = self._settings.server
        if "://" in server:
            return [server]
        return [f"ldap://{host}:{port}" for host, port in find_controllers(server, random.Random())]

    def _configured(self, url: str) -> bonsai.LDAPClient:
        """TLS always checks the server; a login that has no TLS is sealed by SASL."""
        simple = self._settings.login is Login.SIMPLE
        client = bonsai.LDAPClient(url, simple and not url.startswith("ldaps:"))
        client.set_cert_policy("demand")
        client.set_ca_cert(self._settings.ca or _system_authorities())
        client.set_raw_attributes(_OCTETS)
        given = self._credentials
        if simple:
            if not given.password:  # a bind without one succeeds, as nobody (RFC 4513, 5.1.2)
                raise LogonRefused("the password is empty")
            client.set_credentials("SIMPLE", self._bind_name(), given.password)
            return client
        if given.cache:
            os.environ["KRB5CCNAME"] = given.cache
        mechanism = "GSSAPI" if self._settings.login is Login.GSSAPI else "GSS-SPNEGO"
        client.set_credentials(
            mechanism,
            user=self._name.user if given.password or given.keytab else None,
            password=given.password or None,
            realm=self._realm if given.password or given.keytab else None,
            keytab=given.keytab or None,
        )
        client.set_sasl_security_properties(no_anonymous=True, no_plain=True, min_ssf=MIN_SSF)
        return client

    def _why(self, url: str, error: Exception) -> str:
        """libldap has the same words for a server that is not there and one not to be trusted."""
        words = _words(error)
        if self._settings.login is not Login.SIMPLE or "TLS" in words or not _listens(url):
            return words
        return (
            "TLS failed: its certificate is not trusted, or has expired, or is not of that name "
            "(--directory-ca names the authority to trust)"
        )

    def _bind_name(self) -> str:
        name = self._name
        if self._settings.user_dn:
            return self._settings.user_dn.replace("{}", bonsai.escape_attribute_value(name.user))
        if name.principal:
            return f"{name.user}@{name.domain}"
        if name.domain:
            return f"{name.domain}\\{name.user}"
        return f"{name.user}@{self._domain}"

    @property
    def _domain(self) -> str:
        settings = self._settings
        if settings.domain or settings.base:
            return settings.domain or names.domain_of(settings.base)
        if "://" not in settings.server:
            return settings.server
        # ldaps://dc1.example.org: the controller's name without its first label
        return settings.server.partition("://")[2].partition(":")[0].partition(".")[2]

    @property
    def _realm(self) -> str:
        name = self._name
        return (name.domain if name.principal else self._domain).upper()

    def _root(self, *attributes: str) -> str:
        found = self._once(
            lambda: self._connection.search(
                "", Scope.BASE, "(objectClass=*)", list(attributes), timeout=TIMEOUT_S
            )
        )
        values = [_first(entry, attribute) for attribute in attributes for entry in found]
        return next((value for value in values if value), "")

    def _find_user(self) -> User:
        found = self._search(self._base, Scope.SUBTREE, self._name.filter, _USER)
        if len(found) != 1:
            how = "does not know" if not found else "knows more than one"
            raise LogonRefused(f"the directory {how} {self._credentials.name}")
        entry = found[0]
        try:
            sid = sid_text(_octets(entry, "objectSid"))
        except ValueError:
            raise LogonRefused(f"the directory has no SID of {self._credentials.name}") from None
        return self._user(entry, sid)

    def _user(self, entry: Entry, sid: str) -> User:
        account = _first(entry, "sAMAccountName") or self._name.user
        return User(
            principal=_first(entry, "userPrincipalName") or f"{account}@{self._domain_of_base()}",
            sid=sid,
            display_name=_first(entry, "displayName") or _first(entry, "cn") or account,
            mail=_first(entry, "mail"),
        )

    def _domain_of_base(self) -> str:
        return self._settings.domain or names.domain_of(self._base)

    def _search(self, base: str, scope: Any, wanted: str, attributes: list[str]) -> list[Entry]:
        """Page by page. Referrals are passed over. Raises as the class does."""

        def search() -> list[Entry]:
            found = self._connection.paged_search(
                base, scope, wanted, attributes, timeout=TIMEOUT_S, page_size=PAGE_SIZE
            )
            return list(found)

        try:
            return self._once(search)
        except bonsai.errors.NoSuchObjectError:
            why = f"it has no {base}, or {self._credentials.name} may not see that"
            raise _NoSuchBase(self._settings.server, why) from None

    def _once(self, ask: Callable[[], T]) -> T:
        """Ask; when the connection has ended meanwhile, bind again and ask once more."""
        try:
            try:
                return ask()
            except _ENDED:
                self._client, self._connection = self._connect()
                return ask()
        except bonsai.errors.NoSuchObjectError:
            raise
        except bonsai.errors.LDAPError as error:
            raise DirectoryUnavailable(self._settings.server, _words(error)) from None


def _is_process(identifier: str) -> str:
    """The filter for one scan process, whose identifier may be kept as octets or as text."""
    octets = escaped_octets(names.guid_octets(identifier))
    texts = (identifier.upper(), identifier.lower())
    spelt = [octets, *texts, *(f"{{{text}}}" for text in texts)]
    return f"(&(objectClass={CLASS})(|{''.join(f'({IDENTIFIER}={one})' for one in spelt)}))"


def _first(entry: Entry, attribute: str) -> str:
    values = entry.get(attribute, ())
    return str(values[0]) if values else ""


def _octets(entry: Entry, attribute: str) -> bytes:
    values = entry.get(attribute, ())
    return bytes(values[0]) if values else b""


def _is_refusal(error: Exception) -> bool:
    """Whether the directory answered and will not have this user; all else is the directory."""
    return isinstance(
        error, bonsai.errors.InvalidDN | bonsai.errors.PasswordPolicyError
    ) or "Preauthentication failed" in str(error)


def _listens(url: str) -> bool:
    """Whether anybody takes a connection there."""
    parts = urlsplit(url)
    port = parts.port or (636 if parts.scheme == "ldaps" else 389)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=2):
            return True
    except OSError:
        return False


def _words(error: Exception) -> str:
    """The library's own words, without its numbers."""
    return (str(error).partition(" (0x")[0] or type(error).__name__).rstrip(".")


def _system_authorities() -> str:
    """GnuTLS, which Debian's libldap is built with, has none by itself."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or "/etc/ssl/certs/ca-certificates.crt"

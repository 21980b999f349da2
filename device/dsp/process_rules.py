"""What the schema of a scan process cannot say: values that a server could do nothing with.

Source: ws-dsp sections 8.1, 8.3 and 18.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from device.dsp import filters
from device.errors import InvalidArgs
from device.soap import xml
from device.soap.write import clean

MAX_TEXT = 255
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_UNC = re.compile(r'\\\\[^\\/<>:"|?*\x00-\x1f]+(?:\\[^\\/<>:"|?*\x00-\x1f]+)+\\?')
_ADDRESS = re.compile(r"[^\s@<>,;\x00-\x1f\x7f]+@[^\s@<>,;\x00-\x1f\x7f]+")


def check_repository(name: str) -> None:
    """ScanRepository is the name, or the address, of a host and nothing beside.

    Raises:
        InvalidArgs: it is not.
    """
    try:
        ip_address(name)
    except ValueError:
        if not _HOST.fullmatch(name) or re.fullmatch(r"[0-9.]+", name):
            raise InvalidArgs("ScanRepository", "is not the name of a host", name[:80]) from None


def check_root_name(name: str) -> None:
    """DocumentRootName can begin a file's name on any system.

    Raises:
        InvalidArgs: it cannot.
    """
    _check_text("DocumentRootName", name)
    if found := _UNSAFE.search(name):
        why = f"must not hold {found.group()!r}, for files are named after it"
    elif _RESERVED.fullmatch(name):
        why = "is a name that Windows keeps for devices"
    elif not name.strip(". "):
        why = "must be more than dots and blanks, for files are named after it"
    else:
        return
    raise InvalidArgs("DocumentRootName", why, name[:80])


def check_unc(unc: str) -> None:
    """A ShareUNC is `\\\\HOST\\SHARE`, perhaps with folders behind it.

    Raises:
        InvalidArgs: it is not.
    """
    _check_text("ShareUNC", unc)
    if not _UNC.fullmatch(unc) or ".." in unc.split("\\"):
        raise InvalidArgs("ShareUNC", r"must be a share such as \\HOST\SHARE", unc[:80])


def check_email(address: str) -> None:
    """An EmailAddress is one address, without a name beside it.

    Raises:
        InvalidArgs: it is not.
    """
    _check_text("EmailAddress", address)
    if not _ADDRESS.fullmatch(address):
        raise InvalidArgs("EmailAddress", "must be an address such as joe@example.org", address)


def _check_text(element: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_TEXT or clean(value) != value:
        why = f"must have 1 to {MAX_TEXT} characters, all of which XML can hold"
        raise InvalidArgs(element, why, value[:80])


def check_filter(dialect: str, instructions: str) -> None:
    """The instructions of one filter, known or not.

    Raises:
        InvalidArgs: something in them cannot be.
    """
    if re.search(r"\s", dialect):
        raise InvalidArgs("Dialect", "is no URI", dialect[:80])
    if dialect not in filters.ROOTS:
        _check_namespace(dialect, instructions)
        return
    match filters.read(dialect, instructions):
        case filters.EmailConfig(addresses=addresses):
            for address in addresses:
                check_email(address)
        case filters.FileShareConfig(share_uncs=uncs):
            for unc in uncs:
                check_unc(unc)
        case filters.SharePointConfig(site_urls=urls):
            for url in urls:
                _check_url(url)


def _check_namespace(dialect: str, instructions: str) -> None:
    """A filter's instructions are in the namespace that its dialect is (rule P1)."""
    for root in filters.roots(instructions):
        if xml.namespace_of(root) != dialect:
            raise InvalidArgs(
                "Instructions", f"holds {xml.local_name(root)}, which is not of its Dialect"
            )


def _check_url(url: str) -> None:
    try:
        right = bool(urlsplit(url).hostname) and not re.search(r"\s", url)
    except ValueError:
        right = False
    if not right:
        raise InvalidArgs("SaveToSharePointSiteURL", "names no host", url[:80])

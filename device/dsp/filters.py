"""The instructions of the three filters that the standard knows, and of three of our own.

Ours name their targets, as the scan server's administrator called them, and nothing else: a scan
process comes over the wire, so no address, command or bucket is in it.

Source: ws-dsp section 8.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from device.errors import InvalidArgs
from device.soap import xml
from device.soap.namespaces import CMD, EML, FSH, HOOK, OBJECTS, PREFIX_OF, PSP, SHP
from device.soap.write import attribute, declarations, element, leaf, optional
from device.soap.xml import Element

EMAIL, FILE_SHARE, SHARE_POINT = EML, FSH, SHP
HTTP_HOOK, COMMAND, OBJECT_STORAGE = HOOK, CMD, OBJECTS
ROOTS = {
    EML: "EmailConfig",
    FSH: "FileShareConfig",
    SHP: "SharePointConfig",
    HOOK: "HttpHookConfig",
    CMD: "CommandConfig",
    OBJECTS: "ObjectStorageConfig",
}
"""Dialect → the one element that its instructions are. A dialect is also its namespace."""
OWN_STORE = r"\\.\store"
"""The ShareUNC of the scan server's own store.

`.` is Windows' name for this very machine. A server that has no such store reports an error;
a host's name here might be taken for a share of somebody else.
"""
_MAX_UNC, _MAX_URL, _MAX_ADDRESS, _MAX_NAME = 255, 2048, 255, 255


@dataclass(frozen=True, slots=True)
class EmailConfig:
    """Send the documents by e-mail."""

    send_to_scan_user: bool = False
    addresses: tuple[str, ...] = ()
    can_add_addresses: bool = False


@dataclass(frozen=True, slots=True)
class FileShareConfig:
    """Put each document into each of these shares."""

    share_uncs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharePointConfig:
    """Put each document into each of these libraries."""

    save_to_my_site: bool = False
    site_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedConfig:
    """Bring the documents to each of these targets, by the names that the server knows."""

    names: tuple[str, ...] = ()


Config = EmailConfig | FileShareConfig | SharePointConfig | NamedConfig


def read(dialect: str, instructions: str) -> Config:
    """Read the instructions of a known dialect.

    Raises:
        InvalidArgs: they are not what the dialect asks for.
    """
    return check(dialect, roots(instructions))


def roots(instructions: str) -> list[Element]:
    """The elements that stand in instructions, of whatever dialect."""
    wrapped = f"<psp xmlns=''>{instructions}</psp>".encode()
    return list(xml.parse(wrapped, limit=len(wrapped)))


def check(dialect: str, roots: Sequence[Element]) -> Config:
    """Read the elements inside psp:Instructions.

    Raises:
        InvalidArgs: they are not what the dialect asks for.
    """
    wanted = ROOTS[dialect]
    if len(roots) != 1 or roots[0].tag != f"{{{dialect}}}{wanted}":
        raise InvalidArgs(
            "Instructions", f"must hold exactly one {wanted} of its dialect", namespace=PSP
        )
    match wanted:
        case "EmailConfig":
            return _read_email(roots[0])
        case "FileShareConfig":
            return FileShareConfig(
                _texts(roots[0], FSH, "FileShares", "ShareUNC", limit=_MAX_UNC, starts=("\\\\",))
            )
        case "SharePointConfig":
            return _read_share_point(roots[0])
        case _:
            names = _entries(roots[0], dialect, "Name", limit=_MAX_NAME)
            if not names:
                raise xml.of_element(roots[0], "needs at least one Name")
            return NamedConfig(names)


def _read_email(root: Element) -> EmailConfig:
    addresses = xml.find(root, EML, "SendToAddresses")
    can_add = None if addresses is None else xml.attribute(addresses, EML, "CanAddAddresses")
    if can_add is not None and xml.boolean_text(can_add) is None:
        why = "CanAddAddresses is not a boolean"
        raise InvalidArgs("SendToAddresses", why, can_add[:80], namespace=EML)
    return EmailConfig(
        send_to_scan_user=_flag(root, EML, "SendToScanUser"),
        addresses=_texts(root, EML, "SendToAddresses", "EmailAddress", limit=_MAX_ADDRESS),
        can_add_addresses=bool(can_add is not None and xml.boolean_text(can_add)),
    )


def _read_share_point(root: Element) -> SharePointConfig:
    return SharePointConfig(
        save_to_my_site=_flag(root, SHP, "SaveToMySite"),
        site_urls=_texts(
            root,
            SHP,
            "SaveToSharePointSites",
            "SaveToSharePointSiteURL",
            limit=_MAX_URL,
            starts=("http://", "https://"),
        ),
    )


def _flag(root: Element, namespace: str, local: str) -> bool:
    found = xml.find(root, namespace, local)
    return found is not None and xml.boolean(found)


def _texts(
    root: Element,
    namespace: str,
    list_name: str,
    entry_name: str,
    *,
    limit: int,
    starts: tuple[str, ...] = ("",),
) -> tuple[str, ...]:
    """The entries of an optional list that, when it is there, is not empty."""
    holder = xml.find(root, namespace, list_name)
    if holder is None:
        return ()
    values = _entries(holder, namespace, entry_name, limit=limit, starts=starts)
    if not values:
        raise xml.of_element(holder, f"needs at least one {entry_name}")
    return values


def _entries(
    holder: Element,
    namespace: str,
    entry_name: str,
    *,
    limit: int,
    starts: tuple[str, ...] = ("",),
) -> tuple[str, ...]:
    """The texts of all children of that name."""
    values = []
    for entry in xml.children(holder, namespace, entry_name):
        value = xml.raw_text(entry)
        if not value or len(value) > limit:
            raise xml.of_element(entry, f"must have 1 to {limit} characters", value)
        if not value.lower().startswith(starts):
            raise xml.of_element(entry, f"must begin with {' or '.join(starts)}", value)
        values.append(value)
    return tuple(values)


def with_emails(instructions: str, addresses: Iterable[str]) -> str:
    """The instructions of an e-mail filter with more addresses; all else stays as it is."""
    (root,) = roots(instructions)
    holder = xml.need(root, EML, "SendToAddresses")
    at = len(holder) - next(n for n, one in enumerate(reversed(holder)) if _is_address(one))
    for number, address in enumerate(addresses):
        one = etree.Element(f"{{{EML}}}EmailAddress", nsmap=root.nsmap)
        one.text = address
        holder.insert(at + number, one)
    return portable(root)


def _is_address(element: Element) -> bool:
    return element.tag == f"{{{EML}}}EmailAddress"


def with_shares(instructions: str, share_uncs: Sequence[str]) -> str:
    """The instructions of a file-share filter with other shares; all else stays as it is.

    Raises:
        InvalidArgs: there is none.
    """
    if not share_uncs:
        raise InvalidArgs("FileShares", "needs at least one ShareUNC")
    (root,) = roots(instructions)
    holder = xml.find(root, FSH, "FileShares")
    if holder is None:
        holder = etree.SubElement(root, f"{{{FSH}}}FileShares")
        root.insert(0, holder)
    for one in xml.children(holder, FSH, "ShareUNC"):
        holder.remove(one)
    for number, unc in enumerate(share_uncs):
        one = etree.Element(f"{{{FSH}}}ShareUNC", nsmap=root.nsmap)
        one.text = unc
        holder.insert(number, one)
    return portable(root)


def write_file_share(share_uncs: Iterable[str]) -> str:
    """A FileShareConfig."""
    shares = [leaf("fsh:ShareUNC", unc) for unc in share_uncs]
    return _root("fsh:FileShareConfig", element("fsh:FileShares", *shares))


def write_email(config: EmailConfig) -> str:
    """An EmailConfig."""
    addresses = [leaf("eml:EmailAddress", address) for address in config.addresses]
    can_add = attribute("eml:CanAddAddresses", "true") if config.can_add_addresses else ""
    return _root(
        "eml:EmailConfig",
        optional("eml:SendToScanUser", config.send_to_scan_user or None),
        element("eml:SendToAddresses", *addresses, attributes=can_add) if addresses else "",
    )


def write_share_point(config: SharePointConfig) -> str:
    """A SharePointConfig."""
    sites = [leaf("shp:SaveToSharePointSiteURL", url) for url in config.site_urls]
    return _root(
        "shp:SharePointConfig",
        optional("shp:SaveToMySite", config.save_to_my_site or None),
        element("shp:SaveToSharePointSites", *sites) if sites else "",
    )


def write_named(dialect: str, config: NamedConfig) -> str:
    """The instructions of one of our own dialects."""
    prefix = PREFIX_OF[dialect]
    return _root(
        f"{prefix}:{ROOTS[dialect]}", *(leaf(f"{prefix}:Name", name) for name in config.names)
    )


def _root(name: str, *content: str) -> str:
    declared = declarations([name.partition(":")[0]])
    return portable(etree.fromstring(element(name, *content, attributes=declared)))


def portable(root: Element) -> str:
    """`root` as text that means the same in any other document, and always the same text.

    Exclusive canonical XML, plus the declarations that QNames in its values need.

    Raises:
        InvalidArgs: it cannot be written so.
    """
    values = [*root.itertext(), *(str(v) for node in root.iter() for v in node.attrib.values())]
    used = {prefix for value in values for prefix in re.findall(r"(?:^|\s)([\w.-]+):\w", value)}
    known = {prefix for node in root.iter() for prefix in node.nsmap if prefix}
    needed = sorted(used & known)
    try:
        text = etree.tostring(root, method="c14n", exclusive=True, inclusive_ns_prefixes=needed)
    except etree.C14NError:
        why = "holds a relative namespace name"
        raise InvalidArgs("Instructions", why, namespace=PSP) from None
    return text.decode()

"""Scan process documents, and the post-scan instructions that travel in CreatePostScanJob.

The instructions of a filter are kept as XML text: the device passes them on unchanged, known or
not. `filters` reads the known ones.

Source: ws-dsp sections 8.1 to 8.5.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from device.dsp import filters, process_rules
from device.errors import ConfigError, InvalidArgs, MalformedMessage
from device.model.ticket import ScanTicket
from device.soap import xml
from device.soap.namespaces import PSP, SPX, WSCN
from device.soap.write import declarations, element, leaf, optional
from device.soap.xml import Element
from device.ticket.parameters import check_names, check_values
from device.ticket.read import read_ticket

MAX_DOCUMENT = 524_288
"""Characters of a scan process document."""
MAX_TEXT = 255
NO_PROCESS = "00000000-0000-0000-0000-000000000000"
"""The PSP_Identifier of a post-scan job that belongs to no scan process of a directory."""
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, slots=True)
class Filter:
    """One entry of FiltersToProcess. `instructions` is the XML inside psp:Instructions."""

    dialect: str
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class PostScanInstructions:
    """What the scan server shall do with the documents. Without `continue_on_error` it stops."""

    document_root_name: str
    filters: tuple[Filter, ...]
    continue_on_error: bool | None = None

    def only(self, positions: Iterable[int]) -> PostScanInstructions:
        """The same with some of the filters, counted from 0."""
        return replace(self, filters=tuple(self.filters[position] for position in positions))


@dataclass(frozen=True, slots=True)
class ScanProcess:
    """A scan process document. Values of its ticket with MustHonor are locked."""

    scan_repository: str
    ticket: ScanTicket
    instructions: PostScanInstructions
    may_change_file_name: bool = False
    may_change_file_path: bool = False
    psp_identifier: str = NO_PROCESS


def to_own_store(document_root_name: str = "scan") -> PostScanInstructions:
    """Instructions that put the documents into the scan server's own store."""
    share = filters.write_file_share([filters.OWN_STORE])
    return PostScanInstructions(document_root_name, (Filter(filters.FILE_SHARE, share),))


def load(path: Path) -> ScanProcess:
    """Read a scan process from a file. A GUID in the file's name is its PSP_Identifier.

    Raises:
        ConfigError: it cannot be read or is not valid; the sentence names the element.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: the scan process cannot be read: {os.strerror(error.errno or 0)}."
        ) from None
    try:
        process = parse(data)
    except (InvalidArgs, MalformedMessage) as error:
        raise ConfigError(f"{path}: {error}") from None
    return replace(process, psp_identifier=guid_in(path.stem) or NO_PROCESS)


def guid_in(name: str) -> str:
    """The GUID that stands in `name`, in upper case; empty when there is none."""
    found = _GUID.search(name)
    return found.group().upper() if found else ""


def parse(document: bytes | str) -> ScanProcess:
    """Read a scan process. Text from a directory is a `str`: its declared encoding means nothing.

    Raises:
        MalformedMessage: not well-formed, too long, or with a document type.
        InvalidArgs: an element is missing, superfluous, or of the wrong type.
    """
    if isinstance(document, str):
        bare = re.sub(r"^\s*<\?xml[^>]*\?>", "", document.removeprefix("\ufeff"))
        document, length = bare.encode(), len(bare)
    else:
        length = len(document) // (2 if document[:2] in (b"\xff\xfe", b"\xfe\xff") else 1)
    if length > MAX_DOCUMENT:
        raise MalformedMessage(f"it has more than {MAX_DOCUMENT} characters")
    root = xml.parse(document, limit=4 * MAX_DOCUMENT + 4)
    if root.tag != f"{{{PSP}}}PostScanProcess":
        raise InvalidArgs(xml.local_name(root), "is not psp:PostScanProcess, as the root must be")
    return _read_process(root)


def _read_process(root: Element) -> ScanProcess:
    check_children(root, PSP, ("ScanRepository", "ScanTicket", "PostScanInstructions"))
    repository = short_text(only_child(root, PSP, "ScanRepository"))
    process_rules.check_repository(repository)
    ticket = _read_ticket(only_child(root, PSP, "ScanTicket"))
    instructions = read_instructions(only_child(root, PSP, "PostScanInstructions"))
    check_values_of(instructions)
    return ScanProcess(
        scan_repository=repository,
        ticket=ticket,
        instructions=instructions,
        may_change_file_name=_switch(root, "AllowDeviceFileNameChange"),
        may_change_file_path=_switch(root, "AllowDeviceFilePathChange"),
    )


def check_values_of(instructions: PostScanInstructions) -> None:
    """Hold instructions of our own side to more than those that a server reads.

    Raises:
        InvalidArgs: a value in them is nothing that a server could work with.
    """
    process_rules.check_root_name(instructions.document_root_name)
    for entry in instructions.filters:
        process_rules.check_filter(entry.dialect, entry.instructions)


def _read_ticket(element: Element) -> ScanTicket:
    """The ticket, held to more than that of a WS-Scan client is: an administrator wrote it."""
    check_children(element, WSCN, ("JobDescription", "DocumentParameters"))
    description = only_child(element, WSCN, "JobDescription")
    check_children(description, WSCN, ("JobName", "JobOriginatingUserName", "JobInformation"))
    for name in ("JobName", "JobOriginatingUserName"):
        short_text(only_child(description, WSCN, name))
    if xml.find(element, WSCN, "DocumentParameters") is not None:
        check_names(only_child(element, WSCN, "DocumentParameters"))
    ticket = read_ticket(element)
    if ticket.parameters is not None:
        check_values(ticket.parameters)
    return ticket


def _switch(root: Element, local: str) -> bool:
    """One of the two later switches, whose place is undocumented: read anywhere (A27)."""
    return any(xml.boolean(found) for found in root.iter(f"{{{SPX}}}{local}"))


def read_instructions(parent: Element) -> PostScanInstructions:
    """Read the children of a PostScanInstructions element, psp's or dsp's.

    Raises:
        InvalidArgs: an element is missing, superfluous, or of the wrong type.
    """
    check_children(parent, PSP, ("ContinueOnError", "DocumentRootName", "FiltersToProcess"))
    go_on = xml.find(parent, PSP, "ContinueOnError")
    to_process = only_child(parent, PSP, "FiltersToProcess")
    found = tuple(_read_filter(entry) for entry in xml.children(to_process, PSP, "Filter"))
    if not found:
        raise xml.of_element(to_process, "needs at least one Filter")
    root_name = short_text(only_child(parent, PSP, "DocumentRootName"))
    return PostScanInstructions(
        document_root_name=root_name,
        filters=found,
        continue_on_error=None if go_on is None else xml.boolean(go_on),
    )


def _read_filter(entry: Element) -> Filter:
    check_children(entry, PSP, ("Dialect", "Instructions"))
    named = only_child(entry, PSP, "Dialect")
    dialect = xml.text(named)
    if not dialect:
        raise xml.of_element(named, "is empty")
    instructions = only_child(entry, PSP, "Instructions")
    if dialect in filters.ROOTS:
        filters.check(dialect, list(instructions))
    return Filter(dialect, "".join(filters.portable(child) for child in instructions))


def write_instructions(instructions: PostScanInstructions) -> str:
    """The children of a PostScanInstructions element, in their order."""
    entries = (
        element(
            "psp:Filter",
            leaf("psp:Dialect", entry.dialect),
            element("psp:Instructions", entry.instructions),
        )
        for entry in instructions.filters
    )
    return (
        optional("psp:ContinueOnError", instructions.continue_on_error)
        + leaf("psp:DocumentRootName", instructions.document_root_name)
        + element("psp:FiltersToProcess", *entries)
    )


def write_alone(instructions: PostScanInstructions) -> str:
    """A document of its own, for keeping."""
    declared = declarations(["psp"])
    return element(
        "psp:PostScanInstructions", write_instructions(instructions), attributes=declared
    )


def read_alone(text: str) -> PostScanInstructions:
    """What `write_alone` wrote."""
    data = text.encode()
    return read_instructions(xml.parse(data, limit=len(data)))


def only_child(parent: Element, namespace: str, local: str) -> Element:
    """The one child of that name.

    Raises:
        InvalidArgs: there is none, or more than one.
    """
    found = xml.children(parent, namespace, local)
    if len(found) > 1:
        raise xml.of_element(found[1], f"is there {len(found)} times in {xml.local_name(parent)}")
    return found[0] if found else xml.need(parent, namespace, local)


def check_children(parent: Element, namespace: str, allowed: Iterable[str]) -> None:
    """Refuse children of `namespace` that do not belong here; those of others are passed over.

    Raises:
        InvalidArgs: a child has an unknown name.
    """
    names = tuple(allowed)
    for child in parent:
        local = xml.local_name(child)
        if xml.namespace_of(child) == namespace and local not in names:
            raise xml.of_element(child, f"does not belong into {xml.local_name(parent)}")


def short_text(holder: Element) -> str:
    """A text of 1 to 255 characters; white space inside stays.

    Raises:
        InvalidArgs: it is empty or too long.
    """
    value = xml.raw_text(holder)
    if not 1 <= len(value) <= MAX_TEXT:
        raise xml.of_element(holder, f"must have 1 to {MAX_TEXT} characters", value)
    return value

"""Scan processes that the configuration lists, one `[[process]]` each.

[[process]]
name = "Invoices"
file = "invoices.xml"            # a document, beside the configuration; or all that follows:
server = "scan.example.org"
root_name = "invoice"
shares = ['\\\\files\\invoices']
emails = ["office@example.org"]
settings = { Format = "pdf-a", "MediaSides/MediaFront/Resolution/Width" = 300 }
locked = ["Format"]
users = ["joe@example.org"]      # nobody else sees it
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from device.dsp import filters, process, process_rules
from device.dsp.filters import EmailConfig, SharePointConfig
from device.dsp.process import Filter, PostScanInstructions, ScanProcess
from device.errors import ConfigError, InvalidArgs, NoSuchProcess
from device.model.operator import ListedProcess
from device.model.ticket import DocumentParameters, JobDescription, ScanTicket
from device.processes.source import Offer, Visitor
from device.settings import Table
from device.ticket.parameters import PARAMETERS, lock, with_value


@dataclass(frozen=True, slots=True)
class _Entry:
    offer: Offer
    users: frozenset[str]

    def for_user(self, principal: str) -> bool:
        return not self.users or principal.casefold() in self.users


class FixedList:
    """The processes of a configuration, in memory.

    Raises:
        ConfigError: one of them is wrong; the sentence names the key, and the element.
    """

    def __init__(self, tables: tuple[Table, ...]) -> None:
        self._entries: dict[str, _Entry] = {}
        for table in tables:
            entry = _read(table)
            if entry.offer.identifier in self._entries:
                raise table.wrong("name", f"is {entry.offer.name!r}, which another process has")
            self._entries[entry.offer.identifier] = entry

    async def listed(self, visitor: Visitor) -> list[ListedProcess]:
        """Those that the visitor may use."""
        return [
            ListedProcess(entry.offer.identifier, entry.offer.name)
            for entry in self._entries.values()
            if entry.for_user(visitor.user.principal)
        ]

    async def load(self, identifier: str, visitor: Visitor) -> Offer:
        """One of those."""
        entry = self._entries.get(identifier.upper())
        if entry is None or not entry.for_user(visitor.user.principal):
            raise NoSuchProcess(identifier)
        return entry.offer


def _read(table: Table) -> _Entry:
    name = " ".join(table.text("name").split())
    if not name:
        raise table.wrong("name", "is empty")
    users = frozenset(user.casefold() for user in table.texts("users", ()))
    identifier = table.text("identifier", "")
    found = _from_file(table) if "file" in table else _from_keys(table, name)
    table.done()
    if identifier:
        identifier = process.guid_in(identifier)
        if not identifier:
            raise table.wrong("identifier", "must be a GUID")
    elif found.psp_identifier != process.NO_PROCESS:
        identifier = found.psp_identifier
    else:
        identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, name)).upper()
    return _Entry(Offer(identifier, name, replace(found, psp_identifier=identifier)), users)


def _from_file(table: Table) -> ScanProcess:
    path = table.folder / table.text("file", limit=4096)
    try:
        return process.load(path)
    except ConfigError as error:
        raise table.wrong("file", f"cannot be used: {str(error).rstrip('.')}") from None


def _from_keys(table: Table, name: str) -> ScanProcess:
    found = ScanProcess(
        scan_repository=table.text("server"),
        ticket=ScanTicket(JobDescription(name, "wsd-scanner"), _parameters(table)),
        instructions=PostScanInstructions(
            table.text("root_name", "scan"),
            _filters(table),
            table.boolean("continue_on_error", False) or None,
        ),
        may_change_file_name=table.boolean("may_change_file_name", False),
        may_change_file_path=table.boolean("may_change_file_path", False),
    )
    try:
        process_rules.check_repository(found.scan_repository)
        process.check_values_of(found.instructions)
    except InvalidArgs as error:
        raise table.wrong(_KEYS[error.argument], f"cannot be used: {str(error)[:-1]}") from None
    return found


def _parameters(table: Table) -> DocumentParameters:
    settings = table.optional_table("settings")
    locked = table.texts("locked", ())
    parameters = DocumentParameters()
    for path in PARAMETERS:
        if path in settings:
            try:
                parameters = with_value(parameters, path, settings.scalar(path))
            except InvalidArgs as error:
                raise settings.wrong(path, str(error).partition(": ")[2][:-1]) from None
    settings.done(PARAMETERS)
    for path in locked:
        if path not in settings:
            raise table.wrong("locked", f"holds {path!r}, which is not among the settings")
        parameters = lock(parameters, path)
    return parameters


def _filters(table: Table) -> tuple[Filter, ...]:
    """The filters in this order: shares, e-mail, SharePoint."""
    shares = table.texts("shares", ())
    email = EmailConfig(
        table.boolean("email_to_user", False),
        table.texts("emails", ()),
        table.boolean("may_add_emails", False),
    )
    site = SharePointConfig(table.boolean("my_site", False), table.texts("sites", ()))
    if email.can_add_addresses and not email.addresses:
        raise table.wrong("may_add_emails", "needs at least one address in emails")
    found = [
        (filters.FILE_SHARE, filters.write_file_share(shares) if shares else ""),
        (filters.EMAIL, filters.write_email(email) if email != EmailConfig() else ""),
        (
            filters.SHARE_POINT,
            filters.write_share_point(site) if site != SharePointConfig() else "",
        ),
    ]
    wanted = tuple(Filter(dialect, told) for dialect, told in found if told)
    return wanted or process.to_own_store().filters


_KEYS = {
    "ScanRepository": "server",
    "DocumentRootName": "root_name",
    "ShareUNC": "shares",
    "EmailAddress": "emails",
    "SaveToSharePointSiteURL": "sites",
}
"""Element → the key that it is made of."""

"""What a user may change of a scan process before it is started, and nothing else.

Source: ws-dsp section 8.5; MustHonor is taken for the lock that no schema has (A25).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from device.dsp import filters, process, process_rules
from device.dsp.filters import EmailConfig, FileShareConfig
from device.dsp.process import Filter, PostScanInstructions, ScanProcess
from device.errors import ChangeNotAllowed
from device.model.ticket import DocumentParameters
from device.ticket.parameters import Value, wishes, with_value

MAX_EMAILS = 100


@dataclass(frozen=True, slots=True)
class Changes:
    """What a user wants otherwise.

    `settings` are values of the ticket by path, `emails` addresses beside those of the process.
    `shares` takes the place of all shares of the process. None is: as the process has it.
    """

    settings: Mapping[str, Value] = field(default_factory=dict)
    emails: tuple[str, ...] = ()
    file_name: str | None = None
    shares: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Permissions:
    """What of a process may be changed, beside the settings that are not locked."""

    emails: bool
    file_name: bool
    shares: bool


def permissions(found: ScanProcess) -> Permissions:
    """What this process permits."""
    configs = [_config(one) for one in found.instructions.filters]
    return Permissions(
        emails=any(isinstance(one, EmailConfig) and one.can_add_addresses for one in configs),
        file_name=found.may_change_file_name,
        shares=found.may_change_file_path
        and any(isinstance(one, FileShareConfig) for one in configs),
    )


def is_locked(parameters: DocumentParameters, path: str) -> bool:
    """Whether the process wants this very value."""
    wish = wishes(parameters).get(path)
    if wish is not None and wish.must_honor:
        return True
    return parameters.sides_must_honor and path.startswith("MediaSides/") and wish is not None


def changed(found: ScanProcess, wanted: Changes) -> ScanProcess:
    """The process as the user wants it.

    Raises:
        ChangeNotAllowed: the process does not permit one of the changes.
        InvalidArgs: a value is none that could stand there.
    """
    parameters = _with_settings(found.ticket.parameters or DocumentParameters(), wanted.settings)
    ticket = found.ticket
    if wanted.settings:
        ticket = replace(ticket, parameters=parameters)
    instructions = _with_instructions(found, wanted)
    process.check_values_of(instructions)
    return replace(found, ticket=ticket, instructions=instructions)


def _with_settings(before: DocumentParameters, settings: Mapping[str, Value]) -> DocumentParameters:
    after = before
    for path, value in settings.items():
        after = with_value(after, path, value)
    values = wishes(after)
    for path, wish in wishes(before).items():
        if values.get(path) != wish and is_locked(before, path):
            raise ChangeNotAllowed(path, "the scan process wants this very value")
    return after


def _with_instructions(found: ScanProcess, wanted: Changes) -> PostScanInstructions:
    allowed = permissions(found)
    if wanted.file_name is not None and not allowed.file_name:
        raise ChangeNotAllowed("The file name", "the scan process does not let it be changed")
    if wanted.emails and not allowed.emails:
        raise ChangeNotAllowed(
            "The list of e-mail addresses", "the scan process does not let any be added"
        )
    if wanted.shares is not None and not allowed.shares:
        raise ChangeNotAllowed("The file path", "the scan process does not let it be changed")
    for address in wanted.emails:
        process_rules.check_email(address)
    told = found.instructions
    return replace(
        told,
        document_root_name=(
            told.document_root_name if wanted.file_name is None else wanted.file_name
        ),
        filters=tuple(_with_targets(one, wanted) for one in told.filters),
    )


def _with_targets(one: Filter, wanted: Changes) -> Filter:
    match _config(one):
        case EmailConfig(can_add_addresses=True, addresses=known) if wanted.emails:
            more = [address for address in dict.fromkeys(wanted.emails) if address not in known]
            return replace(one, instructions=filters.with_emails(one.instructions, more))
        case FileShareConfig() if wanted.shares is not None:
            return replace(one, instructions=filters.with_shares(one.instructions, wanted.shares))
    return one


def _config(one: Filter) -> filters.Config | None:
    known = one.dialect in filters.ROOTS
    return filters.read(one.dialect, one.instructions) if known else None

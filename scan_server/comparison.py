"""What a device may have changed of a scan process's instructions, and nothing else.

Compared by what it says, not by its letters. Of the filters that the standard knows, that is their
own elements; of others it is all of their XML but blanks between elements.

Source: ws-dsp section 8.5; rule P4.
"""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from device.dsp import filters
from device.dsp.filters import EmailConfig, FileShareConfig
from device.dsp.process import Filter, PostScanInstructions, ScanProcess
from device.soap.namespaces import EML, FSH

_PARSER = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)


NAMESPACES = {"SendToAddresses": EML, "FileShares": FSH}
"""Of the elements that `difference` names; all others are psp's."""


def difference(process: ScanProcess, asked: PostScanInstructions) -> str:
    """The element that differs from the process though it must not; empty when there is none."""
    told = process.instructions
    if bool(asked.continue_on_error) != bool(told.continue_on_error):
        return "ContinueOnError"
    if asked.document_root_name != told.document_root_name and not process.may_change_file_name:
        return "DocumentRootName"
    if [one.dialect for one in asked.filters] != [one.dialect for one in told.filters]:
        return "FiltersToProcess"
    for ours, theirs in zip(told.filters, asked.filters, strict=True):
        if found := _filter_difference(ours, theirs, process.may_change_file_path):
            return found
    return ""


def _filter_difference(ours: Filter, theirs: Filter, may_change_path: bool) -> str:
    if ours.dialect not in filters.ROOTS:
        same = _bare(ours.instructions) == _bare(theirs.instructions)
        return "" if same else "Instructions"
    told = filters.read(ours.dialect, ours.instructions)
    asked = filters.read(theirs.dialect, theirs.instructions)
    match told, asked:
        case EmailConfig(), EmailConfig():
            added = set(asked.addresses) - set(told.addresses)
            removed = set(told.addresses) - set(asked.addresses)
            if removed or (added and not told.can_add_addresses):
                return "SendToAddresses"
            asked = replace(asked, addresses=told.addresses)
        case FileShareConfig(), FileShareConfig() if asked != told:
            return "" if may_change_path and asked.share_uncs else "FileShares"
    return "" if asked == told else "Instructions"


def _bare(instructions: str) -> bytes:
    """The XML in a form that is the same for the same information."""
    root = etree.fromstring(f"<psp>{instructions}</psp>", _PARSER)
    return etree.tostring(root, method="c14n", exclusive=True)

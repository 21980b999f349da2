"""Whether this device can do what a scan process asks for, and what it would make of it."""

from __future__ import annotations

from collections.abc import Iterator

from device.dsp import filters
from device.dsp.filters import EmailConfig, FileShareConfig, NamedConfig, SharePointConfig
from device.dsp.process import Filter, ScanProcess
from device.errors import ProcessUnusable
from device.model.capabilities import ScannerConfiguration
from device.model.ticket import ScanTicket
from device.scan.validation import Verdict, resolve


def fit(
    name: str,
    found: ScanProcess,
    configuration: ScannerConfiguration,
    default: ScanTicket,
    *,
    feeder_loaded: bool,
) -> Verdict:
    """What the device makes of the process's ticket; what the ticket leaves out is the default's.

    Raises:
        ProcessUnusable: the device cannot do what must be honored.
    """
    verdict = resolve(found.ticket, configuration, default, feeder_loaded=feeder_loaded)
    if verdict.error is not None:
        raise ProcessUnusable(name, f"this device cannot do what it asks: {verdict.error}")
    return verdict


_OWN = {
    filters.HTTP_HOOK: "the server's hook",
    filters.COMMAND: "the server's command",
    filters.OBJECT_STORAGE: "the server's bucket",
}


def targets(found: ScanProcess) -> Iterator[str]:
    """Where the documents will go, one phrase each."""
    for one in found.instructions.filters:
        yield from _targets(one)


def _targets(one: Filter) -> Iterator[str]:
    if one.dialect not in filters.ROOTS:
        yield f"a filter of the server's own: {one.dialect}"
        return
    match filters.read(one.dialect, one.instructions):
        case EmailConfig(send_to_scan_user=to_user, addresses=addresses):
            yield from (f"e-mail to {address}" for address in addresses)
            if to_user:
                yield "e-mail to the user"
        case FileShareConfig(share_uncs=uncs):
            for unc in uncs:
                yield "the scan server's own store" if unc == filters.OWN_STORE else unc
        case SharePointConfig(save_to_my_site=mine, site_urls=urls):
            yield from urls
            if mine:
                yield "the user's own site"
        case NamedConfig(names=names):
            yield from (f"{_OWN[one.dialect]} {name}" for name in names)

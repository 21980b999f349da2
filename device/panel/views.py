"""What the panel shows of each thing, as JSON can hold it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from device.eventing.subscriptions import Subscription
from device.jobs.tray import Tray
from device.model.capabilities import is_feeder
from device.model.job import JobRecord
from device.model.status import DeviceCondition, ScannerStatus
from device.panel.answers import Json
from device.panel.journal import Entry
from device.scan.destinations import Destination, Press
from scanner_backends.base import TrayPage

if TYPE_CHECKING:
    from device.dsp.words import JobStatus
    from device.processes.under_way import Shown


def status(value: ScannerStatus) -> Json:
    """The scanner's state."""
    return {
        "state": value.state,
        "reasons": list(value.reasons),
        "conditions": [condition(one) for one in value.conditions],
    }


def condition(value: DeviceCondition) -> Json:
    """Something that is the matter."""
    return {
        "id": value.condition_id,
        "name": value.name,
        "component": value.component,
        "severity": value.severity,
        "time": value.time.isoformat(),
    }


def feeder(tray: Tray) -> Json:
    """What lies in the feeder. A real scanner does not tell: then `empty` is null."""
    return {
        "virtual": tray.virtual,
        "empty": tray.feeder_empty if tray.virtual else None,
        "pages": [page(one, tray) for one in tray.feeder],
    }


def platen(tray: Tray) -> Json:
    """What lies on the glass, and what will lie there after it, over and over."""
    return {
        "virtual": tray.virtual,
        "empty": tray.platen_empty if tray.virtual else None,
        "pages": [page(one, tray) for one in tray.platen],
    }


def page(value: TrayPage, tray: Tray) -> Json:
    """One side of a sheet; a sheet is called by the number of its front.

    `picture` is a path below that of the device's resources, another one when the source was read
    again, for its pages may be others then.
    """
    return {
        "number": value.number,
        "label": value.label,
        "back": value.back,
        "picture": f"pages/{value.number}/picture?load={tray.loads}",
    }


def destination(value: Destination) -> Json:
    """An entry of the list of computers; its token is the client's business."""
    return {
        "id": value.number,
        "name": value.name,
        "context": value.context,
        "client": value.peer,
        "subscription": value.subscription,
    }


def press(value: Press) -> Json:
    """A press of the scan button; its identifier is the client's business."""
    return {
        "id": value.number,
        "destination": destination(value.destination),
        "source": value.source,
        "state": value.state,
        "jobs": list(value.jobs),
    }


def job(value: JobRecord, pictures: int) -> Json:
    """A job, live or finished; so many pictures there are of its pages."""
    found, names = value.status, value.ticket.description
    return {
        "id": found.job_id,
        "state": found.state,
        "reasons": list(found.reasons),
        "scans_completed": found.scans_completed,
        "images_wanted": images_wanted(value),
        "pictures": [f"jobs/{found.job_id}/pictures/{n + 1}" for n in range(pictures)],
        "name": names.job_name,
        "user": names.job_originating_user_name,
        "source": value.parameters.input_source.value,
        "format": value.parameters.format.value,
        "created": found.created.isoformat(),
        "completed": found.completed.isoformat() if found.completed else None,
    }


def images_wanted(value: JobRecord) -> int | None:
    """How many images a job is for, None if it is for all there are."""
    if not is_feeder(value.parameters.input_source.value):
        return 1
    return value.parameters.images_to_transfer.value or None


def subscriber(value: Subscription, now: float, wall: datetime, waiting: int) -> Json:
    """Who listens to what; `now` and `wall` are the same moment by either clock."""
    left_s = max(0.0, value.expires_at - now)
    return {
        "id": value.identifier,
        "client": value.peer,
        "notify_to": value.notify_to.url,
        "events": sorted(action.rpartition("/")[2] for action in value.actions),
        "expires": (wall + timedelta(seconds=left_s + 0.5)).isoformat(timespec="seconds"),
        "expires_in_s": round(left_s),
        "waiting": waiting,
        "failures": value.failures,
    }


def entry(value: Entry, *, whole: bool = False) -> Json:
    """An exchange; its XML only when it is asked for `whole`."""
    exchange = value.exchange
    shown: Json = {
        "id": value.number,
        "time": value.time.isoformat(),
        "direction": value.direction,
        "peer": exchange.peer,
        "name": value.name,
        "action": exchange.action,
        "outcome": exchange.outcome,
        "milliseconds": round(1000 * exchange.seconds, 1),
        "received_octets": value.received_octets,
        "sent_octets": value.sent_octets,
    }
    if whole:
        shown |= {"request_xml": value.request_xml, "reply_xml": value.reply_xml}
    return shown


def delivery(one: Shown) -> Json:
    """A delivery; whose it is, but not by the identifier that the directory has."""
    return {
        "id": one.number,
        "process": one.process,
        "user": one.principal,
        "server": one.server,
        "began": one.began.isoformat(),
        "standing": one.standing,
        "job": one.scan_job,
        "pages": one.pages,
        "received": one.received,
        "doing": one.doing,
        "trouble": one.trouble,
        "post_scan_job": None if one.post_scan_job is None else _post_scan_job(one.post_scan_job),
        "summary": one.summary,
    }


def _post_scan_job(found: JobStatus) -> Json:
    return {
        "state": found.state,
        "reasons": list(found.reasons),
        "images_received": found.images_received,
        "filters": [
            {"dialect": one.dialect, "state": one.state, "reasons": list(one.reasons)}
            for one in found.filters
        ],
    }

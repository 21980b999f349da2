"""What the front panel says, as lines for people.

Names come from strangers on the network: whatever could steer a terminal is shown as `?`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

Json = dict[str, Any]


def plain(value: object) -> str:
    """`value` without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def table(rows: Iterable[Sequence[object]]) -> list[str]:
    """Columns, each as wide as its widest entry."""
    shown = [[plain(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def state(value: Json) -> list[str]:
    """The whole device at a glance."""
    scanner = value["scanner"]
    reasons = ", ".join(reason for reason in scanner["reasons"] if reason != "None")
    return [
        plain(f"{value['name']} ({value['model']})"),
        plain(f"{value['url']} urn:uuid:{value['uuid']}"),
        plain(f"{scanner['state']}: {reasons}" if reasons else scanner["state"]),
        *feeder(value["feeder"]),
        f"jobs {value['jobs']}, destinations {value['destinations']}, "
        f"subscribers {value['subscribers']}",
    ]


def feeder(value: Json) -> list[str]:
    """How much lies in the feeder."""
    if value["empty"] is None:
        return ["feeder: a real one, which does not tell"]
    sheets = sum(not page["back"] for page in value["pages"])
    return [f"feeder: {sheets} sheet{'s' * (sheets != 1)}" if sheets else "feeder: empty"]


def platen(value: Json) -> list[str]:
    """What lies on the glass."""
    return [f"glass: {', '.join(page['label'] for page in value['pages'])}"]


def devices(values: list[Json]) -> list[str]:
    """The devices behind one panel."""
    return table((one["uuid"], one["name"], one["state"], one["url"]) for one in values)


def destinations(values: list[Json]) -> list[str]:
    """The list that the panel shows."""
    if not values:
        return ["No computer has registered."]
    return table((one["id"], one["name"], one["client"], one["context"]) for one in values)


def press(value: Json) -> list[str]:
    """A press, and what became of it."""
    where, jobs = value["destination"], value["jobs"]
    made = f", job {', '.join(map(str, jobs))}" if jobs else ""
    return [plain(f"{value['source']} to {where['name']}: {value['state']}{made}")]


def jobs(values: list[Json]) -> list[str]:
    """Live jobs before finished ones, as they are given."""
    if not values:
        return ["There are no jobs."]
    return table(
        (
            one["id"],
            clock_time(one["created"]),
            job_state(one),
            f"{one['scans_completed']} done",
            one["source"],
            one["format"],
            one["name"],
            one["user"],
        )
        for one in values
    )


def job_state(value: Json) -> str:
    """The state, with the reasons that say more than it."""
    said = (value["state"], "None", f"Job{value['state']}Successfully")
    reasons = ", ".join(reason for reason in value["reasons"] if reason not in said)
    return f"{value['state']} ({reasons})" if reasons else str(value["state"])


def conditions(values: list[Json]) -> list[str]:
    """What is the matter."""
    if not values:
        return ["Nothing is the matter."]
    return table(
        (one["id"], clock_time(one["time"]), one["name"], one["component"], one["severity"])
        for one in values
    )


def subscribers(values: list[Json]) -> list[str]:
    """Who listens to what, and how long yet."""
    if not values:
        return ["Nobody listens."]
    return table(
        (
            one["id"],
            one["client"],
            one["notify_to"],
            f"{one['expires_in_s']} s",
            f"{one['waiting']} waiting",
            f"{one['failures']} failed",
            " ".join(one["events"]),
        )
        for one in values
    )


def journal(values: list[Json]) -> list[str]:
    """One line for each exchange, and its XML where it was asked for."""
    lines = []
    for one in values:
        arrow = "->" if one["direction"] == "event" else "<-"
        lines.append(
            plain(
                f"{one['id']:>5}  {clock_time(one['time'])}  {arrow} {one['peer']}  {one['name']}  "
                f"{one['outcome']}  {one['milliseconds']} ms, "
                f"{one['received_octets']} octets in, {one['sent_octets']} out"
            )
        )
        for part in ("request_xml", "reply_xml"):
            lines += [f"       {plain(line)}" for line in one.get(part, "").splitlines()]
    return lines


def clock_time(stamp: str) -> str:
    """The local time of day of an xs:dateTime."""
    return datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S")

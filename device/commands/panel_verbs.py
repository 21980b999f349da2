"""What each word after `wsd-scanner panel` does."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from device.clock import SystemClock
from device.commands import panel_text as text
from device.commands.panel_client import Failed, PanelClient, no_such, wait_for
from device.commands.parser import say
from device.errors import ConfigError
from device.model.status import ConditionName
from device.panel.journal import MAX_LISTED, MAX_WAIT_S
from device.settings import read_number

EXIT_NO_ANSWER = 3
MAX_WAIT_ALL_S = 86_400


def _show(parsed: argparse.Namespace, value: Any, lines: Sequence[str]) -> int:
    """The answer as lines, or as it is."""
    if getattr(parsed, "json", False):
        say(json.dumps(value, indent=2))
    elif lines:
        say("\n".join(lines))
    return 0


def _seconds(parsed: argparse.Namespace) -> float:
    return 0.0 if parsed.wait is None else read_number("--wait", parsed.wait, 0, MAX_WAIT_ALL_S)


def state(client: PanelClient, parsed: argparse.Namespace) -> int:
    """The device and its state."""
    value = client.get("state")
    return _show(parsed, value, text.state(value))


def devices(client: PanelClient, parsed: argparse.Namespace) -> int:
    """The devices behind this panel."""
    value = client.get("devices")
    return _show(parsed, value, text.devices(value))


def load(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Read the source afresh, or lay files in; exit code 1 if some of them are no pages."""
    if not parsed.files:
        if parsed.glass:
            raise ConfigError("--glass needs a file to lay on it.")
        value = client.ask("POST", "feeder/load")
        return _show(parsed, value, text.feeder(value))
    value = client.upload("platen/sheets" if parsed.glass else "feeder/sheets", parsed.files)
    _show(
        parsed,
        value,
        text.platen(value["platen"]) if parsed.glass else text.feeder(value["feeder"]),
    )
    for sentence in value["refused"]:
        print(f"left out: {sentence}", file=sys.stderr)
    return 1 if value["refused"] else 0


def empty(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Empty the feeder."""
    value = client.ask("POST", "feeder/empty")
    return _show(parsed, value, text.feeder(value))


def destinations(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Who waits for scans; with `--wait`, once there is somebody."""
    seconds = _seconds(parsed)
    found = wait_for(lambda: client.get("destinations"), seconds, SystemClock())
    if not found and parsed.wait is not None:
        raise Failed(f"No computer has registered in {seconds:g} seconds.", EXIT_NO_ANSWER)
    return _show(parsed, found or [], text.destinations(found or []))


def press(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Press the button; with `--wait`, until a job of it has ended."""
    seconds = _seconds(parsed)
    chosen = _chosen(client.get("destinations"), parsed.destination)
    body = {} if parsed.source is None else {"source": parsed.source}
    pressed = client.ask("POST", f"destinations/{chosen['id']}/press", body)
    if parsed.wait is None:
        return _show(parsed, pressed, text.press(pressed))
    path = f"presses/{pressed['id']}"

    def over() -> Any:
        found = client.get(path)
        return found if found["state"] in ("done", "no answer") else None

    found = wait_for(over, seconds, SystemClock()) or client.get(path)
    _show(parsed, found, text.press(found))
    if not found["jobs"]:
        raise Failed(f"{chosen['name']} has not answered.", EXIT_NO_ANSWER)
    if found["state"] != "done":
        raise Failed(f"The scan is not over after {seconds:g} seconds.", EXIT_NO_ANSWER)
    ended = [client.get(f"jobs/{number}") for number in found["jobs"]]
    for job in ended:
        if job["state"] != "Completed":
            raise Failed(f"Job {job['id']} ended {text.job_state(job)}.")
    return 0


def _chosen(known: list[text.Json], wanted: str | None) -> text.Json:
    """The destination that is meant. Raises ConfigError, naming those that there are."""
    names = sorted({one["name"] for one in known})
    if wanted is None:
        if len(known) == 1:
            return known[0]
        if not known:
            raise ConfigError("There is no destination: no computer has registered.")
        listed = text.plain(", ".join(names))
        raise ConfigError(f"There are {len(known)} destinations; name one of: {listed}.")
    for fits in (
        lambda one: str(one["id"]) == wanted,
        lambda one: one["name"] == wanted,
        lambda one: one["name"].casefold() == wanted.casefold(),
    ):
        found = [one for one in known if fits(one)]
        if len(found) > 1:
            numbers = ", ".join(f"{one['id']} at {one['client']}" for one in found)
            raise ConfigError(f"Several destinations are called {wanted!r}: {numbers}.")
        if found:
            return found[0]
    raise no_such("destination", wanted, names)


def jobs(client: PanelClient, parsed: argparse.Namespace) -> int:
    """All jobs."""
    value = client.get("jobs")
    return _show(parsed, value, text.jobs([*value["active"], *value["history"]]))


def cancel(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Cancel one job."""
    number = parsed.job
    if number is None:
        active = client.get("jobs")["active"]
        if len(active) != 1:
            numbers = ", ".join(str(one["id"]) for one in active)
            raise ConfigError(
                f"There are {len(active)} jobs; name one of: {numbers}."
                if active
                else "There is no job to cancel."
            )
        number = active[0]["id"]
    value = client.ask("POST", f"jobs/{quote(str(number), safe='')}/cancel")
    return _show(parsed, value, text.jobs([value]))


def conditions(client: PanelClient, parsed: argparse.Namespace) -> int:
    """What is the matter."""
    value = client.get("conditions")
    return _show(parsed, value, text.conditions(value))


def jam(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Raise MediaJam."""
    return _raised(client, parsed, ConditionName.MEDIA_JAM)


def raise_condition(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Raise any condition."""
    return _raised(client, parsed, parsed.name, parsed.severity)


def _raised(
    client: PanelClient, parsed: argparse.Namespace, name: str, severity: str | None = None
) -> int:
    wanted = {"name": name, "component": parsed.component, "severity": severity}
    body = {key: value for key, value in wanted.items() if value is not None}
    value = client.ask("POST", "conditions", body)
    return _show(parsed, value, text.conditions([value]))


def clear(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Clear conditions, and show those that are left."""
    active = client.get("conditions")
    if parsed.what:
        chosen = [one for word in dict.fromkeys(parsed.what) for one in _meant(active, word)]
    else:
        chosen = [one for one in active if one["name"] != ConditionName.INPUT_TRAY_EMPTY]
    for one in {one["id"]: one for one in chosen}:
        client.ask("DELETE", f"conditions/{one}")
    left = client.get("conditions")
    return _show(parsed, left, text.conditions(left))


def _meant(active: list[text.Json], word: str) -> list[text.Json]:
    """The conditions of that number or name. Raises ConfigError: there is none."""
    found = [one for one in active if word in (str(one["id"]), one["name"])]
    if not found:
        raise no_such("condition", word, sorted({one["name"] for one in active}))
    return found


def subscribers(client: PanelClient, parsed: argparse.Namespace) -> int:
    """Who listens."""
    value = client.get("subscribers")
    return _show(parsed, value, text.subscribers(value))


def journal(client: PanelClient, parsed: argparse.Namespace) -> int:
    """What was said; with `--wait`, once something passes the filter."""
    query: dict[str, str | float] = {}
    for key in ("action", "direction", "peer", "outcome"):
        if getattr(parsed, key) is not None:
            query[key] = getattr(parsed, key)
    for key, low, high in (("after", 0, 2**53), ("limit", 1, MAX_LISTED)):
        if getattr(parsed, key) is not None:
            query[key] = read_number(f"--{key}", getattr(parsed, key), low, high, whole=True)
    clock = SystemClock()
    seconds = _seconds(parsed)
    deadline = clock.monotonic() + seconds

    def look() -> Any:
        left = max(0.0, deadline - clock.monotonic())
        wait_s = MAX_WAIT_S if parsed.follow else min(left, MAX_WAIT_S)
        found = client.get("journal", {**query, "wait": round(wait_s, 3)}, wait_s=wait_s)
        if parsed.xml:
            found = [client.get(f"journal/{one['id']}") for one in found]
        return found

    while parsed.follow:
        for one in look():
            query["after"] = one["id"]
            lines = text.journal([one])
            say(json.dumps(one) if getattr(parsed, "json", False) else "\n".join(lines))
        query.pop("limit", None)
    found = wait_for(look, seconds, clock)
    if not found and parsed.wait is not None:
        raise Failed(f"Nothing of that kind came in {seconds:g} seconds.", EXIT_NO_ANSWER)
    return _show(parsed, found or [], text.journal(found or []))

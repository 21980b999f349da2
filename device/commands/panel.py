"""panel: the front panel of a running device, from the command line."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from enum import StrEnum

from device.commands import panel_text as text
from device.commands import panel_verbs as verbs
from device.commands.panel_client import TOKEN_VARIABLE, Failed, PanelClient, default_url
from device.commands.parser import Commands, Parser, add_command
from device.config import PANEL_URL_VARIABLE
from device.model.status import Component, ConditionName, Severity
from device.panel.journal import Direction

EPILOG = f"""\
It talks to the front panel of a device that runs: on this machine at port 8358, or where --panel
or {PANEL_URL_VARIABLE} says. --json prints what the panel answered, for scripts.

examples:
  wsd-scanner panel load; wsd-scanner panel load letter.pdf photo.jpg
  wsd-scanner panel destinations --wait 30
  wsd-scanner panel press "Scan to DESK-7" --source ADF --wait 60
  wsd-scanner panel jam; wsd-scanner panel clear
  wsd-scanner panel raise CoverOpen --component Platen
  wsd-scanner panel jobs --json
  wsd-scanner panel journal --action CreateScanJob --wait 10 --xml
  wsd-scanner panel --panel http://192.168.1.5:8358 --token SESAME state

exit codes: 0 done; 1 the device refuses, or nobody listens there; 2 wrong use, no such thing, or a
wrong token; 3 nothing came in the time of --wait
"""

Verb = Callable[[PanelClient, argparse.Namespace], int]


def add_panel(name: str, commands: Commands) -> None:
    """The command `panel`."""
    parser = add_command(
        name, commands, _help, "press the buttons of a running device, and watch it", EPILOG
    )
    _add_common(parser)
    words = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    def add(verb: Verb, word: str, summary: str, epilog: str = "") -> Parser:
        made = add_command(word, words, _run, summary, epilog)
        made.set_defaults(verb=verb)
        _add_common(made)
        return made

    add(verbs.state, "state", "show the device and its state")
    add(verbs.devices, "devices", "list the devices behind this panel")
    _add_files(add(verbs.load, "load", "fill the feeder from the source, or lay files in"))
    add(verbs.empty, "empty", "take every sheet out of the feeder")
    _add_wait(add(verbs.destinations, "destinations", "list the computers that wait for scans"))
    _add_press(add(verbs.press, "press", "press the scan button for a destination", PRESS_EPILOG))
    add(verbs.jobs, "jobs", "list the jobs, those not finished first")
    add(verbs.cancel, "cancel", "cancel a job at the device").add_argument(
        "job", nargs="?", metavar="JOB", help="its number (default: the only one there is)"
    )
    add(verbs.conditions, "conditions", "list what is the matter")
    _add_where(add(verbs.jam, "jam", "let a sheet get stuck: raise MediaJam"))
    _add_raise(add(verbs.raise_condition, "raise", "let something be the matter"))
    add(verbs.clear, "clear", "mend what is the matter").add_argument(
        "what",
        nargs="*",
        metavar="CONDITION",
        help="name or number (default: everything but an empty feeder)",
    )
    add(verbs.subscribers, "subscribers", "list who listens to events")
    _add_journal(
        add(verbs.journal, "journal", "list what clients sent and were told", JOURNAL_EPILOG)
    )


PRESS_EPILOG = """\
With --wait, the end of the scan is waited for: exit code 0 when its job has ended well, 1 when it
ended otherwise, 3 when the computer did not answer. A client that makes a job for each sheet has
one of them ended then.

examples:
  wsd-scanner panel press
  wsd-scanner panel press "Scan to DESK-7" --source Platen --wait 60
"""

JOURNAL_EPILOG = """\
With --wait, what passes the filter is waited for, and exit code 3 says that nothing came.

examples:
  wsd-scanner panel journal --limit 20
  wsd-scanner panel journal --action CreateScanJob --wait 10 --xml
  wsd-scanner panel journal --direction event --follow
"""


def _add_common(parser: Parser) -> None:
    """The same flags before and after the word that says what to do."""
    parser.add_argument(
        "--panel",
        dest="panel_url",
        metavar="URL",
        default=argparse.SUPPRESS,
        help=f"where the panel is (default: {default_url({})})",
    )
    parser.add_argument(
        "--token",
        default=argparse.SUPPRESS,
        help=f"what the panel asks for; others see it in the list of processes, not so in "
        f"{TOKEN_VARIABLE}",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="name or UUID of one of several devices (default: the first)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print what the panel answers, as JSON",
    )


def _add_wait(parser: Parser) -> None:
    parser.add_argument("--wait", metavar="SECONDS", help="wait for it, at most so long")


def _add_files(parser: Parser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="JPEG, PNG, BMP, TIFF or PDF, laid under the stack (default: the source's own pages)",
    )
    parser.add_argument("--glass", action="store_true", help="lay them on the glass instead")


def _add_press(parser: Parser) -> None:
    parser.add_argument(
        "destination",
        nargs="?",
        metavar="DESTINATION",
        help="name or number (default: the only one there is)",
    )
    parser.add_argument(
        "--source", metavar="SOURCE", help="ADF, ADFDuplex or Platen (default: what has pages)"
    )
    _add_wait(parser)


def _add_where(parser: Parser) -> None:
    parser.add_argument(
        "--component", choices=[*Component], metavar="COMPONENT", help=_listed(Component)
    )


def _add_raise(parser: Parser) -> None:
    parser.add_argument(
        "name", choices=[*ConditionName], metavar="CONDITION", help=_listed(ConditionName)
    )
    _add_where(parser)
    parser.add_argument(
        "--severity", choices=[*Severity], metavar="SEVERITY", help=_listed(Severity)
    )


def _add_journal(parser: Parser) -> None:
    parser.add_argument("--action", help="a whole action, or its last part such as CreateScanJob")
    parser.add_argument(
        "--direction", choices=[*Direction], metavar="DIRECTION", help=_listed(Direction)
    )
    parser.add_argument("--peer", metavar="ADDRESS", help="a client's address, or a sink's URL")
    parser.add_argument("--outcome", help="ok, a fault's subcode, or what became of an event")
    parser.add_argument("--after", metavar="NUMBER", help="only what came after that entry")
    parser.add_argument("--limit", metavar="NUMBER", help="only the latest so many")
    parser.add_argument("--xml", action="store_true", help="with the messages themselves")
    parser.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    _add_wait(parser)


def _listed(words: type[StrEnum]) -> str:
    return ", ".join(words)


def _help(parsed: argparse.Namespace) -> int:
    parsed.parser.print_help(sys.stderr)
    return 2


def _run(parsed: argparse.Namespace) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may not fit this terminal
    url = getattr(parsed, "panel_url", None) or default_url(os.environ)
    token = getattr(parsed, "token", None)
    client = PanelClient(url, os.environ.get(TOKEN_VARIABLE, "") if token is None else token)
    verb: Verb = parsed.verb
    try:
        if getattr(parsed, "device", None):
            client.choose(parsed.device)
        return verb(client, parsed)
    except Failed as failed:
        print(f"wsd-scanner: {text.plain(failed)}", file=sys.stderr)
        return failed.code

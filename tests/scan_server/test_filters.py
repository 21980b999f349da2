"""Filters over the wire: what a scan process names, and what the statuses say of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.dsp_client import OWN_STORE, Reply
from support.mail_server import Mailbox, MailServer
from support.wait import wait_until

from .conftest import Start

CMD = "urn:wsd-scanner:filter/command"
EML = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/email"


def email(*addresses: str, to_user: bool = False) -> tuple[str, str]:
    listed = "".join(f"<m:EmailAddress>{one}</m:EmailAddress>" for one in addresses)
    to = f'<m:SendToAddresses m:CanAddAddresses="true">{listed}</m:SendToAddresses>'
    user = f"<m:SendToScanUser>{str(to_user).lower()}</m:SendToScanUser>"
    return EML, f'<m:EmailConfig xmlns:m="{EML}">{user}{to if addresses else ""}</m:EmailConfig>'


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """A mail server, and the settings of filters that know it in `filters.toml`."""
    box = Mailbox()
    server = MailServer(box)
    server.start()
    host, port = server.address
    (tmp_path / "filters.toml").write_text(
        f'[email]\nhost = "{host}"\nport = {port}\nencryption = "none"\n'
        'sender = "scanner@example.org"\nallow = ["*@example.org"]\ntries = 3\npause = 0.01\n'
    )
    (tmp_path / "users.toml").write_text(
        '[[user]]\nsid = "S-1-5-21-1-2-3-1000"\nname = "ann@example.org"\n'
        'mail = "a.nother@example.org"\n'
    )
    yield box
    server.stop()


def run(start: Start, tmp_path: Path, *entries: tuple[str, str], **more: bool) -> Reply:
    """A job of two pages, until it has ended."""
    server = start(filters=tmp_path / "filters.toml", users=tmp_path / "users.toml")
    client = server.client
    token = client.new_job(*entries, **more)
    for number in (1, 2):
        client.send_image(token, number, b"page %d" % number)
    client.end(token)
    return wait_until(lambda: client.ended(token), 10, "end")


@pytest.mark.conformance("SI-02")
def test_mail_for_the_user_and_for_others(start: Start, tmp_path: Path, mailbox: Mailbox) -> None:
    ended = run(start, tmp_path, OWN_STORE, email("b@example.org", to_user=True))
    assert ended.texts("FilterState") == ["CompletedSuccessfully"] * 2
    (envelope,) = mailbox.taken
    assert envelope.rcpt_tos == ["b@example.org", "a.nother@example.org"]
    assert [data for _, _, data in mailbox.attachments()] == [b"page 1", b"page 2"]
    assert all("_ann@example.org_" in str(name) for name, _, _ in mailbox.attachments())


def test_what_passes_is_tried_again(start: Start, tmp_path: Path, mailbox: Mailbox) -> None:
    mailbox.data_reply = ["451 busy", "451 busy"]
    ended = run(start, tmp_path, email("b@example.org"))
    assert ended.text("JobState") == "Completed"
    assert len(mailbox.taken) == 1


@pytest.mark.conformance("SS-12", "SR-09")
@pytest.mark.parametrize("go_on", [True, False, None])
def test_a_mail_that_is_refused(
    start: Start, tmp_path: Path, mailbox: Mailbox, go_on: bool | None
) -> None:
    refused = email("b@else.where")
    ended = run(start, tmp_path, refused, OWN_STORE, continue_on_error=go_on)
    last = "CompletedSuccessfully" if go_on else "Canceled"
    assert ended.texts("FilterState") == ["CompletedWithErrors", last]
    assert ended.texts("FilterStateReason") == ["UnableToSendEmail"]
    state, reason = (
        ("Completed", "PostScanJobCompletedWithErrors")
        if go_on
        else ("Aborted", "PostScanJobProcessingFailed")
    )
    assert (ended.text("JobState"), ended.text("JobStateReason")) == (state, reason)
    assert not mailbox.taken


@pytest.mark.conformance("SI-09")
def test_a_filter_that_is_not_set_up(start: Start) -> None:
    """It is as unknown as any other: alone it is refused."""
    client = start().client
    assert client.create(email("b@example.org")).subcode == "InvalidArgs"
    assert client.create(OWN_STORE, email("b@example.org")).name == "CreatePostScanJobResponse"


@pytest.mark.conformance("SJ-10", "SX-06")
def test_a_dialect_of_our_own(start: Start, tmp_path: Path) -> None:
    program, told = tmp_path / "program", tmp_path / "told"
    program.write_text(f'#!/bin/sh\ncat "$@" >{told}\nexit 3\n')
    program.chmod(0o755)
    (tmp_path / "users.toml").write_text("")
    (tmp_path / "filters.toml").write_text(
        f'[[command.command]]\nname = "join"\nrun = ["{program}", "{{files}}"]\nwarnings = [3]\n'
    )
    named = f'<c:CommandConfig xmlns:c="{CMD}"><c:Name>join</c:Name></c:CommandConfig>'
    ended = run(start, tmp_path, (CMD, named), OWN_STORE)
    assert told.read_bytes() == b"page 1page 2"
    assert ended.texts("FilterState") == ["CompletedWithWarnings", "CompletedSuccessfully"]
    assert ended.texts("FilterStateReason") == ["UnknownError"]
    assert ended.text("JobStateReason") == "PostScanJobCompletedWithWarnings"


def test_instructions_of_our_own_without_a_name(start: Start) -> None:
    client = start().client
    empty = f'<c:CommandConfig xmlns:c="{CMD}"/>'
    assert client.create((CMD, empty), OWN_STORE).subcode == "InvalidArgs"

"""States and reasons that take a special filter, or a special disk, to be seen over the wire."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from clients.dsp_client import OWN_STORE, DspClient
from eventing.subscriber import Sink
from support import dsp_rules
from support.wait import wait_until

from scan_server import storage

from .conftest import Running, Start

CMD = "urn:wsd-scanner:filter/command"
STATUS, END = "PostScanJobStatusEvent", "PostScanJobEndStateEvent"


def command(name: str) -> tuple[str, str]:
    return CMD, f'<c:CommandConfig xmlns:c="{CMD}"><c:Name>{name}</c:Name></c:CommandConfig>'


@pytest.fixture
def sink() -> Iterator[Sink]:
    with closing(Sink()) as one:
        yield one


@pytest.fixture
def server(start: Start, sink: Sink, tmp_path: Path) -> Running:
    """With a filter that waits until it is told to end."""
    os.mkfifo(tmp_path / "begun")
    program = tmp_path / "wait"
    program.write_text(f"#!/bin/sh\necho begun >{tmp_path / 'begun'}\nexec sleep 600\n")
    program.chmod(0o755)
    (tmp_path / "filters.toml").write_text(f'[[command.command]]\nname="wait"\nrun=["{program}"]\n')
    return start(filters=tmp_path / "filters.toml")


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


def told(sink: Sink, token: str, *filters: str) -> list[str]:
    """The states that the events of a job tell, held against the rules."""
    mine = [got for got in sink.got if token.encode() in got.raw]
    dsp_rules.history([got.raw for got in mine], filters)
    return [got.body.findtext(".//{*}JobState") for got in mine if got.name == STATUS]


@pytest.mark.conformance("SO-30", "SS-06")
def test_a_job_that_is_canceled_while_a_filter_works(
    client: DspClient, sink: Sink, tmp_path: Path
) -> None:
    client.subscribe(sink.url)
    token = client.new_job(OWN_STORE, command("wait"), OWN_STORE)
    client.send_image(token, 1, b"a page")
    client.end(token)
    (tmp_path / "begun").read_text()
    status = client.status(token)
    assert status.text("JobState") == "Processing"
    assert status.texts("FilterState") == ["CompletedSuccessfully", "Processing", "Pending"]
    assert client.cancel(token).name == "CancelPostScanJobResponse"
    (end,) = sink.wait_for(END)
    assert told(sink, token, OWN_STORE[0], CMD, OWN_STORE[0])[-3:] == [
        "Processing",
        "Terminating",
        "Canceled",
    ]
    states = [one.text for one in end.body.findall(".//{*}FilterState")]
    assert states == ["CompletedSuccessfully", "Canceled", "Canceled"]
    assert end.body.findtext(".//{*}JobStateReason") == "PostScanJobCanceled"


@pytest.mark.conformance("SS-06")
def test_a_second_cancel_while_it_ends(client: DspClient, sink: Sink, tmp_path: Path) -> None:
    token = client.new_job(OWN_STORE, command("wait"))
    client.send_image(token, 1, b"a page")
    client.end(token)
    (tmp_path / "begun").read_text()
    for _ in range(2):
        reply = client.cancel(token)
        assert reply.name in ("CancelPostScanJobResponse", "Fault")
    wait_until(lambda: client.ended(token), 10, "end of the job")
    assert client.status(token).text("JobState") == "Canceled"


@pytest.mark.conformance("SJ-03")
def test_a_job_that_could_not_be_begun(
    server: Running, client: DspClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Path, *told: object, **more: object) -> None:
        raise OSError(errno.EIO, "broken")

    client.get()
    with monkeypatch.context() as patch:
        patch.setattr(storage.Path, "mkdir", broken)
        assert client.create().subcode == "ServerErrorInternalError"
    history = server.console.history()
    found = [history.body.findtext(f".//{{*}}{n}") for n in ("JobState", "JobStateReason")]
    assert found == ["Aborted", "CreatePostScanJobFailed"]

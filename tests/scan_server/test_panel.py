"""The scan server's REST for people: jobs, their files, the queue, filters, and once more."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clients.dsp_client import DSC, FSH, OWN_STORE, DspClient, file_share
from eventing.subscriber import Sink
from support import dsp_rules
from support.wait import wait_until

from .conftest import Running, Start

PAGE = b"a page" * 1000
SHARE = (FSH, file_share(r"\\host\scans"))
BOTH = (FSH, file_share(r"\\.\store", r"\\host\scans"))


class Panel:
    """REST by hand."""

    def __init__(self, port: int, **headers: str) -> None:
        self.port = port
        self._headers = headers

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {**self._headers, **headers}
        data = None
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            data = body if isinstance(body, str) else json.dumps(body)
        with closing(connection):
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            text = answer.read()
            is_json = "json" in answer.headers["Content-Type"]
            return answer.status, json.loads(text) if is_json else text.decode()

    def __call__(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        found, told = self.ask(method, f"/api/v1/{path}", body)
        assert found == status, told
        return told

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("GET", "jobs")["jobs"]
        return found


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The folder behind a share; missing until a test makes it."""
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def server(start: Start, shared: Path, port: int) -> Running:
    return start(panel=True, panel_port=port, shares={r"\\host\scans": shared})


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


@pytest.fixture
def panel(server: Running, port: int) -> Panel:
    return Panel(port)


def send(client: DspClient, *filters: tuple[str, str], **more: object) -> str:
    token = client.new_job(*filters, **more)
    client.send_image(token, 1, PAGE)
    client.end(token)
    return token


def ended(client: DspClient, token: str) -> str:
    return wait_until(lambda: client.ended(token), 10, "end of the job").text("JobState")


def state(panel: Panel, token: str) -> str:
    return str(panel("GET", f"jobs/{token}")["state"])


def test_the_server_as_a_whole(panel: Panel, server: Running) -> None:
    told = panel("GET", "server")
    assert told["name"] == "Scan server"
    assert (told["uuid"], told["url"]) == (server.ready.split()[3], server.url)
    assert (told["state"], told["stopped"]) == ("Idle", False)
    assert {one["name"]: one["enabled"] for one in told["filters"]} == {"fileshare": True}


def test_jobs_and_their_files(panel: Panel, client: DspClient) -> None:
    token = send(client, BOTH, root="Two  words")
    ended(client, token)
    open_ = client.new_job()
    assert [job["token"] for job in panel.jobs()] == [open_, token]
    told = panel("GET", f"jobs/{token}")
    assert (told["process"], told["state"], told["images"]) == ("Two  words", "Completed", 1)
    assert told["filters"][0]["state"] == "CompletedSuccessfully"
    assert told["documents"] == [{"id": 1, "format": "png", "size": len(PAGE)}]
    assert len(told["files"]) == 2
    assert all(Path(one["path"]).read_bytes() == PAGE for one in told["files"])
    assert (told["may"], panel.jobs()[0]["may"]) == ([], ["cancel"])


class TestHold:
    @pytest.mark.conformance("SS-03")
    def test_a_job_that_waits_is_held_and_released(
        self, panel: Panel, client: DspClient, server: Running
    ) -> None:
        panel("PUT", "queue", {"stopped": True})
        token = send(client)
        assert panel("POST", f"jobs/{token}/hold", {})["state"] == "Pending-Held"
        assert client.status(token).text("JobState") == "Pending-Held"
        other = send(client)
        panel("PUT", "queue", {"stopped": False})
        assert ended(client, other) == "Completed"
        assert state(panel, token) == "Pending-Held"
        assert panel("POST", f"jobs/{token}/release", {})["state"] in ("Pending", "Started")
        assert ended(client, token) == "Completed"
        assert len([path for path in server.store.rglob("*") if path.is_file()]) == 2

    def test_a_held_job_is_canceled(self, panel: Panel, client: DspClient) -> None:
        panel("PUT", "queue", {"stopped": True})
        token = send(client)
        panel("POST", f"jobs/{token}/hold", {})
        assert panel("POST", f"jobs/{token}/cancel", {})["state"] == "Canceled"

    @pytest.mark.conformance("SS-03")
    def test_a_held_job_stays_so_over_a_restart(
        self, start: Start, panel: Panel, client: DspClient, server: Running
    ) -> None:
        panel("PUT", "queue", {"stopped": True})
        token = send(client)
        panel("POST", f"jobs/{token}/hold", {})
        server.stop()
        again = start()
        assert again.client.status(token).text("JobState") == "Pending-Held"

    def test_what_cannot_be(self, panel: Panel, client: DspClient) -> None:
        token = client.new_job()
        for action in ("hold", "release", "retry"):
            problem = panel("POST", f"jobs/{token}/{action}", {}, status=409)
            assert problem["type"].startswith("urn:wsd-scanner:problem:")
        panel("POST", f"jobs/{token}/explode", {}, status=404)
        panel("POST", "jobs/nobody/hold", {}, status=404)
        panel("GET", "jobs/nobody", status=404)


class TestWhatConsolesHear:
    """The events of WS-DSC that tell of the server as a whole."""

    @pytest.fixture
    def sink(self) -> Iterator[Sink]:
        with closing(Sink()) as one:
            yield one

    @pytest.mark.conformance("SC-07")
    def test_a_stopped_queue(self, panel: Panel, server: Running, sink: Sink) -> None:
        server.console.subscribe(sink.url)
        for stopped in (True, False):
            assert panel("PUT", "queue", {"stopped": stopped})["stopped"] is stopped
        told = sink.wait_for("RepositoryStatusSummaryEvent", 2)
        states = [got.body.findtext(f".//{{{DSC}}}RepositoryState") for got in told]
        assert states == ["Stopped", "Idle"]

    @pytest.mark.conformance("SC-08")
    def test_a_filter_that_is_turned_off(
        self, panel: Panel, server: Running, client: DspClient, sink: Sink
    ) -> None:
        server.console.subscribe(sink.url)
        waiting = client.new_job()
        panel("PUT", "filters/fileshare", {"enabled": False})
        (off,) = sink.wait_for("RepositoryElementsChangeEvent")
        assert dsp_rules.message(off.raw) is not None
        assert not list(off.body.iter(f"{{{DSC}}}Filter"))
        assert client.create(OWN_STORE).subcode == "InvalidArgs"
        client.end(waiting)
        assert ended(client, waiting) == "Completed", "what is there is done"
        panel("PUT", "filters/fileshare", {"enabled": True})
        on = sink.wait_for("RepositoryElementsChangeEvent", 2)[1]
        assert len(list(on.body.iter(f"{{{DSC}}}Filter"))) == 1
        panel("PUT", "filters/nothing", {"enabled": True}, status=404)


class TestOnceMore:
    def fail(self, client: DspClient, shared: Path, *filters: tuple[str, str]) -> str:
        """A job whose share is away."""
        shared.rename(shared.with_name("away"))
        token = send(client, *filters)
        ended(client, token)
        shared.with_name("away").rename(shared)
        return token

    def test_what_failed_is_done_once_more(
        self, panel: Panel, client: DspClient, server: Running, shared: Path
    ) -> None:
        token = self.fail(client, shared, OWN_STORE, SHARE)
        told = panel("GET", f"jobs/{token}")
        assert (told["state"], told["may"]) == ("Aborted", ["retry"])
        assert len(server.received()) == 1
        again = panel("POST", f"jobs/{token}/retry", {}, status=201)
        assert ended(client, again["token"]) == "Completed"
        assert [one["name"] for one in again["filters"]] == ["fileshare"]
        assert [path.read_bytes() for path in shared.rglob("*.png")] == [PAGE]
        assert list(server.files().values()) == [PAGE], "the first filter had done its work"
        assert server.received() == []
        assert panel("GET", f"jobs/{token}")["may"] == []
        panel("POST", f"jobs/{token}/retry", {}, status=409)

    def test_a_target_that_got_it_gets_it_no_second_time(
        self, panel: Panel, client: DspClient, server: Running, shared: Path
    ) -> None:
        token = self.fail(client, shared, BOTH)
        again = panel("POST", f"jobs/{token}/retry", {}, status=201)
        assert ended(client, again["token"]) == "Completed"
        assert list(server.files().values()) == [PAGE]
        assert [path.read_bytes() for path in shared.rglob("*.png")] == [PAGE]

    def test_it_fails_again_and_may_be_tried_again(
        self, panel: Panel, client: DspClient, shared: Path
    ) -> None:
        token = send(client, (FSH, file_share(r"\\nobody\here")))
        ended(client, token)
        for _ in range(2):
            token = panel("POST", f"jobs/{token}/retry", {}, status=201)["token"]
            assert ended(client, token) == "Aborted"

    def test_it_may_be_tried_again_after_a_restart(
        self, start: Start, client: DspClient, server: Running, shared: Path, port: int
    ) -> None:
        token = self.fail(client, shared, SHARE)
        server.stop()
        again = start(panel=True, panel_port=port, shares={r"\\host\scans": shared})
        new = Panel(port)("POST", f"jobs/{token}/retry", {}, status=201)["token"]
        assert ended(again.client, new) == "Completed"

    @pytest.mark.conformance("SH-02")
    def test_nothing_is_kept_where_nothing_shall_be(
        self, start: Start, port: int, shared: Path
    ) -> None:
        server = start(panel=True, panel_port=port, keep_failed_s=0)
        token = send(server.client, (FSH, file_share(r"\\nobody\here")))
        ended(server.client, token)
        wait_until(lambda: not server.received(), 10, "tidy spool")
        Panel(port)("POST", f"jobs/{token}/retry", {}, status=409)


class TestBadRequests:
    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("queue", {}, 422),
            ("queue", {"stopped": 1}, 422),
            ("queue", {"stoped": True}, 422),
            ("queue", "[", 400),
            ("queue", "[]", 422),
            ("filters/fileshare", {"enabled": "yes"}, 422),
        ],
    )
    def test_a_body_that_is_none(self, panel: Panel, path: str, body: object, status: int) -> None:
        problem = panel("PUT", path, body, status=status)
        assert problem["status"] == status
        assert problem["detail"]

    def test_other_pages_and_hosts(self, panel: Panel) -> None:
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            assert panel.ask("GET", "/api/v1/jobs", **headers)[0] == 403

    def test_a_token(self, start: Start, port: int) -> None:
        start(panel=True, panel_port=port, panel_token="secret")
        assert Panel(port).ask("GET", "/api/v1/jobs")[0] == 401
        assert Panel(port, Authorization="Bearer wrong").ask("GET", "/api/v1/jobs")[0] == 401
        assert Panel(port, Authorization="Bearer secret").ask("GET", "/api/v1/jobs")[0] == 200

    def test_the_page(self, panel: Panel) -> None:
        status, text = panel.ask("GET", "/")
        assert status == 200
        assert "server.js" in text
        for name in ("server.js", "server.css", "panel.css", "dom.js", "icon.svg"):
            assert panel.ask("GET", f"/static/{name}")[0] == 200, name
        assert panel.ask("GET", "/static/server.html")[0] == 404
        assert panel.ask("GET", "/static/nothing.js")[0] == 404

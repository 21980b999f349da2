"""Libraries, by a real WebDAV server: where documents go, what is refused, what a crash leaves."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.dav_server import Dav, dav_server
from support.post_scan import SID, Spool
from support.tls import write_authority, write_pair

from device.dsp import filters
from device.dsp.filters import SharePointConfig
from device.dsp.process import Filter as Entry
from device.dsp.words import FilterState
from device.errors import ConfigError
from device.settings import parse_toml
from scan_server.filters import share_point
from scan_server.filters.base import Halted, Outcome
from scan_server.filters.http_peer import Peer
from scan_server.filters.share_point import SharePoint
from scan_server.filters.stop import Stop
from scan_server.identity import User
from scan_server.post_scan_jobs import PostScanJob
from scan_server.records import Records

WELL = Outcome(FilterState.COMPLETED_SUCCESSFULLY)
ANN = User(SID, "ann@example.org")
NAME = "scan_20260102T030405_ann@example.org_000{}.png"
DENIED = "SharePointAccessDenied"


def failed(reason: str, again: bool = False) -> Outcome:
    return Outcome(FilterState.COMPLETED_WITH_ERRORS, (reason,), again)


class Site:
    """A WebDAV server with libraries, and jobs to send there."""

    def __init__(self, root: Path, dav: Dav) -> None:
        self.root, self.dav = root, dav
        self.spool = Spool(root)
        (root / "password").write_text("secret\n")
        self.base = f"https://localhost:{dav.port}/sites"

    def settings(self, top: str = "", more: str = "", path: str = "/scans") -> str:
        return (
            f'{top}\n[[library]]\nurl = "{self.base}{path}"\nuser = "scanner"\ntimeout = 5\n'
            f'password_file = "{self.root}/password"\nca = "{self.root}/ca.pem"\n{more}\n'
        )

    def filter(self, **more: str) -> SharePoint:
        return share_point.read(parse_toml(self.settings(**more), "filters.toml"))

    def job(
        self, *urls: str, pages: tuple[bytes, ...] = (b"one", b"two"), mine: bool = False
    ) -> PostScanJob:
        config = SharePointConfig(save_to_my_site=mine, site_urls=urls)
        entry = Entry(filters.SHARE_POINT, filters.write_share_point(config))
        return self.spool.job(entry, pages=pages)

    def run(self, job: PostScanJob, found: SharePoint | None = None, **more: bool) -> Outcome:
        return self.spool.run(found or self.filter(), job, user=ANN, **more)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    write_authority(tmp_path)
    pair = write_pair(tmp_path)
    (tmp_path / "sites/scans").mkdir(parents=True)
    with dav_server(tmp_path / "sites", *pair) as dav:
        yield Site(tmp_path, dav)


def delivered(folder: str = "scans") -> dict[str, bytes]:
    return {f"{folder}/ann@example.org/{NAME.format(n)}": p for n, p in ((1, b"one"), (2, b"two"))}


@pytest.mark.conformance("SI-07")
def test_each_document_into_the_users_folder(site: Site) -> None:
    assert site.run(site.job(f"{site.base}/scans")) == WELL
    assert site.dav.files() == delivered()


@pytest.mark.conformance("SI-07")
def test_several_libraries_and_the_users_own(site: Site) -> None:
    for name in ("more", "personal/ann/Documents"):
        (site.dav.folder / name).mkdir(parents=True)
    found = site.filter(top=f'my_site = "{site.base}/personal/{{user}}/Documents"', path="")
    job = site.job(f"{site.base}/scans", f"{site.base}/more/", mine=True)
    assert site.run(job, found) == WELL
    wanted = [delivered(name) for name in ("scans", "more", "personal/ann/Documents")]
    assert site.dav.files() == {k: v for one in wanted for k, v in one.items()}


def test_without_move_a_document_is_put_at_once(site: Site) -> None:
    assert site.run(site.job(f"{site.base}/scans"), site.filter(more="move = false")) == WELL
    assert site.dav.files() == delivered()
    assert {method for method, _ in site.dav.asked} == {"MKCOL", "PUT"}


@pytest.mark.parametrize("more", ["", "move = false"])
def test_a_document_that_is_there_is_never_replaced(site: Site, more: str) -> None:
    taken = site.dav.folder / "scans/ann@example.org" / NAME.format(1)
    taken.parent.mkdir()
    taken.write_bytes(b"mine")
    assert site.run(site.job(f"{site.base}/scans"), site.filter(more=more)) == WELL
    found = site.dav.files()
    assert found.pop(f"scans/ann@example.org/{NAME.format('1-2')}") == b"one"
    assert found == {**delivered(), str(taken.relative_to(site.dav.folder)): b"mine"}


class TestWhereDocumentsMayGo:
    @pytest.mark.parametrize(
        "path",
        [
            "/scans/../secret",
            "/scans/%2e%2e/secret",
            "/scans/..%2fsecret",
            "/scans\\..\\secret",
            "/scanso",
            "/Scans",
            "/scans/a%00b",
            "/scans/%ff",
            "/scans?x=1",
            "/scans#x",
            "",
        ],
    )
    def test_nothing_beside_the_library(self, site: Site, path: str) -> None:
        assert site.run(site.job(f"{site.base}{path}")) == failed(DENIED)
        assert site.dav.asked == []

    @pytest.mark.conformance("SR-06")
    @pytest.mark.parametrize(
        "url",
        [
            "https://localhost/sites/scans",
            "https://localhost:1/sites/scans",
            "http://localhost:{}/sites/scans",
            "https://127.0.0.1:{}/sites/scans",
            "https://x@localhost:{}/sites/scans",
            "https://localhost:99999/sites/scans",
        ],
    )
    def test_no_other_server(self, site: Site, url: str) -> None:
        assert site.run(site.job(url.format(site.dav.port))) == failed(DENIED)
        assert site.dav.asked == []

    def test_a_folder_below_the_library(self, site: Site) -> None:
        (site.dav.folder / "scans/über uns").mkdir()
        assert site.run(site.job(f"{site.base}/scans/%C3%BCber%20uns")) == WELL
        assert site.dav.files() == delivered("scans/über uns")

    def test_one_library_of_two_is_none_of_ours(self, site: Site) -> None:
        outcome = site.run(site.job(f"{site.base}/other", f"{site.base}/scans"))
        assert outcome == failed(DENIED)
        assert site.dav.files() == delivered()

    def test_nothing_at_all(self, site: Site) -> None:
        assert site.run(site.job()) == failed("InvalidArgs")
        assert site.run(site.job(mine=True)) == failed(DENIED)


class TestTheServerRefuses:
    @pytest.mark.conformance("SR-06")
    def test_a_wrong_password(self, site: Site) -> None:
        (site.root / "password").write_text("other")
        assert site.run(site.job(f"{site.base}/scans")) == failed(DENIED)

    @pytest.mark.conformance("SI-08")
    def test_a_library_that_is_not_there(self, site: Site) -> None:
        assert site.run(site.job(f"{site.base}/scans/nowhere")) == failed(DENIED)

    @pytest.mark.conformance("SR-07", "SI-08")
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("507 Insufficient Storage", failed("SharePointOutOfDiskSpace", again=True)),
            ("403 Forbidden", failed(DENIED)),
            ("423 Locked", failed("UnknownError", again=True)),
            ("503 Service Unavailable", failed("UnknownError", again=True)),
            ("302 Found", failed("UnknownError")),
            ("501 Not Implemented", failed("UnknownError")),
        ],
    )
    @pytest.mark.parametrize("method", ["MKCOL", "PUT", "MOVE"])
    def test_a_status(self, site: Site, method: str, status: str, outcome: Outcome) -> None:
        site.dav.instead[method] = [status]
        assert site.run(site.job(f"{site.base}/scans")) == outcome
        assert site.dav.files() == {}, "a target that failed has nothing"

    def test_what_came_through_before_stays_for_the_next_try(self, site: Site) -> None:
        job = site.job(f"{site.base}/scans")
        site.dav.instead["PUT"] = ["503 Later"]
        assert site.run(job, last=False) == failed("UnknownError", again=True)
        site.dav.instead = {}
        assert site.run(job) == WELL
        assert site.dav.files() == delivered()

    @pytest.mark.parametrize("more", ["", "move = false"])
    def test_an_answer_that_got_lost(self, site: Site, more: str) -> None:
        """It did as asked and says 502: the next try finds its own document."""
        job, found = site.job(f"{site.base}/scans"), site.filter(more=more)
        site.dav.after["PUT" if more else "MOVE"] = ["502 Bad Gateway"]
        assert site.run(job, found, last=False) == failed("UnknownError", again=True)
        assert site.run(job, found) == WELL
        assert site.dav.files() == delivered()


class TestTheServerIsNotThere:
    def test_nobody_listens(self, site: Site) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        site.base = f"https://localhost:{port}/sites"
        outcome = site.run(site.job(f"{site.base}/scans"))
        assert outcome == failed("UnknownError", again=True)

    def test_a_certificate_of_another_authority(self, site: Site) -> None:
        found = site.filter()
        (library,) = found.libraries
        server = replace(library.server, tls=ssl.create_default_context())
        found = replace(found, libraries=(replace(library, server=server),))
        assert site.run(site.job(f"{site.base}/scans"), found) == failed("UnknownError")
        assert site.dav.asked == []

    def test_a_certificate_for_another_name(self, site: Site) -> None:
        site.base = site.base.replace("localhost", "127.0.0.1")
        assert site.run(site.job(f"{site.base}/scans")) == failed("UnknownError")
        assert site.dav.asked == []

    def test_a_halt_breaks_off_a_server_that_says_nothing(self, site: Site) -> None:
        stop = Stop()
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def accept() -> None:
                peer, _ = listening.accept()
                with peer:
                    peer.recv(1000)
                    stop.set()
                    peer.recv(1000)

            thread = threading.Thread(target=accept)
            thread.start()
            site.base = f"http://localhost:{listening.getsockname()[1]}/sites"
            found = site.filter(more="plain_http = true")
            with pytest.raises(Halted):
                site.spool.run(found, site.job(f"{site.base}/scans"), stop=stop)
            thread.join()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("more", ["", "move = false"])
def test_killed_anywhere_and_run_again(site: Site, more: str) -> None:
    point, alive = 0, True
    while alive:
        point += 1
        job = replace(site.job(f"{site.base}/scans"), token=f"token{point}")
        for number, page in ((1, b"one"), (2, b"two")):
            path = site.spool.storage.path(job.token, number)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(page)
        alive = _killed_at(point, lambda: site.run(job, site.filter(more=more)))  # noqa: B023
        assert site.run(job, site.filter(more=more)) == WELL
        assert site.dav.files() == delivered(), point
        for path in (site.dav.folder / "scans/ann@example.org").iterdir():
            path.unlink()
        records = Records(site.spool.database)
        records.unplan(job.token, "0.0")
        records.close()
    assert point > 12


def _killed_at(point: int, work: object) -> bool:
    """Do `work` in a child that is killed before or after its n-th step."""
    child = os.fork()
    if not child:
        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            if count == point:
                os._exit(9)

        def guarded(call: object) -> object:
            def run(*args: object, **more: object) -> object:
                step()
                try:
                    return call(*args, **more)  # type: ignore[operator]
                finally:
                    step()

            return run

        try:
            for owner, name in ((Records, "plan"), (Records, "placed"), (Peer, "ask")):
                setattr(owner, name, guarded(getattr(owner, name)))
            work()  # type: ignore[operator]
        except BaseException:  # noqa: BLE001 - a child must not come back
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "library is missing"),
        ('[[library]]\nurl = "http://h/x"', "library[1].url is not encrypted"),
        ('[[library]]\nurl = "https://u@h/x"', "may have no user"),
        ('[[library]]\nurl = "https://h/x?y"', "may have no user, query"),
        ('[[library]]\nurl = "ftp://h/x"', "must begin with https://"),
        ('[[library]]\nurl = "https://h/a/../b"', "no plain name"),
        ('[[library]]\nurl = "https://h/x"\nuser = "u"', "user needs password_file"),
        ('[[library]]\nurl = "https://h/x"\nurll = "u"', "urll is not known; did you mean 'url'?"),
        ('my_site = "https://h/x"\n[[library]]\nurl = "https://h/x"', "must have {user} in it"),
        (
            'my_site = "https://g/{user}"\n[[library]]\nurl = "https://h/x"',
            "which no library allows",
        ),
    ],
)
def test_wrong_settings(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        share_point.read(parse_toml(text, "filters.toml"))
    assert said in str(caught.value)


def test_a_token_is_sent_and_never_shown(site: Site) -> None:
    (site.root / "token").write_text("hidden-word")
    text = f'[[library]]\nurl = "{site.base}/scans"\ntoken_file = "{site.root}/token"'
    found = share_point.read(parse_toml(text, "filters.toml"))
    assert found.libraries[0].server.authorization == "Bearer hidden-word"
    assert "hidden-word" not in repr(found)

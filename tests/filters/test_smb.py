"""File shares on another machine, by Samba's smbd."""

from __future__ import annotations

import builtins
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.post_scan import SID, Spool
from support.smb_server import PASSWORD, Smb, smb_server, why_no_smbd

from device.dsp import filters
from device.dsp.process import Filter as Entry
from device.dsp.words import FilterState
from device.errors import ConfigError
from device.settings import parse_toml
from scan_server.filters import settings, smb
from scan_server.filters.base import Halted, Outcome
from scan_server.filters.file_share import FileShare
from scan_server.filters.stop import Stop
from scan_server.identity import User
from scan_server.post_scan_jobs import PostScanJob
from scan_server.shares import Shares

WELL = Outcome(FilterState.COMPLETED_SUCCESSFULLY)
ANN = User(SID, "ann@example.org")
NAME = "scan_20260102T030405_ann@example.org_000{}.png"
PAGES = (b"one", bytes(range(256)) * 1_000)
DENIED, FULL = "FileShareAccessDenied", "FileShareOutOfDiskSpace"


def failed(reason: str, again: bool = False) -> Outcome:
    return Outcome(FilterState.COMPLETED_WITH_ERRORS, (reason,), again)


class Place:
    """Settings that know the server as `\\\\127.0.0.1\\…`, and jobs to send there."""

    def __init__(self, root: Path, server: Smb) -> None:
        self.root, self.server = root, server
        self.spool = Spool(root)
        (root / "store").mkdir()
        (root / "password").write_text(PASSWORD)

    def filter(self, *shares: str, more: str = "", port: int = 0) -> FileShare:
        text = "".join(
            f"[[smb]]\nunc = '\\\\127.0.0.1\\{share}'\nport = {port or self.server.port}\n"
            f'user = "{self.server.user}"\npassword_file = "{self.root}/password"\n{more}\n'
            for share in shares or ("scans", "sealed", "tiny", "nowhere")
        )
        table = parse_toml(text.replace("[[smb]]", "[[file_share.smb]]"), "filters.toml")
        found = settings.read(table, Shares(self.root / "store", {}, []))[filters.FILE_SHARE]
        assert isinstance(found, FileShare)
        return found

    def job(self, *uncs: str, pages: tuple[bytes, ...] = PAGES, token: str = "aaaa") -> PostScanJob:
        entry = Entry(filters.FILE_SHARE, filters.write_file_share(uncs or (r"\\127.0.0.1\scans",)))
        return self.spool.job(entry, pages=pages, token=token)

    def run(
        self,
        job: PostScanJob | None = None,
        found: FileShare | None = None,
        *,
        last: bool = True,
        stop: Stop | None = None,
    ) -> Outcome:
        job = job or self.job()
        return self.spool.run(found or self.filter(), job, user=ANN, last=last, stop=stop)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Smb]:
    reason = why_no_smbd()
    if reason is not None:
        pytest.skip(reason)
    with smb_server(tmp_path_factory.mktemp("smb")) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, server: Smb) -> Place:
    for path in sorted((server.folder / "scans").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return Place(tmp_path, server)


def delivered(folder: str = "ann@example.org") -> dict[str, bytes]:
    return {f"{folder}/{NAME.format(n)}": page for n, page in enumerate(PAGES, 1)}


@pytest.mark.conformance("SI-04")
@pytest.mark.parametrize("more", ["", "encrypt = false"])
def test_each_document_into_the_users_folder(place: Place, more: str) -> None:
    assert place.run(found=place.filter(more=more)) == WELL
    assert place.server.files() == delivered()


def test_a_folder_below_the_share_whatever_the_case(place: Place) -> None:
    (place.server.folder / "scans/2026").mkdir()
    assert place.run(place.job("//127.0.0.1/SCANS/2026".replace("/", "\\"))) == WELL
    assert place.server.files() == delivered("2026/ann@example.org")


@pytest.mark.conformance("SI-05")
def test_a_file_that_is_there_is_never_replaced(place: Place) -> None:
    taken = place.server.folder / "scans/ann@example.org" / NAME.format(1)
    taken.parent.mkdir()
    taken.write_bytes(b"mine")
    assert place.run() == WELL
    found = place.server.files()
    assert found.pop(f"ann@example.org/{NAME.format('1-2')}") == b"one"
    assert found == {**delivered(), f"ann@example.org/{NAME.format(1)}": b"mine"}


def test_two_jobs_of_one_second_do_not_meet(place: Place) -> None:
    for token in ("aaaa", "bbbb"):
        assert place.run(place.job(token=token)) == WELL
    assert sorted(place.server.files().values()) == sorted(PAGES * 2)


@pytest.mark.parametrize(
    "unc",
    [
        r"\\127.0.0.1\scans\..\sealed",
        r"\\127.0.0.1\scans\a:b",
        r"\\127.0.0.1\other",
        r"\\other\scans",
        r"\\127.0.0.1",
        r"\\127.0.0.1@8080\scans",
    ],
)
def test_only_what_the_settings_name(place: Place, unc: str) -> None:
    found = place.filter("scans", port=1)  # it would not even answer
    assert place.run(place.job(unc), found) == failed(DENIED)


class TestTheServerRefuses:
    def test_to_write(self, place: Place) -> None:
        assert place.run(place.job(r"\\127.0.0.1\sealed")) == failed(DENIED)

    def test_a_share_that_is_not_there(self, place: Place) -> None:
        assert place.run(place.job(r"\\127.0.0.1\nowhere")) == failed(DENIED)

    def test_a_folder_that_is_not_there(self, place: Place) -> None:
        assert place.run(place.job(r"\\127.0.0.1\scans\nowhere")) == failed(DENIED)

    def test_a_wrong_password(self, place: Place) -> None:
        (place.root / "password").write_text("other")
        assert place.run() == failed(DENIED)

    @pytest.mark.conformance("SR-05")
    def test_what_does_not_fit(self, place: Place) -> None:
        job = place.job(r"\\127.0.0.1\tiny", pages=(b"x" * 1_000, b"x" * 100_000))
        assert place.run(job) == failed(FULL, again=True)
        small = place.job(r"\\127.0.0.1\tiny", pages=(b"x" * 50_000,), token="bbbb")
        assert place.run(small) == WELL, "a target that failed has nothing"

    @pytest.mark.conformance("SI-06")
    def test_one_of_two(self, place: Place) -> None:
        job = place.job(r"\\127.0.0.1\sealed", r"\\127.0.0.1\scans")
        assert place.run(job) == failed(DENIED)
        assert place.server.files() == delivered()


class TestTheServerIsNotThere:
    def test_nobody_listens(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        found = place.filter("scans", port=port)
        assert place.run(found=found) == failed("UnknownError", again=True)

    def test_one_that_says_nothing(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            found = place.filter("scans", port=silent.getsockname()[1], more="timeout = 0.2")
            assert place.run(found=found) == failed("UnknownError", again=True)

    def test_a_halt_while_it_says_nothing(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(smb, "GRACE_S", 0.01)
        stop = Stop()
        with socket.create_server(("127.0.0.1", 0)) as silent:

            def accept() -> None:
                peer, _ = silent.accept()
                with peer:
                    peer.recv(1_000)
                    stop.set()
                    peer.recv(1_000)

            thread = threading.Thread(target=accept)
            thread.start()
            found = place.filter("scans", port=silent.getsockname()[1])
            with pytest.raises(Halted):
                place.run(found=found, stop=stop)
            thread.join()


def test_a_halt_leaves_no_half_document(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, rename = Stop(), smb.smbclient.rename

    def then_stop(*args: object, **more: object) -> None:
        rename(*args, **more)
        stop.set()

    monkeypatch.setattr(smb.smbclient, "rename", then_stop)
    with pytest.raises(Halted):
        place.run(stop=stop)
    assert list(place.server.files().values()) == [b"one"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_anywhere_and_run_again(place: Place) -> None:
    point, alive = 0, True
    while alive:
        point += 1
        job = place.job(token=f"token{point}")
        alive = _killed_at(point, lambda: place.run(job))  # noqa: B023 - done at once
        assert place.run(job) == WELL
        assert sorted(place.server.files().values()) == sorted(PAGES), point
        assert not [name for name in place.server.files() if name.endswith(".part")]
        for path in (place.server.folder / "scans/ann@example.org").iterdir():
            path.unlink()
    assert point > 10


def _killed_at(point: int, work: Callable[[], object]) -> bool:
    """Do `work` in a child that is killed before or after its n-th step."""
    child = os.fork()
    if not child:
        count = 0

        def guarded(call: Callable[..., object]) -> Callable[..., object]:
            def run(*args: object, **more: object) -> object:
                nonlocal count
                for after in (False, True):
                    count += 1
                    if count == point:
                        os._exit(9)
                    if not after:
                        result = call(*args, **more)
                return result

            return run

        try:
            for name in ("register_session", "mkdir", "open_file", "rename"):
                setattr(smb.smbclient, name, guarded(getattr(smb.smbclient, name)))
            work()
        except BaseException:  # noqa: BLE001 - a child must not come back
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"unc": ""}, "unc is missing"),
        ({"unc": "unc = 'scans'"}, "unc is 'scans', and must be like"),
        ({"unc": "unc = '\\\\host'"}, "and must be like"),
        ({"user": ""}, "user is missing"),
        ({"password_env": ""}, "password_file is missing, and so is password_env"),
        ({"password_env": 'password = "x"'}, "password may not be in the settings"),
        ({"user": 'user = "u"\nprot = 1'}, "did you mean 'port'?"),
    ],
)
def test_wrong_settings(
    lines: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SMB_PASSWORD", "hidden-word")
    good = {
        "unc": "unc = '\\\\host\\scans'",
        "user": 'user = "u"',
        "password_env": 'password_env = "SMB_PASSWORD"',
    }

    def read(some: dict[str, str]) -> object:
        text = "[[file_share.smb]]\n" + "\n".join(some.values())
        return settings.read(parse_toml(text, "f"), Shares(tmp_path, {}, []))

    assert "hidden-word" not in repr(read(good))
    with pytest.raises(ConfigError) as caught:
        read(good | lines)
    assert said in str(caught.value)


def test_without_the_library_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def without(name: str, *more: object) -> object:
        if name.startswith("smb"):
            raise ImportError(name)
        return real(name, *more)  # type: ignore[arg-type]

    import scan_server.filters

    monkeypatch.delitem(sys.modules, "scan_server.filters.smb")
    monkeypatch.delattr(scan_server.filters, "smb")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'wsd-scanner\[smb\]'"):
        settings.read(parse_toml("[[file_share.smb]]", "f"), Shares(tmp_path, {}, []))


def test_the_longest_way_decides() -> None:
    account = smb.Account(r"\\h\s\a", "u", "p")
    assert account.below(r"\\H\S\A\b") == r"\\h\s\a\b"
    assert account.below(r"\\h\s") is None
    assert replace(account, unc=r"\\h\s").below(r"\\h\s\a") == r"\\h\s\a"

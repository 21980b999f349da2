"""Wrong settings: one sentence that says what would have been right."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from device.errors import ConfigError

from .conftest import Start


@pytest.mark.parametrize(
    "more",
    [
        {"http": False},
        {"generate_cert": True},
        {"cert": Path("x"), "generate_cert": True, "http": False},
    ],
)
def test_one_of_three_ways_must_be_chosen(start: Start, more: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"--cert FILE.*--generate-cert.*--http"):
        start(**more)


def test_http_has_no_use_for_a_ca(start: Start) -> None:
    with pytest.raises(ConfigError, match="--http has no use"):
        start(ca=Path("x"))


def test_a_port_in_use(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} is taken by another program"):
            start(port=port)


def _bound(udp: socket.socket, port: int) -> bool:
    """Whether `udp` has got that port, and TCP could have it as well."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            udp.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def test_a_udp_port_in_use(start: Start) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        # A number that TCP has to spare: below the range that connections take theirs from.
        port = next(port for port in range(20_000, 30_000) if _bound(taken, port))
        with pytest.raises(ConfigError, match=f"UDP port {port} is held.*--no-udp"):
            start(port=port)
        assert start(port=port, udp=False).url.endswith(f":{port}/ScanServer")


def test_a_host_that_is_not_ours(start: Start) -> None:
    with pytest.raises(ConfigError, match=r"'192\.0\.2\.1' is no address of this machine\.$"):
        start(host="192.0.2.1")


def test_a_share_whose_folder_is_missing(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        start(shares={r"\\h\s": tmp_path / "nowhere"})


def test_a_share_without_a_unc(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--share scans="):
        start(shares={"scans": tmp_path})


def test_a_state_folder_in_use(start: Start) -> None:
    start()
    with pytest.raises(ConfigError, match="another scan server"):
        start()


def test_a_state_folder_that_is_a_file(start: Start, tmp_path: Path) -> None:
    (tmp_path / "server").touch()
    with pytest.raises(ConfigError, match="state folder cannot be written"):
        start()


def _modes(folder: Path) -> dict[str, int]:
    """Of the folder and of all in it, but the certificate, which is public."""
    found = [path for path in (folder, *folder.rglob("*")) if path.suffix != ".pem"]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}


def test_nobody_else_can_read_the_state(start: Start, tmp_path: Path) -> None:
    server = start(http=False, generate_cert=True)
    modes = _modes(tmp_path / "server")
    assert modes["server"] == 0o700
    assert modes["scan-server.sqlite"] == 0o600
    assert not [name for name, mode in modes.items() if mode & 0o077], modes
    server.stop()


def test_records_that_others_could_read_are_closed_to_them(start: Start, tmp_path: Path) -> None:
    start().stop()
    database = tmp_path / "server" / "scan-server.sqlite"
    database.chmod(0o644)
    start()
    assert _modes(tmp_path / "server")["scan-server.sqlite"] == 0o600


@pytest.mark.parametrize("name", ["cert", "ca"])
def test_a_file_that_is_no_certificate(start: Start, tmp_path: Path, name: str) -> None:
    file = tmp_path / "bad.pem"
    file.write_text("nothing")
    given = {"cert": file} if name == "cert" else {"generate_cert": True, "ca": file}
    with pytest.raises(ConfigError, match=rf"--{name} .*bad\.pem"):
        start(http=False, **given)


def test_a_generated_pair_is_kept(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for _ in range(2):
        server = start(http=False, generate_cert=True)
        assert server.url.startswith("https://127.0.0.1:")
        server.stop()
        told.append(capsys.readouterr().err)
    assert told[0] == told[1]
    assert "SHA-256 " in told[0]
    key = tmp_path / "server" / "server.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_generated_pair_for_another_host_is_made_anew(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(http=False, generate_cert=True).stop()
    before = (tmp_path / "server" / "server.pem").read_bytes()
    monkeypatch.setattr(socket, "gethostname", lambda: "other-host")
    start(http=False, generate_cert=True).stop()
    assert (tmp_path / "server" / "server.pem").read_bytes() != before

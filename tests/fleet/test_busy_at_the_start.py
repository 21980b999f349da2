"""Another program has the scanner when we come: it is busy, and not gone."""

from pathlib import Path

import pytest
from clients.wsscan import Client, FaultAnswer, scan_ticket
from pages.conftest import scripted  # noqa: F401
from support.device import refuse

from device.last_look import LastLook
from scanner_backends.base import Abilities, Description, Film, Mode, Resolutions, Source

pytestmark = pytest.mark.usefixtures("scripted")


def test_it_is_announced_as_it_was_the_last_time(start_device, tmp_path: Path):
    taken = tmp_path / "taken"
    source, kept = f"scripted:busy {taken}", tmp_path / "kept"
    before = start_device("--source", source, "--state-dir", kept)
    before.stop()
    taken.touch()
    device = start_device("--source", source, "--state-dir", kept)
    assert "is in use by another program. It is announced as it was" in device.stderr()
    client = Client(device.scan_url)
    job = client.create_scan_job(scan_ticket())
    with pytest.raises(FaultAnswer, match="TemporaryError"):
        client.retrieve_image(job.id, job.token)
    taken.unlink()
    assert client.retrieve_image(job.id, job.token).content


def test_of_one_that_was_never_there_nothing_can_be_told(tmp_path: Path):
    taken = tmp_path / "taken"
    taken.touch()
    done = refuse(["run", "--source", f"scripted:busy {taken}", "--state-dir", tmp_path], tmp_path)
    assert done.returncode == 2
    assert "is in use by another program" in done.stderr


# ---- what is kept


DPI = Resolutions((300, 600))
FOUND = Description(
    "epson2:libusb:001:004",
    virtual=False,
    sources=(
        Abilities(
            Source.TRANSPARENCY, ((Mode.COLOR, 16),), DPI, DPI, 60.0, 60.0, "TPU", (Film.NEGATIVE,)
        ),
    ),
    buttons=("scan",),
)


def test_what_is_kept_is_of_one_source_by_whatever_number(tmp_path: Path):
    path = tmp_path / "scanner.json"
    assert LastLook(path, "sane:x").recall() is None
    LastLook(path, "sane:epson2:libusb:001:004").keep(FOUND)
    assert LastLook(path, "sane:epson2:libusb:001:009").recall() == FOUND
    assert LastLook(path, "sane:genesys:libusb:001:004").recall() is None


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"source": "s", "found": "{}"}', b"\xff"])
def test_a_damaged_file_is_none(tmp_path: Path, damage: bytes):
    path = tmp_path / "scanner.json"
    path.write_bytes(damage)
    assert LastLook(path, "s").recall() is None


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog):
    LastLook(tmp_path / "nowhere" / "scanner.json", "s").keep(FOUND)
    assert "scanner.json cannot be written" in caplog.text

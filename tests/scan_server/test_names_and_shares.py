"""Names that no system takes for anything else, and UNC paths that lead nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import ConfigError
from scan_server import names
from scan_server.shares import Shares, UnknownShare

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.conformance("SH-01")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Invoice 2026", "Invoice 2026"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "scan"),
        ("...", "scan"),
        ("", "scan"),
        ("/", "scan"),
        ("a\\b:c", "a_b_c"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("COMMON", "COMMON"),
        (" dots. ", "dots"),
        (".hidden", "hidden"),
        ("a\x00b\nc", "a_b_c"),
        ("a‮b", "a_b"),
        ("Scan\u0308", "Scan\u0308"),
        ("u\u0308", "ü"),
        ("ü" * 100, "ü" * 40),
    ],
)
def test_safe(text: str, name: str) -> None:
    assert names.safe(text) == name


@pytest.mark.conformance("SH-01")
@given(st.text())
def test_safe_never_leaves_its_folder(text: str) -> None:
    name = names.safe(text)
    assert Path("/a", name).resolve().parent == Path("/a")
    assert name not in ("", ".", "..")
    assert len(name.encode()) <= names.MAX_NAME + 1
    assert name.isprintable() or any(ord(c) > 127 for c in name)
    assert names.safe(name) == name or name.startswith("_")


@given(st.text(), st.text(), st.integers(1, 2**31), st.text())
def test_a_file_name_fits(root: str, user: str, number: int, format_: str) -> None:
    name = names.file_name(root, AT, user, number, format_, 99_999)
    assert len(name.encode()) <= 255
    assert "/" not in name


@pytest.mark.conformance("SI-05", "SI-10")
def test_file_names() -> None:
    assert names.file_name("scan", AT, "S-1-0-0", 7, "jfif", 0) == (
        "scan_20260102T030405_S-1-0-0_0007.jpg"
    )
    assert names.file_name("scan", AT, "S-1-0-0", 7, "x:y", 1) == (
        "scan_20260102T030405_S-1-0-0_0007-2.bin"
    )


class TestShares:
    shares = Shares(
        Path("/store"),
        {r"\\Host\Scans": Path("/scans"), r"\\host\scans\deep": Path("/deep")},
        ["scan.example.org"],
    )

    @pytest.mark.parametrize(
        ("unc", "folder"),
        [
            (r"\\.\store", "/store"),
            (r"\\SCAN.example.org\Store\\", "/store"),
            (r"\\host\scans", "/scans"),
            ("//HOST/SCANS/", "/scans"),
            (r"\\host\scans\Below\It", "/scans/Below/It"),
            (r"\\host\scans\Deep\x", "/deep/x"),
        ],
    )
    def test_known(self, unc: str, folder: str) -> None:
        assert self.shares.find(unc).path == Path(folder)

    @pytest.mark.parametrize(
        "unc",
        [
            r"\\other\scans",
            r"\\host\other",
            r"\\host",
            r"\\.\store\x",
            r"\\host\scans\..\other",
            r"\\host\scans\a.",
            r"\\host\scans\CON",
            r"\\host\scans\a:b",
        ],
    )
    def test_unknown(self, unc: str) -> None:
        with pytest.raises(UnknownShare):
            self.shares.find(unc)

    @pytest.mark.parametrize("unc", ["scans", r"\\host", "host\\scans", ""])
    def test_no_unc(self, unc: str) -> None:
        with pytest.raises(ConfigError, match="UNC"):
            Shares(Path("/s"), {unc: Path("/d")}, [])

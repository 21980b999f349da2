"""`wsd-scanner sources`: what SANE has, and how its options are used."""

import os
import subprocess
from pathlib import Path

import pytest
from support.device import program

pytestmark = [pytest.mark.sane, pytest.mark.usefixtures("sane")]


def sources(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*program(), "sources", *words],
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_scanners_are_listed_with_what_would_be_announced():
    done = sources()
    assert done.returncode == 0, done.stderr
    assert "\nsane:test:0  Noname frontend-tester\n  identity   test:0\n" in done.stdout
    assert "\nsane:test:1 " in done.stdout
    (platen,) = {line for line in done.stdout.splitlines() if line.startswith("  Platen")}
    assert "300.0 x 300.0 mm" in platen
    assert " 600 800 1200 dpi, BlackAndWhite1 " in platen
    assert platen.endswith(" Grayscale8 Grayscale16 RGB24 RGB48")


def test_no_scanner_is_said(sane: Path):
    (sane / "dll.conf").write_text("")
    done = sources()
    assert done.returncode == 0
    assert done.stdout.endswith("\nSANE finds no scanner.\n")


def test_options_are_shown_with_their_use(options_file):
    done = sources("--options", "test:0" + options_file('fix.source = "Flatbed"\nhide = ["depth"]'))
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["source"].endswith("= Flatbed (Flatbed)  -> source")
    assert "(Gray, Color)  -> mode" in lines["mode"]
    assert "1 to 1200 dpi by 1)  -> resolution" in lines["resolution"]
    assert "not now" in lines["three-pass-order"]
    assert "depth" not in lines
    assert "  Gray: Gray\n" in done.stdout


def test_options_of_a_scanner_that_is_not_there():
    done = sources("--options", "sane:nobody")
    assert done.returncode == 2
    assert "no scanner 'nobody'" in done.stderr
    assert done.stdout == ""

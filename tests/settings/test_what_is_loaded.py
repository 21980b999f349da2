"""A device that runs for months holds in memory what it was asked to do, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

PROGRAM = """
import gc, json, os, signal, ssl, sys
from device import cli
from device.commands import device

def ready(line):
    contexts = [one for one in gc.get_objects() if isinstance(one, ssl.SSLContext)]
    print(json.dumps({
        "modules": sorted(sys.modules),
        "authorities": sum(len(one.get_ca_certs()) for one in contexts),
        "variable": os.environ["SSL_CERT_FILE"],
    }), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

device.say = ready
sys.exit(cli.main(sys.argv[1:]))
"""
"""The command, which tells what is loaded once it is ready, and ends."""


@pytest.fixture
def loaded(tmp_path: Path):
    authorities = tmp_path / "authorities.pem"
    trustme.CA().cert_pem.write_to_path(str(authorities))

    def run(*args: str) -> dict:
        everywhere = ["--host", "127.0.0.1", "--port", "0", "--panel-port", "0", "--no-discovery"]
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM, "run", *everywhere, *args],
            env=dict(
                os.environ,
                SSL_CERT_FILE=str(authorities),
                WSD_SCANNER_STATE_DIR=str(tmp_path / "state"),
            ),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return run


def test_a_device_loads_nothing_that_it_was_not_asked_for(loaded):
    found = set(loaded()["modules"])
    assert found.isdisjoint(
        {
            "PIL",
            "pypdfium2",
            "segno",
            "cryptography",
            "wsdiscovery",
            "importlib.metadata",
            "zipfile",
            "stringprep",
        }
    )
    assert found.isdisjoint({"device.dsp", "device.processes", "device.directory", "scan_server"})
    assert {name for name in found if name.startswith("device.commands.")} == {
        "device.commands.device",
        "device.commands.parser",
    }
    assert "device.panel.server" in found


def test_without_a_panel_none_is_loaded(loaded):
    assert "device.panel" not in loaded("--no-panel")["modules"]


def test_what_delivers_is_loaded_where_scan_processes_are_offered(loaded, tmp_path: Path):
    (tmp_path / "processes").mkdir()
    found = set(loaded("--process-folder", str(tmp_path / "processes"))["modules"])
    assert {"device.dsp", "device.processes"} <= found


def test_no_authorities_are_loaded_before_somebody_needs_them(loaded, tmp_path: Path):
    found = loaded()
    assert found["authorities"] == 0
    assert found["variable"] == str(tmp_path / "authorities.pem")

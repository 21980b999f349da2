"""What every test shares: fixtures, and the rule that nothing is skipped in CI."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# `from clients.wsscan import Client`, `from support.lab import Lab`: the tests' own helpers. Not
# the repository's root: what is tested is the installed package, never the checkout.
sys.path.insert(0, str(Path(__file__).parent))

from support import airscan as sane
from support import device, no_skips, slapd
from support import lab as namespaces

MakeLab = Callable[..., namespaces.Lab]
StartDevice = Callable[..., device.RunningDevice]
MakeAirscan = Callable[..., sane.Airscan]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(no_skips)


@pytest.fixture(autouse=True)
def _no_log_of_a_command() -> Iterator[None]:
    """A command that ran inside a test has set the log up, for a stderr that is no more."""
    yield
    root = logging.getLogger()
    for handler in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(scope="session")
def bonsai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This process and its children find Debian's bonsai, and there is a slapd to ask."""
    reason = slapd.why_no_slapd()
    if reason is not None:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        site = slapd.make_site(tmp_path_factory.mktemp("bonsai"))
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        yield


@pytest.fixture
def make_lab() -> Iterator[MakeLab]:
    """Builds namespaces to order: `make_lab(ipv6=False, links=2, loss_percent=30)`."""
    reason = namespaces.why_no_lab()
    if reason is not None:
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(namespaces.make_lab(**options))


@pytest.fixture
def lab(make_lab: MakeLab) -> namespaces.Lab:
    """Two namespaces, one cable, IPv4 and IPv6."""
    return make_lab()


@pytest.fixture
def start_device(tmp_path: Path) -> Iterator[StartDevice]:
    """Runs `wsd-scanner run ...` until the test ends, each in a state folder of its own.

    On loopback without discovery; with `side=lab.dev` in a namespace, with discovery. At the end
    every device must end well by SIGTERM.
    """
    numbers = iter(range(1000))
    with contextlib.ExitStack() as stack:

        def start(*args: str | Path, side: namespaces.Side | None = None) -> device.RunningDevice:
            home = tmp_path / f"device{next(numbers)}"
            home.mkdir()
            command = ["run", "--state-dir", home / "state", *args]
            if side is None:
                command += ["--no-discovery", "--host", "127.0.0.1", "--port", "0"]
            started = device.start(command, home / "log", side)
            stack.callback(device.end, started)
            return started

        yield start


@pytest.fixture
def make_airscan(tmp_path: Path) -> MakeAirscan:
    """Configures Debian's sane-airscan: `make_airscan(side=lab.cli)`, `(devices={name: url})`."""
    reason = sane.why_no_airscan()
    if reason is not None:
        pytest.skip(reason)
    numbers = iter(range(1000))
    return lambda **options: sane.configure(tmp_path / f"sane{next(numbers)}", **options)

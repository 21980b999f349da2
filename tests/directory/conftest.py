"""A directory of one domain, for every test that only reads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import slapd

from device.directory.words import Credentials, DirectorySettings

JOE = Credentials("joe", "secret of joe")
ANN = Credentials("ann", "secret of ann")


@pytest.fixture(autouse=True, scope="session")
def _bonsai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The children of this process find Debian's bonsai."""
    reason = slapd.why_no_slapd()
    if reason is not None:
        pytest.skip(reason)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", slapd.with_bonsai(tmp_path_factory.mktemp("bonsai") / "site"))
    yield
    patch.undo()


def settings_for(directory: slapd.Slapd, **more: object) -> DirectorySettings:
    values = {"server": directory.secure_url, "ca": str(directory.ca), "user_dn": slapd.USER_DN}
    return DirectorySettings(**(values | more))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "slapd"

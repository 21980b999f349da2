"""A directory of one domain, for every test that only reads."""

from pathlib import Path

import pytest
from support import slapd

from device.directory.words import Credentials, DirectorySettings

JOE = Credentials("joe", "secret of joe")
ANN = Credentials("ann", "secret of ann")


def settings_for(directory: slapd.Slapd, **more: object) -> DirectorySettings:
    values = {"server": directory.secure_url, "ca": str(directory.ca), "user_dn": slapd.USER_DN}
    return DirectorySettings(**(values | more))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "slapd"

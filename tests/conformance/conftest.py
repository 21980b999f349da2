"""Which tests name which row: told by the collection that runs, if it leaves out no file."""

import pytest
from conformance import rows

COLLECTOR = rows.Collector()


@pytest.hookimpl(tryfirst=True)  # before any test is deselected
def pytest_collection_modifyitems(items):
    COLLECTOR.pytest_collection_modifyitems(items)


@pytest.fixture(scope="module")
def named():
    return COLLECTOR.files if COLLECTOR.saw_all else rows.named()

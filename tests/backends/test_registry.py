"""Names lead to backends, and a wrong name to the right one."""

import sys
import tomllib
from pathlib import Path

import pytest

from scanner_backends import registry
from scanner_backends.chart import ChartBackend
from scanner_backends.errors import SourceError
from scanner_backends.image_files import ImageFilesBackend


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that another package brings, and a broken one."""
    package = tmp_path / "another-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        f"[{registry.GROUP}]\nanother = another_backend:AnotherBackend\n"
        "broken = another_backend:Missing\nchart = another_backend:AnotherBackend\n"
    )
    (tmp_path / "another_backend.py").write_text(
        'class AnotherBackend:\n    """Pages from elsewhere.\n\n    More.\n    """\n'
        "    def __init__(self, argument):\n        self.argument = argument\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "another_backend", raising=False)


def test_a_name_alone_opens_its_backend():
    assert isinstance(registry.open_backend("chart"), ChartBackend)


def test_only_the_first_colon_separates_the_argument(tmp_path: Path):
    assert registry.parse("images:/a:b/c") == ("images", "/a:b/c")
    assert isinstance(registry.open_backend(f"images:{tmp_path}"), ImageFilesBackend)


@pytest.mark.usefixtures("another")
def test_a_backend_of_another_package_is_found_by_its_entry_point():
    backend = registry.open_backend("another:here")
    assert backend.argument == "here"


@pytest.mark.usefixtures("another")
def test_no_other_package_takes_our_names():
    assert isinstance(registry.open_backend("chart"), ChartBackend)


@pytest.mark.usefixtures("another")
def test_every_backend_is_listed_with_a_line_of_help():
    listed = dict(registry.names())
    assert listed["another"] == "Pages from elsewhere."
    assert "cannot be loaded" in listed["broken"]
    assert {"chart", "images"} <= listed.keys()
    assert all("\n" not in line and line for line in listed.values())


@pytest.mark.usefixtures("another")
def test_a_backend_that_cannot_be_loaded_says_why():
    with pytest.raises(SourceError, match="Missing"):
        registry.open_backend("broken")


@pytest.mark.parametrize(("wrong", "right"), [("chrat", "chart"), ("image", "images")])
def test_a_misspelt_name_is_answered_with_the_nearest(wrong: str, right: str):
    with pytest.raises(SourceError, match=f"did you mean '{right}'"):
        registry.open_backend(wrong)


def test_a_path_without_a_name_is_answered_with_how_to_write_it():
    with pytest.raises(SourceError, match="write images:/home/me/scans"):
        registry.open_backend("/home/me/scans")


@pytest.mark.parametrize("source", ["", ":x", "  :y"])
def test_a_source_without_a_name_is_refused(source: str):
    with pytest.raises(SourceError, match="no name"):
        registry.open_backend(source)


def test_the_project_file_names_the_same_backends():
    project = Path(__file__).parents[2] / "pyproject.toml"
    declared = tomllib.loads(project.read_text())["project"]["entry-points"][registry.GROUP]
    assert registry.OWN.items() <= declared.items()

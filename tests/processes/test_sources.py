"""Scan processes from a folder, from the configuration, and from the directory, as one list."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes.documents import document, share, switch
from support import slapd
from support.slapd import Slapd, process_entry

from device import config
from device.directory.client import log_on
from device.directory.words import Credentials, DirectorySettings
from device.dsp import filters
from device.errors import ConfigError, NoSuchProcess, OperatorError, ProcessUnusable
from device.model.operator import NOBODY, ListedProcess, User
from device.model.ticket import Wish
from device.processes.folder import Folder
from device.processes.source import Sources, Visitor
from device.processes.sources import directory_of, sources_of
from device.ticket.parameters import wishes
from device.workflow_settings import WorkflowConfig

GUID = "C4F199C7-6876-4549-A86E-A85035952448"
ANYBODY = Visitor(User("", NOBODY))
JOE = Visitor(User("Joe@example.org", "S-1-5-21-1-2-3-1000"))
ANN = Visitor(User("ann@example.org", "S-1-5-21-1-2-3-1001"))


# ---- a folder


async def test_a_folder_lists_its_files_by_name(tmp_path: Path):
    (tmp_path / "Minutes.xml").write_text(document())
    (tmp_path / f"Invoices {{{GUID.lower()}}}.XML").write_text(document())
    (tmp_path / f"{GUID.replace('C4', 'D4')}.xml").write_text(document())
    (tmp_path / "notes.txt").write_text("no process")
    found = {one.name: one for one in await Sources(Folder(tmp_path)).listed(ANYBODY)}
    assert list(found) == [GUID.replace("C4", "D4"), "Invoices", "Minutes"]
    assert found["Invoices"] == ListedProcess(GUID, "Invoices")
    minutes = found["Minutes"].identifier
    offer = await Folder(tmp_path).load(minutes.lower(), ANYBODY)
    assert (offer.name, offer.identifier) == ("Minutes", minutes)
    assert offer.process.psp_identifier == minutes
    assert offer.process.scan_repository == "scan.example.org"


async def test_a_file_that_is_no_process_is_listed_with_what_is_wrong(tmp_path: Path):
    (tmp_path / "Wrong.xml").write_text(document(server="https://x"))
    (tmp_path / "Huge.xml").write_text(f"<a>{'x' * 3_000_000}</a>")
    (tmp_path / "Gone.xml").symlink_to(tmp_path / "nowhere")
    found = {one.name: one for one in await Folder(tmp_path).listed(ANYBODY)}
    assert "ScanRepository" in found["Wrong"].problem
    assert "524288 characters" in found["Huge"].problem
    assert "No such file" in found["Gone"].problem
    with pytest.raises(ProcessUnusable, match="'Wrong' cannot be used: ScanRepository"):
        await Folder(tmp_path).load(found["Wrong"].identifier, ANYBODY)


async def test_a_folder_that_goes_away_is_named(tmp_path: Path):
    folder = tmp_path / "gone"
    folder.mkdir()
    source = Folder(folder)
    folder.rmdir()
    with pytest.raises(OperatorError, match="gone cannot be read: No such file"):
        await source.listed(ANYBODY)


def test_a_folder_must_be_there(tmp_path: Path):
    with pytest.raises(ConfigError, match="--process-folder"):
        Folder(tmp_path / "none")


@pytest.mark.parametrize("identifier", ["../etc/passwd", "", GUID, "*"])
async def test_an_identifier_is_no_path(tmp_path: Path, identifier: str):
    (tmp_path / "Minutes.xml").write_text(document())
    with pytest.raises(NoSuchProcess):
        await Folder(tmp_path).load(identifier, ANYBODY)


# ---- the configuration

LIST = """
[[process]]
name = "Invoices"
server = "scan.example.org"
root_name = "invoice"
shares = ['\\\\files\\invoices']
emails = ["office@example.org"]
may_add_emails = true
continue_on_error = true
settings = { Format = "pdf-a", "MediaSides/MediaFront/Resolution/Width" = 300 }
locked = ["Format"]
users = ["joe@EXAMPLE.org"]

[[process]]
name = "Minutes"
file = "minutes.xml"
identifier = "{c4f199c7-6876-4549-a86e-a85035952448}"

[[process]]
name = "Just keep it"
server = "10.0.0.1"
"""


def configured(folder: Path, text: str) -> Sources:
    file = folder / "scanner.toml"
    file.write_text(text)
    return sources_of(config.load({}, {}, file).workflow)


async def test_the_configuration_lists_processes_for_whom_it_says(tmp_path: Path):
    (tmp_path / "minutes.xml").write_text(document(root_name="minutes"))
    sources = configured(tmp_path, LIST)
    assert [one.name for one in await sources.listed(JOE)] == [
        "Invoices",
        "Just keep it",
        "Minutes",
    ]
    assert [one.name for one in await sources.listed(ANN)] == ["Just keep it", "Minutes"]
    invoices = (await sources.listed(JOE))[0].identifier
    found = (await sources.load(invoices, JOE)).process
    assert found.instructions.document_root_name == "invoice"
    assert found.instructions.continue_on_error is True
    configs = [filters.read(one.dialect, one.instructions) for one in found.instructions.filters]
    assert configs == [
        filters.FileShareConfig((r"\\files\invoices",)),
        filters.EmailConfig(False, ("office@example.org",), True),
    ]
    assert wishes(found.ticket.parameters) == {
        "Format": Wish("pdf-a", True),
        "MediaSides/MediaFront/Resolution/Width": Wish(300),
    }
    with pytest.raises(NoSuchProcess):
        await sources.load(invoices, ANN)
    assert (await sources.load(GUID, ANN)).process.instructions.document_root_name == "minutes"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('name = "Invoices"', 'nmae = "Invoices"', r"process\[1\]\.name is missing"),
        ('name = "Just keep it"', 'name = "Invoices"', r"process\[3\]\.name .*another process"),
        ('server = "scan.example.org"', 'server = "a b"', r"process\[1\]\.server .*ScanRepository"),
        ('root_name = "invoice"', 'root_name = "a/b"', r"process\[1\]\.root_name .*DocumentRoot"),
        ("'\\\\files\\invoices'", "'/srv'", r"process\[1\]\.shares .*ShareUNC"),
        ('"office@example.org"', '"office"', r"process\[1\]\.emails .*EmailAddress"),
        ('"pdf-a"', '"pdf"', r"process\[1\]\.settings\.Format must be one of"),
        ("= 300", '= "300"', r"Resolution/Width must be a whole number"),
        ("{ Format", "{ Fromat", r"settings\.Fromat is not known; did you mean 'Format'"),
        ('locked = ["Format"]', 'locked = ["Rotation"]', r"process\[1\]\.locked .*not among"),
        ('"{c4f199c7', '"{c4f1x9c7', r"process\[2\]\.identifier must be a GUID"),
        ('file = "minutes.xml"', 'file = "none.xml"', r"process\[2\]\.file .*No such file"),
        ('emails = ["office@example.org"]', "", r"process\[1\]\.may_add_emails needs"),
    ],
)
def test_a_mistake_in_the_list_names_its_key(
    tmp_path: Path, before: str, after: str, sentence: str
):
    (tmp_path / "minutes.xml").write_text(document())
    assert before in LIST
    with pytest.raises(ConfigError, match=sentence):
        configured(tmp_path, LIST.replace(before, after, 1))


# ---- several sources, and the directory among them


async def test_of_two_with_one_identifier_the_first_source_wins(tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, name in ((one, "first"), (two, "second")):
        folder.mkdir()
        (folder / f"{name}-{GUID}.xml").write_text(document(root_name=name))
    sources = Sources(Folder(one), Folder(two))
    assert await sources.listed(ANYBODY) == [ListedProcess(GUID, "first")]
    assert (await sources.load(GUID, ANYBODY)).process.instructions.document_root_name == "first"


@pytest.fixture(scope="module")
def server(bonsai: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    entries = (
        process_entry("Invoices", document(switches=switch("FileName")), identifier=GUID),
        process_entry("Empty", identifier=GUID.replace("C4", "E0")),
        process_entry("Wrong", document(share("/srv")), identifier=GUID.replace("C4", "E1")),
        process_entry(
            "Declared",
            f'\ufeff<?xml version="1.0" encoding="utf-16"?>{document()}',
            identifier=GUID.replace("C4", "E2"),
        ),
    )
    with slapd.running(tmp_path_factory.mktemp("slapd") / "one", "".join(entries)) as running:
        yield running


async def test_the_directory_is_a_source_like_the_others(server: Slapd, tmp_path: Path):
    (tmp_path / "Minutes.xml").write_text(document())
    settings = WorkflowConfig(
        process_folder=tmp_path,
        directory=server.secure_url,
        directory_ca=str(server.ca),
        directory_user_dn=slapd.USER_DN,
    )
    sources, directory = sources_of(settings), directory_of(settings)
    assert directory is not None
    logon = await log_on(directory, Credentials("joe", "secret of joe"))
    visitor = Visitor(logon.user, logon)
    try:
        names = [one.name for one in await sources.listed(visitor)]
        assert names == ["Declared", "Empty", "Invoices", "Minutes", "Wrong"]
        offer = await sources.load(GUID.lower(), visitor)
        assert (offer.name, offer.process.psp_identifier) == ("Invoices", GUID)
        assert offer.process.may_change_file_name
        assert (await sources.load(GUID.replace("C4", "E2"), visitor)).name == "Declared"
        with pytest.raises(ProcessUnusable, match=r"'Empty' .* no document"):
            await sources.load(GUID.replace("C4", "E0"), visitor)
        with pytest.raises(ProcessUnusable, match=r"'Wrong' .*ShareUNC"):
            await sources.load(GUID.replace("C4", "E1"), visitor)
    finally:
        await logon.close()
    assert [one.name for one in await sources.listed(ANYBODY)] == ["Minutes"]


def test_the_list_is_a_list(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"each begun by \[\[process\]\]"):
        configured(tmp_path, "process = 5")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"directory": "http://dc1"}, "ldaps://HOST"),
        ({"directory": "ldap:///"}, "ldaps://HOST"),
        ({"directory": "ldaps://dc1", "directory_login": "gssapi"}, "use ldap://"),
        ({"directory": "ldaps://dc1", "directory_user_dn": "CN=x"}, "needs {}"),
    ],
)
def test_a_directory_must_be_named_rightly(settings: dict[str, str], sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        directory_of(WorkflowConfig(**settings))


def test_no_directory_is_none():
    assert directory_of(WorkflowConfig()) is None


def test_settings_are_read(bonsai: None):
    flags = {"directory": "example.org", "directory_login": "gssapi", "directory_base": "DC=x"}
    found = directory_of(config.load(flags, {}, None).workflow)
    assert found == DirectorySettings("example.org", login="gssapi", base="DC=x")

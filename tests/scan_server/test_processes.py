"""Which jobs may be: of which scan process, with which changes, by whom."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from clients.dsp_client import DSP, FSH, PSP, DspClient, Reply, file_share, instructions
from support import dsp_rules, slapd
from support.slapd import Slapd, process_entry
from support.wait import wait_until

from device.dsp import filters, process
from device.dsp.filters import EmailConfig
from device.dsp.process import Filter, ScanProcess
from device.errors import ConfigError
from scan_server.catalogue import open_directory
from scan_server.comparison import difference

from .conftest import Running, Start
from .test_configuration import issue

GUID = "C4F199C7-6876-4549-A86E-A85035952448"
EML = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/email"
SPX = "http://schemas.microsoft.com/windows/2010/09/imaging/postscan/scanprocess/extensions"
WSCN = "http://schemas.microsoft.com/windows/2006/08/wdp/scan"
MAIL = (
    f'<e:EmailConfig xmlns:e="{EML}"><e:SendToAddresses{{can}}>{{addresses}}'
    "</e:SendToAddresses></e:EmailConfig>"
)
VENDOR = ("urn:vendor", '<v:a xmlns:v="urn:vendor" v:b="1"><v:c/></v:a>')
SHARE = (FSH, file_share(r"\\.\store"))
PAGE = b"a page" * 100


def mail(*addresses: str, can: bool = False) -> tuple[str, str]:
    inner = "".join(f"<e:EmailAddress>{one}</e:EmailAddress>" for one in addresses)
    attribute = ' e:CanAddAddresses="true"' if can else ""
    return EML, MAIL.format(can=attribute, addresses=inner)


def document(*entries: tuple[str, str], name: bool = False, path: bool = False) -> str:
    """A scan process document."""
    told = instructions(*entries, root="Invoice", continue_on_error=False)
    switches = "".join(
        f"<x:AllowDeviceFile{which}Change>true</x:AllowDeviceFile{which}Change>"
        for which, on in (("Name", name), ("Path", path))
        if on
    )
    return (
        f'<p:PostScanProcess xmlns:p="{PSP}" xmlns:w="{WSCN}" xmlns:x="{SPX}">'
        "<p:ScanRepository>scan.example.org</p:ScanRepository><p:ScanTicket><w:JobDescription>"
        "<w:JobName>n</w:JobName><w:JobOriginatingUserName>u</w:JobOriginatingUserName>"
        "</w:JobDescription></p:ScanTicket><p:PostScanInstructions>"
        f"{told}</p:PostScanInstructions>{switches}</p:PostScanProcess>"
    )


def parsed(*entries: tuple[str, str], **switches: bool) -> ScanProcess:
    return process.parse(document(*entries, **switches))


class TestWhatMayDiffer:
    """Each row of the table in section 8.5, allowed and not."""

    ALL = (mail("a@b", "c@d"), SHARE, VENDOR)

    @pytest.mark.conformance("SD-08")
    def test_nothing_differs(self) -> None:
        found = parsed(*self.ALL)
        assert difference(found, found.instructions) == ""

    @pytest.mark.conformance("SD-08")
    def test_the_spelling_does_not_matter(self) -> None:
        found = parsed(*self.ALL)
        other = parsed(*((dialect, f"\n {inner} \n") for dialect, inner in self.ALL))
        blanks = Filter("urn:vendor", '<x:a xmlns:x="urn:vendor" x:b="1">\n  <x:c/>\n</x:a>')
        same = replace(
            other.instructions,
            continue_on_error=None,
            filters=(*other.instructions.filters[:2], blanks),
        )
        assert difference(found, other.instructions) == ""
        assert difference(found, same) == "Instructions", "prefixes are not compared, names are"

    @pytest.mark.conformance("SD-06")
    @pytest.mark.parametrize("allowed", [True, False])
    def test_the_file_name(self, allowed: bool) -> None:
        found = parsed(SHARE, name=allowed)
        asked = replace(found.instructions, document_root_name="other")
        assert difference(found, asked) == ("" if allowed else "DocumentRootName")

    @pytest.mark.conformance("SD-07")
    @pytest.mark.parametrize("allowed", [True, False])
    def test_the_file_path(self, allowed: bool) -> None:
        found = parsed(SHARE, path=allowed)
        other = Filter(filters.FILE_SHARE, filters.write_file_share([r"\\h\s", r"\\i\s"]))
        asked = replace(found.instructions, filters=(other,))
        assert difference(found, asked) == ("" if allowed else "FileShares")
        nothing = Filter(filters.FILE_SHARE, f'<f:FileShareConfig xmlns:f="{FSH}"/>')
        assert difference(found, replace(asked, filters=(nothing,))) == "FileShares"

    @pytest.mark.conformance("SD-05")
    @pytest.mark.parametrize("allowed", [True, False])
    @pytest.mark.parametrize(
        ("addresses", "added_only"),
        [
            (("a@b", "c@d", "new@x"), True),
            (("new@x", "a@b", "c@d"), True),
            (("a@b", "new@x"), False),
            (("a@b",), False),
        ],
    )
    def test_addresses(self, allowed: bool, addresses: tuple[str, ...], added_only: bool) -> None:
        found = parsed(mail("a@b", "c@d", can=allowed))
        config = EmailConfig(addresses=addresses, can_add_addresses=allowed)
        asked = replace(
            found.instructions, filters=(Filter(filters.EMAIL, filters.write_email(config)),)
        )
        assert (difference(found, asked) == "") == (allowed and added_only)

    @pytest.mark.conformance("SD-08")
    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (lambda told: replace(told, continue_on_error=True), "ContinueOnError"),
            (lambda told: replace(told, filters=told.filters[:2]), "FiltersToProcess"),
            (lambda told: replace(told, filters=told.filters[::-1]), "FiltersToProcess"),
            (lambda told: replace(told, filters=(*told.filters, told.filters[0])), "Filters"),
            (
                lambda told: replace(
                    told,
                    filters=(
                        *told.filters[:2],
                        Filter("urn:vendor", '<v:a xmlns:v="urn:vendor" v:b="2"><v:c/></v:a>'),
                    ),
                ),
                "Instructions",
            ),
            (
                lambda told: replace(
                    told,
                    filters=(
                        Filter(
                            filters.EMAIL,
                            filters.write_email(
                                EmailConfig(True, ("a@b", "c@d"), can_add_addresses=False)
                            ),
                        ),
                        *told.filters[1:],
                    ),
                ),
                "Instructions",
            ),
        ],
    )
    def test_anything_else(self, change: Callable, named: str) -> None:  # type: ignore[type-arg]
        found = parsed(*self.ALL, name=True, path=True)
        assert difference(found, change(found.instructions)).startswith(named)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "processes"
    found.mkdir()
    (found / f"Invoices {GUID}.xml").write_text(document(SHARE))
    return found


def create(client: DspClient, told: str = "", identifier: str = GUID, user: str = "") -> Reply:
    told = told or instructions(SHARE, root="Invoice")
    return client.call(
        "CreatePostScanJob",
        f"<x:UserIdentifier>{user or 'S-1-5-21-1-2-3-1000'}</x:UserIdentifier>"
        f"<x:PSP_Identifier>{identifier}</x:PSP_Identifier>"
        f"<x:PostScanInstructions>{told}</x:PostScanInstructions>",
    )


class TestAFolderOfProcesses:
    @pytest.fixture
    def server(self, start: Start, folder: Path) -> Running:
        return start(processes=folder)

    @pytest.mark.conformance("SD-01")
    def test_a_job_of_a_process(self, server: Running) -> None:
        client = server.client
        token = create(client, identifier=GUID.lower()).text("JobToken")
        told = client.elements(token, "x:JobDescription")
        assert told.text("PSP_DisplayName") == "Invoices"
        client.send_image(token, 1, PAGE)
        client.end(token)
        wait_until(lambda: client.ended(token), 10, "end of the job")
        assert list(server.files().values()) == [PAGE]

    @pytest.mark.conformance("SD-02")
    @pytest.mark.parametrize("identifier", [GUID.replace("C4", "C5"), "nobody", "../../x"])
    def test_a_process_that_is_not_there(self, server: Running, identifier: str) -> None:
        reply = create(server.client, identifier=identifier)
        assert (reply.subcode, reply.detail.tag) == ("InvalidArgs", f"{{{DSP}}}PSP_Identifier")
        assert reply.detail.text == identifier
        assert len(server.console.history().body[0]) == 0

    @pytest.mark.conformance("SD-06", "SJ-02")
    def test_instructions_that_were_changed(self, server: Running) -> None:
        reply = create(server.client, instructions(SHARE, root="Other"))
        assert (reply.subcode, reply.detail.tag) == ("InvalidArgs", f"{{{PSP}}}DocumentRootName")
        history = server.console.history()
        wanted = ("Aborted", "NoValidPostScanInstructionsFound")
        assert tuple(
            history.body.findtext(f".//{{*}}{name}") for name in ("JobState", "JobStateReason")
        ) == wanted  # fmt: skip

    def test_a_document_that_is_none(self, server: Running, folder: Path) -> None:
        (folder / f"Invoices {GUID}.xml").write_text("<nonsense/>")
        assert create(server.client).subcode == "OperationFailed"

    def test_a_process_is_read_when_a_job_comes(self, server: Running, folder: Path) -> None:
        (folder / f"Invoices {GUID}.xml").write_text(document(SHARE, name=True))
        assert create(server.client, instructions(SHARE, root="Other")).subcode == ""

    def test_a_folder_that_is_missing(self, start: Start, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"--processes .*nowhere: there is no such folder"):
            start(processes=tmp_path / "nowhere")


class TestUsers:
    """A file says who is who; a certificate says who somebody is."""

    @pytest.mark.conformance("SD-03")
    def test_a_name_for_a_sid(self, start: Start, tmp_path: Path) -> None:
        users = tmp_path / "users.toml"
        users.write_text('[[user]]\nsid = "s-1-5-21-1-2-3-1000"\nname = "joe@example.org"\n')
        client = start(users=users).client
        for user, name in (
            ("S-1-5-21-1-2-3-1000", "joe@example.org"),
            ("S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1001"),
        ):
            token = client.new_job(user=user)
            told = client.elements(token, "x:JobDescription")
            assert told.text("JobOriginatingUserName") == name

    @pytest.fixture
    def clients(self, start: Start, tmp_path: Path) -> dict[str, DspClient]:
        """Joe with two certificates, Ann, and one whom nobody knows."""
        ca = trustme.CA()
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        own = ca.issue_cert("127.0.0.1")
        own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
        users = tmp_path / "users.toml"
        users.write_text(
            '[[user]]\nsid = "S-1-5-21-1-2-3-1000"\nname = "joe@example.org"\n'
            'certificates = ["principal:joe@example.org", "principal:joe2@example.org"]\n'
            '[[user]]\nsid = "S-1-5-21-1-2-3-1001"\nname = "ann@example.org"\n'
            'certificates = ["principal:ann@example.org"]\n'
        )
        server = start(http=False, cert=tmp_path / "own.pem", ca=tmp_path / "ca.pem", users=users)
        found = {}
        for name in ("joe", "joe2", "ann", "stranger"):
            context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            context.load_cert_chain(issue(ca, tmp_path, name))
            found[name] = DspClient(server.url, context, check=dsp_rules.check)
        return found

    @pytest.mark.conformance("SM-04")
    def test_who_somebody_is_must_be_what_the_device_says(
        self, clients: dict[str, DspClient]
    ) -> None:
        assert clients["joe"].create(user="S-1-5-21-1-2-3-1000").subcode == ""
        for name, sid in (("joe", 1001), ("ann", 1000), ("stranger", 1000), ("stranger", 9)):
            reply = clients[name].create(user=f"S-1-5-21-1-2-3-{sid}")
            assert reply.subcode == "OperationFailed", name

    @pytest.mark.conformance("SO-31")
    def test_a_job_is_the_user_s_by_any_of_the_certificates(
        self, clients: dict[str, DspClient]
    ) -> None:
        token = clients["joe"].new_job()
        assert clients["ann"].cancel(token).subcode == "ClientErrorJobTokenNotFound"
        assert clients["joe2"].status(token).text("JobState") == "Creating"
        assert clients["joe2"].cancel(token).name == "CancelPostScanJobResponse"


@pytest.fixture(scope="module")
def ldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    entries = [
        process_entry("Invoices", document(SHARE), identifier=GUID, display="Rechnungen ä"),
        process_entry("Broken", "<c/>", identifier=GUID.replace("C4", "C5")),
    ]
    with slapd.running(tmp_path_factory.mktemp("slapd") / "one", "".join(entries)) as running:
        yield running


@pytest.mark.usefixtures("bonsai")
class TestADirectory:
    """A real LDAP server with Active Directory's names."""

    def settings(self, ldap: Slapd, folder: Path, **more: str) -> Path:
        (folder / "secret").write_text("secret of ann\n")
        told = {
            "server": ldap.secure_url,
            "ca": str(ldap.ca),
            "user_dn": slapd.USER_DN,
            "account": "ann",
            "password_file": str(folder / "secret"),
            **more,
        }
        path = folder / "directory.toml"
        path.write_text("".join(f"{name} = '{value}'\n" for name, value in told.items()))
        return path

    @pytest.mark.conformance("SD-01", "SD-03")
    def test_process_and_user_are_looked_up(
        self, ldap: Slapd, start: Start, tmp_path: Path
    ) -> None:
        client = start(directory=self.settings(ldap, tmp_path)).client
        token = create(client).text("JobToken")
        told = client.elements(token, "x:JobDescription")
        assert told.text("PSP_DisplayName") == "Rechnungen ä"
        assert told.text("JobOriginatingUserName") == "joe@example.org"
        for reply, subcode in (
            (create(client, identifier=GUID.replace("C4", "C6")), "InvalidArgs"),
            (create(client, instructions(SHARE, root="Other")), "InvalidArgs"),
            (create(client, identifier=GUID.replace("C4", "C5")), "OperationFailed"),
            (create(client, user="S-1-5-21-1-2-3-9999"), "OperationFailed"),
        ):
            assert reply.subcode == subcode

    @pytest.mark.conformance("SD-09")
    def test_a_directory_that_is_down_is_a_passing_trouble(
        self, ldap: Slapd, start: Start, tmp_path: Path
    ) -> None:
        client = start(directory=self.settings(ldap, tmp_path)).client
        assert create(client).subcode == ""
        ldap.stop()
        try:
            assert create(client).subcode == "ServerErrorTemporaryError"
        finally:
            ldap.start()
        assert create(client).subcode == ""

    @pytest.mark.conformance("SD-09")
    def test_an_account_that_is_refused(self, ldap: Slapd, start: Start, tmp_path: Path) -> None:
        client = start(directory=self.settings(ldap, tmp_path, account="joe")).client
        assert create(client).subcode == "ServerErrorTemporaryError"

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"password_file": "/nowhere"}, "which cannot be read"),
            ({"login": "magic"}, "login is 'magic'"),
            ({"sever": "x"}, "did you mean 'server'"),
        ],
    )
    def test_a_file_that_is_wrong(
        self, ldap: Slapd, tmp_path: Path, more: dict[str, str], said: str
    ) -> None:
        with pytest.raises(ConfigError, match=said):
            open_directory(self.settings(ldap, tmp_path, **more))


def test_one_of_the_two(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        start(processes=tmp_path, directory=tmp_path / "x")

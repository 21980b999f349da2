"""Users and their scan processes, read out of a real LDAP server."""

import asyncio
import datetime
import hashlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from support import slapd
from support.slapd import Issue, Slapd, computer_entry, process_entry

from device.directory.client import Logon, check_installed, log_on
from device.directory.words import Credentials, DirectorySettings, Thumbprint
from device.errors import ConfigError, DirectoryUnavailable, LogonRefused, NoSuchProcess
from device.model.operator import ListedProcess, User

from .conftest import ANN, JOE, settings_for

pytestmark = pytest.mark.usefixtures("bonsai")

INVOICES = "C4F199C7-6876-4549-A86E-A85035952448"
PAYROLL = "0A0B0C0D-2A28-295C-0001-FFFEFDFCFBFA"
"""Its octets are full of what means something in a filter: `*`, `(`, `)`, `\\` and NUL."""
MANY = 450
DIGEST = hashlib.sha256(b"certificate").digest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    entries = [
        process_entry("Invoices", "<invoices/>", identifier=INVOICES, display="Rechnungen ä"),
        process_entry("Payroll", "<payroll/>", identifier=PAYROLL),
        process_entry("Braces", "<b/>", octets=b"{11111111-2222-3333-4444-55555555abcd}"),
        process_entry("Broken", "<c/>", octets=b"what is this"),
        process_entry("Empty"),
        computer_entry("scan.example.org", DIGEST, "SHA256"),
        computer_entry("plain.example.org"),
    ]
    with slapd.running(tmp_path_factory.mktemp("slapd") / "one", "".join(entries)) as running:
        yield running


class Opened:
    """`async with Opened(settings, who) as logon`"""

    def __init__(self, settings: DirectorySettings, who: Credentials, **more: float) -> None:
        self._arguments = (settings, who)
        self._more = more

    async def __aenter__(self) -> Logon:
        self._logon = await log_on(*self._arguments, **self._more)
        return self._logon

    async def __aexit__(self, *_: object) -> None:
        await self._logon.close()


@pytest.mark.conformance("DD-02")
@pytest.mark.parametrize("scheme", ["ldaps", "ldap with StartTLS"])
async def test_a_user_logs_on_inside_tls(server: Slapd, scheme: str):
    url = server.secure_url if scheme == "ldaps" else server.url
    async with Opened(settings_for(server, server=url), JOE) as logon:
        assert logon.user == User(
            "joe@example.org", "S-1-5-21-1-2-3-1000", "Joe Doe", "joe.doe@example.org"
        )


async def test_a_user_without_a_principal_name_gets_that_of_the_domain(server: Slapd):
    async with Opened(settings_for(server), ANN) as logon:
        assert logon.user == User("ann@example.org", "S-1-5-21-1-2-3-1001", "ann", "")


@pytest.mark.conformance("DD-03")
async def test_an_odd_name_finds_its_user_and_no_other(server: Slapd):
    odd = Credentials("o(d*)d, one", "secret of odd")
    async with Opened(settings_for(server), odd) as logon:
        assert logon.user.sid == "S-1-5-21-1-2-3-1002"


@pytest.mark.conformance("DD-04")
async def test_each_user_sees_what_the_directory_shows_to_this_user(server: Slapd):
    async with Opened(settings_for(server), JOE) as joe, Opened(settings_for(server), ANN) as ann:
        assert await joe.processes() == [
            ListedProcess("11111111-2222-3333-4444-55555555ABCD", "Braces"),
            ListedProcess("", "Broken", "it has no msImaging-PSPIdentifier that could be read"),
            *[one for one in await joe.processes() if one.name == "Empty"],
            ListedProcess(INVOICES, "Rechnungen ä"),
        ]
        assert {one.name for one in await ann.processes()} - {"Payroll"} == {
            one.name for one in await joe.processes()
        }
        assert (await ann.document(PAYROLL)).text == "<payroll/>"
        with pytest.raises(NoSuchProcess, match=PAYROLL):
            await joe.document(PAYROLL)


@pytest.mark.conformance("DD-05")
@pytest.mark.parametrize(
    ("identifier", "text"),
    [
        (INVOICES, "<invoices/>"),
        (INVOICES.lower(), "<invoices/>"),
        ("11111111-2222-3333-4444-55555555ABCD", "<b/>"),
    ],
)
async def test_a_document_is_found_by_its_identifier(server: Slapd, identifier: str, text: str):
    async with Opened(settings_for(server), JOE) as logon:
        assert (await logon.document(identifier)).text == text


@pytest.mark.parametrize("identifier", ["00000000-0000-0000-0000-000000000000", "*", ")(cn=*"])
async def test_a_process_that_is_not_there(server: Slapd, identifier: str):
    async with Opened(settings_for(server), JOE) as logon:
        with pytest.raises(NoSuchProcess):
            await logon.document(identifier)


async def test_what_the_directory_says_of_a_servers_certificate(server: Slapd):
    async with Opened(settings_for(server), JOE) as logon:
        assert await logon.thumbprint("Scan.Example.org.") == Thumbprint(DIGEST.hex(), "SHA256")
        assert await logon.thumbprint("plain.example.org") is None
        assert await logon.thumbprint("*") is None


@pytest.mark.conformance("DD-04")
async def test_a_long_list_comes_page_by_page(folder: Path):
    entries = "".join(process_entry(f"Process {number:03}") for number in range(MANY))
    with slapd.running(folder, entries) as server:
        async with Opened(settings_for(server), JOE) as logon:
            found = await logon.processes()
    assert [one.name for one in found] == [f"Process {number:03}" for number in range(MANY)]


async def test_the_roots_of_the_enterprise_are_read(folder: Path):
    authority = trustme.CA()
    der = ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())
    with slapd.running(folder, slapd.root_entries(der)) as server:
        async with Opened(settings_for(server), JOE) as logon:
            assert await logon.authorities() == [der]


async def test_a_domain_without_roots_of_its_own_has_none(server: Slapd):
    async with Opened(settings_for(server), JOE) as logon:
        assert await logon.authorities() == []


# ---- who is refused


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (Credentials("joe", "wrong"), "name or the password is wrong"),
        (Credentials("nobody", "secret of joe"), "name or the password is wrong"),
        (Credentials("joe", ""), "password is empty"),
        (Credentials(" ", "secret"), "name is empty"),
        (Credentials("nosid", "secret of nosid"), "no SID"),
    ],
)
async def test_who_is_not_let_in(server: Slapd, who: Credentials, why: str):
    with pytest.raises(LogonRefused, match=why) as caught:
        await log_on(settings_for(server), who)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(who)


async def test_a_user_whom_the_directory_does_not_list(server: Slapd):
    other = settings_for(server, base=f"CN=Computers,{slapd.BASE}", domain="example.org")
    with pytest.raises(LogonRefused, match="does not know joe"):
        await log_on(other, JOE)


async def test_a_container_that_is_not_there_is_named(server: Slapd):
    async with Opened(settings_for(server, processes=f"CN=None,{slapd.BASE}"), JOE) as logon:
        with pytest.raises(DirectoryUnavailable, match="no CN=None,DC=example,DC=org"):
            await logon.processes()


# ---- which directory is trusted, and what becomes of one that is gone


def expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert(
        "127.0.0.1", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    )


def of_another(authority: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert("127.0.0.1")


def for_another_name(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("dc1.example.org")


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
@pytest.mark.parametrize("issue", [expired, of_another, for_another_name])
async def test_a_directory_that_cannot_be_trusted_gets_no_password(
    folder: Path, tmp_path: Path, scheme: str, issue: Issue, monkeypatch: pytest.MonkeyPatch
):
    """Whatever the environment and the user's own file say to libldap."""
    monkeypatch.setenv("LDAPTLS_REQCERT", "never")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ldaprc").write_text("TLS_REQCERT never\n")
    with slapd.running(folder, issue=issue) as server:
        url = server.secure_url if scheme == "ldaps" else server.url
        with pytest.raises(DirectoryUnavailable, match="certificate is not trusted"):
            await log_on(settings_for(server, server=url), JOE)


async def test_the_systems_authorities_are_the_ones_to_trust_by_default(server: Slapd):
    with pytest.raises(DirectoryUnavailable, match="--directory-ca"):
        await log_on(settings_for(server, ca=""), JOE)


@pytest.mark.conformance("DD-06")
async def test_a_directory_that_is_not_there(server: Slapd):
    with pytest.raises(DirectoryUnavailable, match="Can't contact"):
        await log_on(settings_for(server, server="ldaps://127.0.0.1:1"), JOE)


async def test_a_directory_that_comes_back_is_asked_as_before(folder: Path):
    with slapd.running(folder, process_entry("Invoices", identifier=INVOICES)) as server:
        async with Opened(settings_for(server), JOE) as logon:
            before = await logon.processes()
            server.stop()
            with pytest.raises(DirectoryUnavailable):
                await logon.processes()
            server.start()
            assert await logon.processes() == before


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.conformance("DD-06")
@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
async def test_a_silent_directory_is_not_waited_for(server: Slapd, silent: str, scheme: str):
    with pytest.raises(DirectoryUnavailable, match=r"did not answer within 0\.5 s"):
        await log_on(settings_for(server, server=f"{scheme}://{silent}"), JOE, 0.5)


async def test_a_logon_that_is_over_answers_no_more(
    server: Slapd, caplog: pytest.LogCaptureFixture
):
    logon = await log_on(settings_for(server), JOE)
    asked = asyncio.gather(logon.processes(), logon.processes(), return_exceptions=True)
    await logon.close()
    assert all(isinstance(one, list | DirectoryUnavailable) for one in await asked)
    with pytest.raises(DirectoryUnavailable, match="log on again"):
        await logon.processes()
    await logon.close()
    assert caplog.records == []


async def test_a_question_that_is_given_up_ends_the_logon(server: Slapd):
    logon = await log_on(settings_for(server), JOE)
    question = asyncio.ensure_future(logon.processes())
    await asyncio.sleep(0)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    with pytest.raises(DirectoryUnavailable, match="log on again"):
        await logon.processes()
    await logon.close()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"bonsai.*python3-bonsai.*wsd-scanner\[ad\]"):
        check_installed()

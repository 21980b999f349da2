"""Who is at the panel: by password, by badge, or nobody in particular; and for how long."""

import hashlib
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from clients.dsp_server import DSP
from processes.conftest import MakeOperator, Operator, Site
from processes.documents import document
from support import slapd
from support.slapd import Slapd, computer_entry, process_entry

from device.errors import ConfigError, TooManyAttempts
from device.processes.attempts import IN_ALL, PER_NAME, WINDOW_S, Attempts
from device.processes.badges import Badges

GUID = "C4F199C7-6876-4549-A86E-A85035952448"
FEEDER = "<w:InputSource>ADF</w:InputSource><w:Format>png</w:Format>"
JOE = {"user": "joe", "password": "secret of joe"}
ANN = {"user": "ann", "password": "secret of ann"}


def refused(answer, status: int, kind: str) -> str:
    assert answer.status == status, answer
    assert answer.json["type"] == f"urn:wsd-scanner:problem:{kind}"
    assert "secret of" not in answer.raw.decode()
    return answer.json["detail"]


@pytest.fixture(scope="module")
def server(bonsai: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    text = document(server="127.0.0.1", parameters=FEEDER)
    entries = process_entry("Invoices", text, identifier=GUID) + process_entry("Payroll", text)
    with slapd.running(tmp_path_factory.mktemp("slapd") / "one", entries) as running:
        yield running


@pytest.fixture
def with_directory(server: Slapd, make_operator: MakeOperator) -> MakeOperator:
    def make(**more: object) -> Operator:
        settings = {
            "process_folder": None,
            "directory": server.secure_url,
            "directory_ca": str(server.ca),
            "directory_user_dn": slapd.USER_DN,
        }
        return make_operator(**(settings | more))

    return make


# ---- by password


@pytest.mark.conformance("DI-01")
def test_a_user_logs_on_sees_their_processes_and_scans(site: Site, with_directory: MakeOperator):
    joe = with_directory(sheets=1)
    assert joe("GET", "session").json["ways"] == ["password"]
    refused(joe("GET", "processes"), 403, "NotLoggedOn")
    made = joe.log_on(**JOE)
    assert made.status == 201
    assert made.json["user"] == {
        "principal": "joe@example.org",
        "name": "Joe Doe",
        "mail": "joe.doe@example.org",
        "sid": "S-1-5-21-1-2-3-1000",
    }
    assert joe("GET", "session").json["user"] == made.json["user"]
    assert [one["name"] for one in joe("GET", "processes").json] == ["Invoices"]
    begun = joe.start("Invoices").json
    assert begun["user"] == "joe@example.org"
    assert joe.ended(begun["id"])["standing"] == "delivered"
    (create,) = [body for name, _, body in site.server.requests if name == "CreatePostScanJob"]
    assert create.findtext(f"{{{DSP}}}UserIdentifier") == "S-1-5-21-1-2-3-1000"
    assert create.findtext(f"{{{DSP}}}PSP_Identifier") == GUID
    job = joe.device.record(begun["job"])
    assert job.ticket.description.job_originating_user_name == "joe@example.org"
    assert joe("DELETE", "session").status == 204
    refused(joe("GET", "processes"), 403, "NotLoggedOn")


def test_two_users_have_each_their_own(site: Site, with_directory: MakeOperator):
    joe = with_directory(sheets=2)
    ann = Operator(joe.device)
    joe.log_on(**JOE)
    ann.log_on(**ANN)
    assert [one["name"] for one in ann("GET", "processes").json] == ["Invoices", "Payroll"]
    payroll = ann.process("Payroll")
    refused(joe("POST", f"processes/{payroll}/start"), 404, "NoSuchProcess")
    site.server.script["CreatePostScanJob"] = {0: "InvalidArgs"}
    number = ann.start("Payroll").json["id"]
    ann.ended(number)
    for method, path in (("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
        refused(joe(method, f"deliveries/{number}{path}"), 403, "owner")
    assert ann("DELETE", f"deliveries/{number}").status == 204


def test_addresses_are_looked_up_in_the_directory(with_directory: MakeOperator):
    joe = with_directory()
    refused(joe("GET", "addresses?begins=joe"), 403, "NotLoggedOn")
    joe.log_on(**JOE)
    wanted = [{"name": "Joe Doe", "mail": "joe.doe@example.org"}]
    for begins in ("joe", "JOE%20D", "Do", "joe.doe@"):
        assert joe("GET", f"addresses?begins={begins}").json == wanted
    for nobody in ("nobody", "oe", "*)(mail=*", "an"):
        assert joe("GET", f"addresses?begins={quote(nobody)}").json == [], "or without an address"
    for too_short in ("addresses", "addresses?begins=", "addresses?begins=j"):
        assert joe("GET", too_short).json == []
    refused(joe("GET", f"addresses?begins={'j' * 65}"), 422, "query")


def test_who_is_refused(with_directory: MakeOperator, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    joe = with_directory()
    for body in (
        {"user": "joe", "password": "secret of ann"},
        {"user": "nobody", "password": "secret of joe"},
        {"user": "joe", "password": ""},
        {"user": "joe"},
        {"password": "secret of joe"},
        {"badge": "04A1"},
        {},
    ):
        refused(joe.log_on(**body), 403, "LogonRefused")
    assert joe("POST", "session", {"user": 1}).status == 422
    assert joe("POST", "session", {"pin": "1"}).status == 422
    joe.token = "00000000-0000-0000-0000-000000000000"
    refused(joe("GET", "processes"), 403, "NotLoggedOn")
    joe.token = ""
    assert joe.log_on(**JOE).status == 201
    assert "secret of" not in caplog.text
    assert joe.token not in caplog.text


def test_a_directory_that_is_away_is_named(site: Site, with_directory: MakeOperator):
    joe = with_directory(directory="ldaps://127.0.0.1:1")
    refused(joe.log_on(**JOE), 503, "DirectoryUnavailable")


def test_who_guesses_must_wait(with_directory: MakeOperator):
    joe = with_directory()
    for _ in range(PER_NAME):
        refused(joe.log_on(user="Joe", password="guess"), 403, "LogonRefused")
    answer = joe.log_on(**JOE)
    refused(answer, 429, "TooManyAttempts")
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_S
    assert Operator(joe.device).log_on(**ANN).status == 201
    joe.device.advance(WINDOW_S + 1)
    assert joe.log_on(**JOE).status == 201


@pytest.mark.conformance("DI-01")
def test_who_does_nothing_is_logged_off_and_their_scan_goes_on(
    site: Site, with_directory: MakeOperator
):
    joe = with_directory(sheets=1, idle_logoff_s=60.0)
    joe.log_on(**JOE)
    device = joe.device
    child = device.workflow.sessions.find(joe.token).visitor.logon._process
    device.advance(59)
    assert joe("GET", "processes").status == 200
    device.advance(59)
    device.wait(device.workflow.sessions.tick())
    begun = joe.start("Invoices").json
    device.advance(61)
    device.wait(device.workflow.sessions.tick())
    refused(joe("GET", "processes"), 403, "NotLoggedOn")
    assert child.returncode is not None, "the child that held the password"
    assert joe.ended(begun["id"])["standing"] == "delivered"


# ---- which scan server the directory vouches for


def directory_with(entries: str, folder: Path) -> slapd.Slapd:
    text = document(server="127.0.0.1", parameters=FEEDER)
    return slapd.Slapd(folder, process_entry("Invoices", text, identifier=GUID) + entries)


@pytest.mark.parametrize("right", [True, False])
def test_the_hash_in_the_directory_decides_whom_to_trust(
    site: Site, with_directory: MakeOperator, tmp_path: Path, right: bool
):
    """Equal is trusted without any authority, another one is refused though well signed."""
    pem = site.certificate.cert_chain_pems[0].bytes().decode()
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    entry = computer_entry("127.0.0.1", digest if right else bytes(32), "SHA-256")
    directory = directory_with(entry, tmp_path / "slapd")
    directory.start()
    try:
        joe = with_directory(
            sheets=1,
            directory=directory.secure_url,
            directory_ca=str(directory.ca),
            server_ca=None if right else site.ca,
        )
        joe.log_on(**JOE)
        ended = joe.ended(joe.start("Invoices").json["id"])
    finally:
        directory.stop()
    if right:
        assert ended["standing"] == "delivered", ended
    else:
        assert "not the certificate that the directory vouches for" in ended["summary"]
        assert site.server.calls == []


def test_the_authorities_of_the_enterprise_are_trusted_after_a_restart_too(
    site: Site, with_directory: MakeOperator, make_operator: MakeOperator, tmp_path: Path
):
    der = ssl.PEM_cert_to_DER_cert(site.authority.cert_pem.bytes().decode())
    directory = directory_with(slapd.root_entries(der), tmp_path / "slapd")
    directory.start()
    site.server.script["SendImage"] = dict.fromkeys(range(1, 5), "cut")
    try:
        joe = with_directory(
            sheets=1,
            directory=directory.secure_url,
            directory_ca=str(directory.ca),
            server_ca=None,
        )
        joe.log_on(**JOE)
        assert "no connection" in joe.ended(joe.start("Invoices").json["id"])["summary"]
    finally:
        directory.stop()
    again = make_operator(sheets=0, server_ca=None)
    (left,) = again("GET", "deliveries").json
    assert again.ended(left["id"])["standing"] == "delivered"


# ---- by badge


def write_badges(folder: Path, text: str, secret: str = "secret of joe") -> Path:
    (folder / "joe.secret").write_text(f"{secret}\n")
    (folder / "joe.secret").chmod(0o600)
    file = folder / "badges.toml"
    file.write_text(text)
    return file


PROVING = '[[badge]]\nnumber = "04:A1:B2:C3"\nuser = "joe"\npassword_file = "joe.secret"\n'
KNOWN = (
    '[[badge]]\nnumber = "04A1B2C3"\nuser = "joe@example.org"\n'
    'sid = "S-1-5-21-1-2-3-1000"\nname = "Joe"\nmail = "joe@example.org"\n'
)


def test_a_badge_logs_its_holder_on_at_the_directory(with_directory: MakeOperator, tmp_path: Path):
    file = write_badges(tmp_path, PROVING)
    joe = with_directory(badges=file)
    assert joe("GET", "session").json["ways"] == ["password", "badge"]
    made = joe.log_on(badge="04a1b2c3")
    assert made.json["user"]["sid"] == "S-1-5-21-1-2-3-1000"
    assert [one["name"] for one in joe("GET", "processes").json] == ["Invoices"]
    refused(joe.log_on(badge="04A1B2C4"), 403, "LogonRefused")
    (tmp_path / "joe.secret").chmod(0o640)
    assert "others can read" in refused(joe.log_on(badge="04A1B2C3"), 403, "LogonRefused")
    (tmp_path / "joe.secret").unlink()
    assert "cannot be read" in refused(joe.log_on(badge="04A1B2C3"), 403, "LogonRefused")


def test_without_a_directory_a_badge_says_who_it_is(
    site: Site, make_operator: MakeOperator, tmp_path: Path
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=1, badges=write_badges(tmp_path, KNOWN))
    refused(joe("GET", "processes"), 403, "NotLoggedOn")
    refused(joe.log_on(), 403, "LogonRefused")
    refused(joe.log_on(**JOE), 403, "LogonRefused")
    assert joe.log_on(badge="04 a1 b2 c3").json["user"]["name"] == "Joe"
    joe.ended(joe.start("Invoices").json["id"])
    (create,) = [body for name, _, body in site.server.requests if name == "CreatePostScanJob"]
    assert create.findtext(f"{{{DSP}}}UserIdentifier") == "S-1-5-21-1-2-3-1000"


def test_badges_cannot_be_tried_out(make_operator: MakeOperator, tmp_path: Path):
    joe = make_operator(badges=write_badges(tmp_path, KNOWN))
    for number in range(PER_NAME):
        refused(joe.log_on(badge=str(number)), 403, "LogonRefused")
    refused(joe.log_on(badge="04A1B2C3"), 429, "TooManyAttempts")


@pytest.mark.parametrize(
    ("text", "directory", "sentence"),
    [
        (PROVING.replace("joe.secret", ""), True, "is empty|needs one of"),
        (PROVING + 'keytab = "x"\n', True, "needs one of password_file, keytab and cache"),
        (PROVING + PROVING, True, "another badge"),
        (PROVING.replace("04:A1:B2:C3", ": -"), True, "number is empty"),
        (PROVING, False, "sid is missing"),
        (KNOWN.replace("S-1-5", "S-2-5"), False, "must be like S-1"),
        (KNOWN + 'pin = "1"\n', False, "pin is not known"),
        ("badge = 1\n", False, "badge"),
    ],
)
def test_a_mistake_in_the_file_names_its_key(
    tmp_path: Path, text: str, directory: bool, sentence: str
):
    with pytest.raises(ConfigError, match=sentence):
        Badges.load(write_badges(tmp_path, text), directory=directory)


# ---- without anybody to ask


def test_where_nobody_is_asked_no_session_is_needed(site: Site, make_operator: MakeOperator):
    site.add("Invoices", parameters=FEEDER)
    anybody = make_operator(sheets=1)
    assert anybody("GET", "session").json["ways"] == []
    assert [one["name"] for one in anybody("GET", "processes").json] == ["Invoices"]
    assert anybody.log_on().status == 201
    assert anybody("GET", "session").json["user"]["sid"] == "S-1-0-0"
    refused(anybody.log_on(**JOE), 403, "LogonRefused")


def test_of_too_many_sessions_the_idlest_ends(site: Site, make_operator: MakeOperator):
    first = make_operator()
    first.log_on()
    others = [Operator(first.device) for _ in range(16)]
    for other in others:
        first.device.advance(1)
        other.log_on()
    refused(first("GET", "session"), 403, "NotLoggedOn")
    assert all(other("GET", "session").status == 200 for other in others)


# ---- how often


def test_attempts_are_counted_by_name_and_in_all():
    attempts = Attempts()
    for n in range(PER_NAME):
        attempts.begin("joe", float(n))
    with pytest.raises(TooManyAttempts) as caught:
        attempts.begin("joe", 10.0)
    assert caught.value.seconds == WINDOW_S - 10.0
    for n in range(IN_ALL - PER_NAME):
        attempts.begin(f"user {n}", 10.0)
    with pytest.raises(TooManyAttempts):
        attempts.begin("ann", 10.0)
    attempts.begin("joe", WINDOW_S)


def test_a_logon_that_succeeds_is_no_failure():
    attempts = Attempts()
    for n in range(100):
        attempts.taken_back(attempts.begin("joe", float(n) / 100))

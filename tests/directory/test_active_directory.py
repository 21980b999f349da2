"""Users and scan processes of a real Active Directory, and a scan that is delivered by them."""

import base64
import contextlib
import hashlib
import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from processes.documents import document, share
from support import lab as namespaces
from support import samba_dc, slapd
from support.device import READY, program
from support.lab import Lab
from support.samba_dc import BASE, DOMAIN, PASSWORD, DomainController, run_as_member
from support.wait import wait_until

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.usefixtures("bonsai")]

INVOICES = "C4F199C7-6876-4549-A86E-A85035952448"
CONTROLLER = f"dc1.{DOMAIN}"
SHARE = r"\\filer\scans"
PARAMETERS = (
    "<w:Format>png</w:Format><w:InputSource>ADF</w:InputSource><w:MediaSides><w:MediaFront>"
    "<w:ColorProcessing>Grayscale8</w:ColorProcessing><w:Resolution><w:Width>75</w:Width>"
    "<w:Height>75</w:Height></w:Resolution></w:MediaFront></w:MediaSides>"
)


class Domain:
    """A domain with two users and two scan processes, of which joe may not see one.

    Its controller also is the scan server's host. That one shows a certificate that no authority
    of ours has signed; the directory holds its hash.
    """

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder = folder
        self.lab = lab
        self.dc = DomainController(folder / "dc", lab)
        self.joe = self.dc.add_user("joe", "joe@example.org")
        self.dc.add_user("ann")
        text = document(share(SHARE), server=CONTROLLER, parameters=PARAMETERS)
        entries = slapd.process_entry("Invoices", text, identifier=INVOICES)
        entries += slapd.process_entry("Payroll", text)
        self.dc.add(entries.replace(slapd.CONTAINER, samba_dc.CONTAINER))
        self.dc.hide("Payroll", self.joe)
        self.keytab = self.dc.export_keytab("joe")
        self.password = folder / "password"
        self.password.write_text(f"{PASSWORD}\n")
        self.password.chmod(0o600)
        self.server_cert = self.issue("server", trustme.CA())
        self.vouch(self.server_cert["cert"])
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self.dc.start(self.issue("controller", authority) | {"ca": self.ca})

    def issue(self, name: str, authority: trustme.CA) -> dict[str, Path]:
        cert = authority.issue_cert(CONTROLLER)
        files = {part: self.folder / f"{name}.{part}" for part in ("cert", "key")}
        cert.cert_chain_pems[0].write_to_path(files["cert"])
        cert.private_key_pem.write_to_path(files["key"])
        files["key"].chmod(0o600)
        return files

    def vouch(self, cert: Path) -> None:
        """Have the directory hold the hash of a certificate."""
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).digest()
        self.dc.modify(
            f"dn: CN=DC1,OU=Domain Controllers,{BASE}\nchangetype: modify\n"
            "replace: msImaging-ThumbprintHash\n"
            f"msImaging-ThumbprintHash:: {base64.b64encode(digest).decode()}\n-\n"
            "replace: msImaging-HashAlgorithm\nmsImaging-HashAlgorithm: SHA256\n"
        )

    def processes(self, *flags: str | Path, **more: str) -> tuple[int, list[str], str]:
        """What `wsd-scanner processes` says on a member of the domain."""
        command = [*program(), "processes", *flags]
        run = run_as_member(self.lab.dev, self.dc, command, **more)
        return run.returncode, [line[38:] for line in run.stdout.splitlines()], run.stderr


@pytest.fixture(scope="module")
def domain(bonsai: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    reason = namespaces.why_no_lab() or samba_dc.why_no_dc()
    if reason is not None:
        pytest.skip(reason)
    with namespaces.make_lab(ipv6=False) as lab:
        yield Domain(tmp_path_factory.mktemp("domain"), lab)


@pytest.mark.conformance("DD-02")
def test_each_way_to_log_on_shows_what_the_user_may_use(domain: Domain):
    secure = ["--directory", f"ldaps://{CONTROLLER}", "--directory-ca", domain.ca]
    found = ["--directory", DOMAIN, "--directory-ca", domain.ca]
    sealed = ["--directory", DOMAIN, "--directory-login", "gssapi"]
    negotiated = ["--directory", f"ldap://{CONTROLLER}", "--directory-login", "spnego"]
    password = ["--password-file", domain.password]
    for way in (secure, found, sealed, negotiated):
        told = domain.processes(*way, *password, "--user", "joe")
        assert told == (0, ["Invoices"], ""), way
        told = domain.processes(*way, *password, "--user", "ann")
        assert told == (0, ["Invoices", "Payroll"], ""), way


@pytest.mark.parametrize("name", [r"AD\joe", f"joe@{DOMAIN}", "JOE"])
@pytest.mark.parametrize("login", ["simple", "gssapi"])
def test_a_name_may_be_written_in_several_ways(domain: Domain, login: str, name: str):
    flags = ["--directory", DOMAIN, "--directory-login", login, "--directory-ca", domain.ca]
    flags += ["--password-file", domain.password, "--user", name]
    assert domain.processes(*flags) == (0, ["Invoices"], "")


@pytest.mark.conformance("DD-02")
def test_tickets_do_for_a_password(domain: Domain):
    tickets = {"KRB5CCNAME": f"FILE:{domain.folder / 'tickets'}"}
    sealed = ["--directory", DOMAIN, "--directory-login", "gssapi", "--user", "joe"]
    code, _, err = domain.processes(*sealed)
    assert code == 1, err
    kinit = ["kinit", "-k", "-t", domain.keytab, f"joe@{samba_dc.REALM}"]
    assert run_as_member(domain.lab.dev, domain.dc, kinit, **tickets).returncode == 0
    assert domain.processes(*sealed, **tickets) == (0, ["Invoices"], "")


@pytest.mark.parametrize("login", ["simple", "gssapi", "spnego"])
def test_a_wrong_password_is_refused(domain: Domain, tmp_path: Path, login: str):
    (tmp_path / "wrong").write_text("not this one\n")
    flags = ["--directory", f"ldap://{CONTROLLER}", "--directory-login", login, "--user", "joe"]
    flags += ["--directory-ca", domain.ca, "--password-file", tmp_path / "wrong"]
    code, _, err = domain.processes(*flags)
    assert code == 1
    assert "The logon was refused" in err


def test_a_password_is_never_sent_to_a_controller_that_is_not_trusted(domain: Domain):
    flags = ["--directory", f"ldaps://{CONTROLLER}", "--user", "joe"]
    code, _, err = domain.processes(*flags, "--password-file", domain.password)
    assert code == 1
    assert "certificate is not trusted" in err


def test_a_scan_is_delivered_to_the_server_that_the_directory_vouches_for(
    domain: Domain, tmp_path: Path
):
    (tmp_path / "share").mkdir()
    badges = tmp_path / "badges.toml"
    badges.write_text(f'[[badge]]\nnumber = "04A1"\nuser = "joe"\nkeytab = "{domain.keytab}"\n')
    server = [*program(), "scan-server", "--store", tmp_path / "store"]
    server += ["--state-dir", tmp_path / "server", "--share", f"{SHARE}={tmp_path / 'share'}"]
    server += ["--cert", domain.server_cert["cert"], "--key", domain.server_cert["key"]]
    device = [*program(), "run", "--no-discovery", "--panel-port", "8358"]
    device += ["--source", "chart:sheets=3", "--state-dir", tmp_path / "device"]
    device += ["--directory", DOMAIN, "--directory-login", "gssapi", "--badges", badges]
    with contextlib.ExitStack() as stack:
        for side, command in ((domain.lab.cli, server), (domain.lab.dev, device)):
            log = stack.enter_context((tmp_path / f"{side.name}.log").open("wb"))
            started = subprocess.Popen(
                samba_dc.as_member(side, domain.dc, command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=samba_dc.environment(domain.dc),
            )
            stack.callback(started.wait, 10)
            stack.callback(started.terminate)
            wait_until(
                lambda path=tmp_path / f"{side.name}.log": READY.search(path.read_text()),
                20,
                "the ready line",
            )
        panel = Panel(domain)
        made = panel("POST", "session", {"badge": "04a1"})
        assert made["user"]["sid"] == domain.joe
        assert made["user"]["mail"] == "joe@example.org"
        panel.token = made["token"]
        (listed,) = panel("GET", "processes")
        assert listed == {"id": INVOICES, "name": "Invoices", "problem": ""}
        begun = panel("POST", f"processes/{INVOICES}/start", {})

        def ended() -> Any:
            found = panel("GET", f"deliveries/{begun['id']}")
            return found if found["standing"] != "under-way" else None

        found = wait_until(ended, 20, "end of the delivery")
        assert found["standing"] == "delivered", found
        delivered = [path for path in (tmp_path / "share").rglob("*") if path.is_file()]
        assert len(delivered) == 3
        assert re.search(r"created for (S-1-5-21-\S+)", (tmp_path / "cli.log").read_text())[1] == (
            domain.joe
        )


class Panel:
    """The panel of the device in its namespace, by curl."""

    def __init__(self, domain: Domain) -> None:
        self._side = domain.lab.dev
        self.token = ""

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        command = ["curl", "-sS", "--fail-with-body", "-X", method]
        command += ["-H", f"Session: {self.token}"] if self.token else []
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        run = self._side.run([*command, f"http://127.0.0.1:8358/api/v1/{path}"], check=False)
        assert run.returncode == 0, run.stdout
        return json.loads(run.stdout)

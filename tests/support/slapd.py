"""A private OpenLDAP server with Active Directory's names for users and scan processes."""

import base64
import contextlib
import datetime
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.wait import wait_until

FOLDER = Path(__file__).with_name("directory")
PROGRAM = Path("/usr/sbin/slapd")
BONSAI = Path("/usr/lib/python3/dist-packages/bonsai")
BASE = "DC=example,DC=org"
CONTAINER = f"CN=PSPs,CN=System,{BASE}"
USER_DN = f"CN={{}},CN=Users,{BASE}"


Issue = Callable[[trustme.CA], trustme.LeafCert]


def issue_for_address(authority: trustme.CA) -> trustme.LeafCert:
    """The certificate of a server that is called by its address."""
    return authority.issue_cert("127.0.0.1")


def why_no_slapd() -> str | None:
    """What is missing, None when nothing is."""
    if not PROGRAM.exists():
        return "slapd is missing: apt install slapd"
    if not BONSAI.exists():
        return "bonsai is missing: apt install python3-bonsai"
    return None


def process_entry(
    name: str,
    document: str = "",
    *,
    identifier: str = "",
    octets: bytes | None = None,
    display: str | None = None,
) -> str:
    """A scan process as LDIF. The identifier is in Microsoft's order, unless given as `octets`."""
    octets = octets if octets is not None else uuid.UUID(identifier or str(uuid.uuid4())).bytes_le
    lines = [
        f"dn: CN={name},{CONTAINER}",
        "objectClass: msImaging-PostScanProcess",
        f"cn: {name}",
        f"displayName:: {base64.b64encode((display or name).encode()).decode()}",
        f"msImaging-PSPIdentifier:: {base64.b64encode(octets).decode()}",
        "serverName: scan.example.org",
    ]
    if document:
        lines.append(f"msImaging-PSPString:: {base64.b64encode(document.encode()).decode()}")
    return "\n".join([*lines, "", ""])


def computer_entry(host: str, digest: bytes = b"", algorithm: str = "") -> str:
    """The account of a scan server as LDIF."""
    lines = [
        f"dn: CN={host},CN=Computers,{BASE}",
        "objectClass: computer",
        f"cn: {host}",
        f"dNSHostName: {host}",
    ]
    if digest:
        lines.append(f"msImaging-ThumbprintHash:: {base64.b64encode(digest).decode()}")
    if algorithm:
        lines.append(f"msImaging-HashAlgorithm: {algorithm}")
    return "\n".join([*lines, "", ""])


def root_entries(certificate: bytes) -> str:
    """A root authority as LDIF, with all that is above it."""
    above, entries = BASE, ""
    for name in ("Configuration", "Services", "Public Key Services", "Certification Authorities"):
        above = f"CN={name},{above}"
        entries += f"dn: {above}\nobjectClass: container\ncn: {name}\n\n"
    return entries + "\n".join(
        [
            f"dn: CN=Root,{above}",
            "objectClass: applicationProcess",
            "objectClass: certificationAuthority",
            "cn: Root",
            f"cACertificate;binary:: {base64.b64encode(certificate).decode()}",
            f"authorityRevocationList;binary:: {base64.b64encode(_revoked_none()).decode()}",
            f"certificateRevocationList;binary:: {base64.b64encode(_revoked_none()).decode()}",
            "",
            "",
        ]
    )


def _revoked_none() -> bytes:
    """An empty list of revoked certificates: OpenLDAP's schema asks for one."""
    now = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateRevocationListBuilder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")]), now, now
    )
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


class Slapd:
    """The server. What it holds is given as LDIF, before it starts."""

    def __init__(self, folder: Path, entries: str = "", issue: Issue = issue_for_address) -> None:
        self.folder = folder
        self.folder.mkdir()
        (folder / "data").mkdir()
        authority = trustme.CA()
        cert = issue(authority)
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        cert.private_key_pem.write_to_path(folder / "server.key")
        cert.cert_chain_pems[0].write_to_path(folder / "server.pem")
        self.ports = [_free_port(), _free_port()]
        # A copy: Debian's AppArmor profile lets the installed one read /etc/ldap only.
        self._program = shutil.copy(PROGRAM, folder / "slapd")
        (folder / "root.ldif").write_text(f"dn:\ndefaultNamingContext: {BASE}\n")
        settings = (FOLDER / "slapd.conf").read_text()
        settings = settings.replace("@FOLDER@", str(folder)).replace("@SUPPORT@", str(FOLDER))
        (folder / "slapd.conf").write_text(settings)
        self._add((FOLDER / "people.ldif").read_text() + "\n" + entries)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """In clear, until StartTLS or SASL."""
        return f"ldap://127.0.0.1:{self.ports[0]}"

    @property
    def secure_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.ports[1]}"

    def _add(self, entries: str) -> None:
        file = self.folder / "add.ldif"
        file.write_text(entries)
        run = subprocess.run(
            [self._program, "-Tadd", "-f", self.folder / "slapd.conf", "-l", file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr

    def start(self) -> None:
        listen = f"{self.url} {self.secure_url}"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-f", self.folder / "slapd.conf", "-h", listen, "-d", "0"],
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: all(map(_listens, self.ports)), 10, "slapd at its ports")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@contextlib.contextmanager
def running(folder: Path, entries: str = "", issue: Issue = issue_for_address) -> Iterator[Slapd]:
    server = Slapd(folder, entries, issue)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def make_site(folder: Path) -> Path:
    """A folder for sys.path in which our own Python finds Debian's bonsai, and no more."""
    (folder / "bonsai").symlink_to(BONSAI)
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

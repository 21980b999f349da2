"""`wsd-scanner send` and `wsd-scanner scan-server` as programs, over TLS."""

import contextlib
import hashlib
import os
import re
import signal
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest
from clients.dsp_client import DspClient
from support import device
from support.device import RunningDevice, environment, program
from support.wait import wait_until

SHARE = r"\\filer\scans"
SENT_WITHIN_S = 20.0
NS = "http://schemas.microsoft.com/windows"
PROCESS = f"""<p:PostScanProcess xmlns:p="{NS}/2008/02/imaging/postscan/psp"
  xmlns:w="{NS}/2006/08/wdp/scan" xmlns:f="{NS}/2007/10/imaging/postscan/filter/fileshare">
  <p:ScanRepository>scan.example.org</p:ScanRepository>
  <p:ScanTicket>
    <w:JobDescription><w:JobName>Invoices</w:JobName>
      <w:JobOriginatingUserName>joe</w:JobOriginatingUserName></w:JobDescription>
    <w:DocumentParameters>
      <w:Format w:MustHonor="true">FORMAT</w:Format>
      <w:InputSource w:MustHonor="true">ADFDuplex</w:InputSource>
      <w:MediaSides><w:MediaFront><w:ColorProcessing>Grayscale8</w:ColorProcessing>
        <w:Resolution><w:Width>75</w:Width><w:Height>75</w:Height></w:Resolution>
      </w:MediaFront></w:MediaSides>
    </w:DocumentParameters>
  </p:ScanTicket>
  <p:PostScanInstructions>
    <p:DocumentRootName>invoice</p:DocumentRootName>
    <p:FiltersToProcess><p:Filter>
      <p:Dialect>{NS}/2007/10/imaging/postscan/filter/fileshare</p:Dialect>
      <p:Instructions><f:FileShareConfig><f:FileShares><f:ShareUNC>{SHARE}</f:ShareUNC>
      </f:FileShares></f:FileShareConfig></p:Instructions>
    </p:Filter></p:FiltersToProcess>
  </p:PostScanInstructions>
</p:PostScanProcess>
"""


class Site:
    """A scan server with its folders, and a device that sends to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store, self.share = root / "store", root / "share"
        self.spool = root / "device" / "spool"
        self.ca = root / "server" / "server.pem"
        self.share.mkdir()
        self.server = self.start_server()

    def start_server(self, port: int = 0) -> RunningDevice:
        flags = ("--host", "127.0.0.1", "--port", port, "--generate-cert", "--name", "Filer")
        folders = ("--store", self.store, "--state-dir", self.root / "server")
        share = ("--share", f"{SHARE}={self.share}")
        command = ["scan-server", *map(str, (*flags, *folders, *share))]
        return device.start(command, self.root / "server.log")

    def kill_server(self) -> None:
        self.server.process.kill()
        self.server.process.wait()
        self.server.process.stdout.close()

    @property
    def port(self) -> int:
        return int(re.search(r":([0-9]+)/", self.server.url)[1])

    @property
    def client(self) -> DspClient:
        return DspClient(self.server.url, ssl.create_default_context(cafile=str(self.ca)))

    def sender(self, *flags: str | Path) -> "subprocess.Popen[str]":
        """`wsd-scanner send` with these flags, in a process group of its own as in a terminal."""
        command = [*program(), "send", "--state-dir", self.root / "device", *flags]
        return subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            cwd=self.root,
            start_new_session=True,
        )

    def send(self, *flags: str | Path) -> "subprocess.CompletedProcess[str]":
        return finish(self.sender(*flags))

    def new(self, source: str, *flags: str | Path) -> tuple[str | Path, ...]:
        return ("--server", self.server.url, "--source", source, *flags)

    def process(self, format_: str) -> Path:
        path = self.root / f"{format_}.xml"
        path.write_text(PROCESS.replace("FORMAT", format_))
        return path

    def received(self) -> list[Path]:
        """Documents in the server's own spool; the folder's name is the job's token."""
        return list((self.root / "server" / "received").glob("*/??????"))


def finish(sender: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    with sender:
        try:
            out, err = sender.communicate(timeout=SENT_WITHIN_S)
        finally:
            if sender.poll() is None:
                sender.kill()
    return subprocess.CompletedProcess(sender.args, sender.returncode, out, err)


def page_sizes(sent: "subprocess.CompletedProcess[str]") -> list[int]:
    """What the page line made, in its own words."""
    return [int(size) for size in re.findall(r"([0-9]+) bytes in ", sent.stderr)]


def contents(folder: Path) -> Counter[str]:
    """The files anywhere below `folder`, by what is in them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def sizes(folder: Path) -> list[int]:
    return sorted(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: device.end(running.server))
        yield running


def test_pages_arrive_byte_for_byte_and_wait_until_the_server_is_trusted(site: Site) -> None:
    """A certificate that nobody vouches for gets no page, and loses none."""
    assert site.server.name == "Filer"
    refused = site.send(*site.new("chart:sheets=2"))
    assert refused.returncode == 3, refused.stderr
    assert "is not trusted" in refused.stdout
    assert "--ca" in refused.stdout
    assert not contents(site.store)
    scanned = page_sizes(refused)
    assert len(scanned) == 4
    pages = [path for path in site.spool.rglob("0*") if path.is_file()]
    spooled = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in pages)

    resumed = site.send("--resume", "--ca", site.ca)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == f"4 pages delivered to 127.0.0.1:{site.port}.\n"
    assert len(list(site.store.iterdir())) == 1, "a folder per job"
    assert contents(site.store) == spooled
    assert sizes(site.store) == sorted(scanned)
    assert not list(site.spool.iterdir())


def test_a_share_gets_what_a_process_names_it_for(site: Site) -> None:
    """Two senders at once, from spools of their own in one state folder."""
    senders = {
        format_: site.sender(
            *site.new("chart", "--process", site.process(format_), "--ca", site.ca)
        )
        for format_ in ("png", "pdf-a")
    }
    scanned = []
    for sender in senders.values():
        sent = finish(sender)
        assert sent.returncode == 0, sent.stderr
        assert len(sent.stdout.splitlines()) == 1
        scanned += page_sizes(sent)
    assert not contents(site.store)
    found = [path for path in site.share.rglob("*") if path.is_file()]
    assert Counter(path.suffix for path in found) == {".png": 6, ".pdf": 1}
    assert all(path.name.startswith("invoice_") for path in found)
    assert sizes(site.share) == sorted(scanned)
    pdf = next(path for path in found if path.suffix == ".pdf")
    with contextlib.closing(pypdfium2.PdfDocument(pdf)) as document:
        assert len(document) == 6


def test_insecure_sends_to_a_server_that_nobody_vouches_for_and_says_so(site: Site) -> None:
    sent = site.send(*site.new("chart:sheets=1", "--insecure"))
    assert sent.returncode == 0, sent.stderr
    assert "INSECURE: nobody checks who 127.0.0.1:" in sent.stderr
    assert len(contents(site.store)) > 0


def test_ctrl_c_cancels_the_servers_job(site: Site) -> None:
    flags = site.new("chart:sheets=500", "--process", site.process("png"), "--ca", site.ca)
    sender = site.sender(*flags)
    try:
        wait_until(lambda: len(site.received()) >= 3, 10, "pages at the server")
        token = site.received()[0].parent.name
        os.killpg(sender.pid, signal.SIGINT)
    finally:
        sent = finish(sender)
    assert sent.returncode == 3, sent.stderr
    assert re.fullmatch(
        r"Cancelled after [0-9]+ pages and the scan server was told\.\n", sent.stdout
    )
    assert "Traceback" not in sent.stderr
    assert site.client.status(token).text("JobState") == "Canceled"
    assert not contents(site.share)
    assert not site.received()
    assert not list(site.spool.iterdir())


def test_a_sender_killed_in_mid_scan_does_not_pass_for_complete(site: Site) -> None:
    flags = site.new("chart:sheets=500", "--process", site.process("png"), "--ca", site.ca)
    sender = site.sender(*flags)
    try:
        wait_until(lambda: len(site.received()) >= 3, 10, "pages at the server")
    finally:
        sender.kill()
        finish(sender)
    spooled = len(list(site.spool.glob("*/0*")))
    resumed = site.send("--resume")
    assert resumed.returncode == 3, resumed.stderr
    assert f"{spooled} pages delivered" in resumed.stdout
    assert f"broke off after page {spooled}: later pages" in resumed.stdout
    assert len(sizes(site.share)) == spooled
    assert site.send("--resume").stdout == "Nothing is left in the spool.\n"


def test_a_server_killed_half_way_has_every_page_once(
    site: Site,
) -> None:
    flags = site.new("chart:sheets=50", "--process", site.process("png"), "--ca", site.ca)
    sender, port = site.sender(*flags), site.port
    try:
        wait_until(lambda: len(site.received()) >= 50, 15, "half the pages")
        assert sender.poll() is None
        site.kill_server()
        site.server = site.start_server(port)
    finally:
        sent = finish(sender)
    assert sent.returncode in (0, 3), sent.stderr
    if sent.returncode == 3:
        resumed = site.send("--resume")
        assert resumed.returncode == 0, resumed.stdout
    arrived = contents(site.share)
    assert sum(arrived.values()) == 100
    assert set(arrived.values()) == {1}
    assert sizes(site.share) == sorted(page_sizes(sent))
    assert not list(site.spool.iterdir())

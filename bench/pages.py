"""Tell how near the way of a page comes to its limits, each taken in turn with it in one run.

    python bench/pages.py [--rounds N] [--seconds S] [--without-accelerators] [--escl URL]

- A4 in colour by RetrieveImage from SANE's test backend, against `scanimage --format=jpeg`, at the
  same JPEG quality; peak memory of the device and of its worker; how soon the first byte comes;
- the encoders, against `cjpeg` and `pnmtopng` (Debian: libjpeg-turbo-progs, netpbm);
- SOAP while pages are encoded, against SOAP on an idle device;
- the whole program in a memory cgroup of 96 MB;
- the same page from an eSCL server, AirSane for instance, if the URL of one is given: it has to be
  started with the SANE configuration that `--write-config DIR` writes. AirSane's JPEG quality is 90
  at half the resolution of colour; the nearest of ours is 89.

The worker that is timed has niceness 0, like the programs that it is compared with: so other work
on the machine disturbs both alike. Quote the ratios. They are medians of the rounds; the least
times of both sides, which other work disturbs least, make the ratio in brackets.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import load
import messages

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from run import A4_MIL, peak_mb, post, stream, worker_of
from support.sane_test import configure

FACTOR, QUALITY = 71, 75
"""The CompressionQualityFactor that gives the JPEG quality of scanimage."""
PEER_FACTOR = 89
LIMIT_MB = 96
WITHOUT = Path(__file__).with_name("without_accelerators")
"""Has a sitecustomize, with which no Python finds them."""
ESCL = """<?xml version="1.0" encoding="UTF-8"?>
<scan:ScanSettings xmlns:pwg="http://www.pwg.org/schemas/2010/12/sm"
 xmlns:scan="http://schemas.hp.com/imaging/escl/2011/05/03"><pwg:Version>2.0</pwg:Version>
<pwg:ScanRegions><pwg:ScanRegion>
<pwg:ContentRegionUnits>escl:ThreeHundredthsOfInches</pwg:ContentRegionUnits>
<pwg:XOffset>0</pwg:XOffset><pwg:YOffset>0</pwg:YOffset><pwg:Width>2480</pwg:Width>
<pwg:Height>3507</pwg:Height></pwg:ScanRegion></pwg:ScanRegions>
<pwg:InputSource>Platen</pwg:InputSource><scan:ColorMode>RGB24</scan:ColorMode>
<scan:XResolution>{dpi}</scan:XResolution><scan:YResolution>{dpi}</scan:YResolution>
<pwg:DocumentFormat>image/jpeg</pwg:DocumentFormat></scan:ScanSettings>"""


class Device:
    """The program, with the test backend as its scanner."""

    def __init__(self, url: str, pid: int = 0) -> None:
        self.pid = pid
        self.url = url
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 80))

    def scan(self, dpi: int, out: Path, factor: int = FACTOR) -> float:
        """One page into a file; seconds from the request to the first byte of the image."""
        job = messages.create_scan_job(
            format_="jfif", dpi=dpi, width_mil=A4_MIL[0], height_mil=A4_MIL[1], quality=factor
        )
        created = post(self.url, job).decode()
        found = re.search(r"<wscn:JobId>(.+?)</.*<wscn:JobToken>(.+?)</", created)
        assert found is not None, created
        body = messages.retrieve_image(found[1], found[2])
        begin = time.perf_counter()
        first = 0.0
        with out.open("wb") as file:
            for piece in stream(self.url, body):
                if not first and b"\xff\xd8" in bytes(piece):
                    first = time.perf_counter() - begin
                file.write(piece)
        assert first, out.read_bytes()[:2000]
        return first

    def scan_on(self, dpi: int, out: Path, stop: threading.Event) -> None:
        while not stop.is_set():
            self.scan(dpi, out)

    def peaks_mb(self) -> tuple[float, float]:
        """The device's and its worker's since `forget_peaks`."""
        return peak_mb(self.pid), peak_mb(worker_of(self.pid))

    def forget_peaks(self) -> None:
        for pid in (self.pid, worker_of(self.pid)):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def device(folder: Path, *more: str, cgroup: Path | None = None) -> Iterator[Device]:
    """The program as a user starts it, but on loopback and unseen."""
    program = Path(sys.executable).with_name("wsd-scanner")
    command = [
        str(program),
        *("run", "--host", "127.0.0.1", "--port", "0", "--no-discovery", "--no-panel"),
        *("--source", "sane:test:0", "--state-dir", str(folder / "state"), *more),
    ]
    if cgroup is not None:
        script = f'echo $$ >"{cgroup}/cgroup.procs" && exec "$@"'
        command = ["sh", "-c", script, "sh", *command]
    environment = dict(os.environ, SANE_CONFIG_DIR=str(configure(folder / "sane")))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        try:
            assert process.stdout is not None
            ready = process.stdout.readline().strip()
            if not ready:
                raise SystemExit((folder / "log").read_text())
            url = re.sub(r"/[^/]*$", "/scan", ready.rsplit(" ", 1)[1])
            yield Device(url, process.pid)
        finally:
            process.terminate()
            process.wait(10)


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def tell(what: str, value: float, bar: float, *, unit: str = "", more: str = "") -> None:
    """One line of the table: what was measured, what was to be reached."""
    met = "met" if value <= bar else "NOT MET"
    print(f"{what:<44} {value:7.2f}{unit:<4} bar {bar:5.2f}  {met:<8} {more}", flush=True)


def ratio(ours: list[float], limit: list[float]) -> tuple[float, str]:
    """The median ratio, and how it comes about."""
    median = statistics.median(one / other for one, other in zip(ours, limit, strict=True))
    return median, (
        f"({statistics.median(ours):.3f} s of {statistics.median(limit):.3f} s; "
        f"least times {min(ours) / min(limit):.2f})"
    )


def scanimage(folder: Path, dpi: int, out: Path) -> None:
    """The page by SANE's own program."""
    command = ["scanimage", "-d", "test:0", "--mode", "Color", "--resolution", str(dpi)]
    command += ["--test-picture", "Color pattern", "-l", "0", "-t", "0", "-x", "210", "-y", "297"]
    environment = dict(os.environ, SANE_CONFIG_DIR=str(folder / "sane"))
    with out.open("wb") as file:
        subprocess.run(
            [*command, "--format=jpeg"],
            stdout=file,
            stderr=subprocess.DEVNULL,
            env=environment,
            check=True,
            timeout=60,
        )


def escl(url: str, dpi: int, out: Path) -> None:
    """The page by eSCL."""
    request = urllib.request.Request(
        f"{url}/ScanJobs", ESCL.format(dpi=dpi).encode(), {"Content-Type": "text/xml"}
    )
    with urllib.request.urlopen(request, timeout=60) as created:
        job = urljoin(url, created.headers["Location"])
    with urllib.request.urlopen(f"{job}/NextDocument", timeout=120) as page, out.open("wb") as file:
        shutil.copyfileobj(page, file, 1 << 18)


def scans(folder: Path, rounds: int, *, fast: bool, peer: str) -> None:
    """Scan to client, its memory, its first byte."""
    page = folder / "page"
    with device(folder, "--niceness", "0") as subject:
        for dpi, bar in ((300, 1.5), (600, 1.05), (1200, 1.05)):
            subject.scan(dpi, page)
            ours: list[float] = []
            limit: list[float] = []
            firsts: list[float] = []
            for _ in range(rounds):
                limit.append(timed(lambda: scanimage(folder, dpi, page)))  # noqa: B023
                ours.append(timed(lambda: firsts.append(subject.scan(dpi, page))))  # noqa: B023
            value, more = ratio(ours, limit)
            tell(f"scan to client, {dpi} dpi, of scanimage", value, bar, more=more)
            tell("  first byte of the image", min(firsts) * 1000, 50, unit=" ms")
            if peer:
                against_peer(subject, peer, dpi, rounds, page, bar=1.0 if fast else 1.15)
    grown: dict[int, tuple[float, float]] = {}
    for dpi in (100, 1200):
        with device(folder) as subject:
            subject.forget_peaks()
            subject.scan(dpi, page)
            grown[dpi] = subject.peaks_mb()
    tell("worker's peak at 1200 dpi", grown[1200][1], 35, unit=" MB")
    tell("  grown since 100 dpi", grown[1200][1] - grown[100][1], 12, unit=" MB")
    tell("device's peak at 1200 dpi", grown[1200][0], 45, unit=" MB")
    tell("  grown since 100 dpi", grown[1200][0] - grown[100][0], 12, unit=" MB")


def against_peer(
    subject: Device, peer: str, dpi: int, rounds: int, page: Path, *, bar: float
) -> None:
    """Scan to client, of an eSCL server's at the same quality."""
    ours: list[float] = []
    theirs: list[float] = []
    sizes: list[int] = []
    for _ in range(rounds):
        theirs.append(timed(lambda: escl(peer, dpi, page)))
        sizes.append(page.stat().st_size)
        ours.append(timed(lambda: subject.scan(dpi, page, PEER_FACTOR)))
        sizes.append(page.stat().st_size)
    value, more = ratio(ours, theirs)
    tell(f"  {dpi} dpi, of eSCL", value, bar, more=f"{more} {sizes[1]:,} octets of {sizes[0]:,}")


def encoders(folder: Path, rounds: int) -> None:
    """What encoding alone costs; in this process, so that only the work is counted."""
    from device.imaging.encoders import encoder_for
    from device.imaging.spec import ImageSpec
    from device.imaging.turbo import library
    from scanner_backends.base import Mode, RawPage, ScanRequest, Source
    from scanner_backends.chart import ChartBackend

    dpi = 600
    width, height = (mil * dpi // 1000 for mil in A4_MIL)
    region = (mil * 0.0254 for mil in A4_MIL)
    request = ScanRequest(Source.FLATBED, Mode.COLOR, 8, dpi, dpi, 0.0, 0.0, *region)
    page = folder / "page.ppm"
    with page.open("wb") as file:
        file.write(b"P6 %d %d 255\n" % (width, height))
        begin = file.tell()
        for band in ChartBackend("").scan(request, 0).bands:
            file.write(band)

    def encode(format_: str) -> None:
        spec = ImageSpec(format_, "RGB24", width, height, dpi, dpi, quality=FACTOR)
        with page.open("rb") as file:
            file.seek(begin)
            bands = iter(lambda: file.read(64 * 3 * width), b"")
            for _ in encoder_for(format_)(
                RawPage(width, height, Mode.COLOR, 8, bands), spec, folder
            ):
                pass

    fast = {"jfif": library() is not None, "png": _has_isal()}
    for format_, tool, package, bars in (
        ("jfif", ["cjpeg", "-quality", str(QUALITY)], "libjpeg-turbo-progs", (1.05, 1.5)),
        ("png", ["pnmtopng", "-compression", "1"], "netpbm", (0.35, 0.75)),
    ):
        if shutil.which(tool[0]) is None:
            print(f"{format_}: {tool[0]} (Debian: {package}) is not here to be compared with")
            continue
        ours, limit = [], []
        for _ in range(rounds):
            limit.append(timed(lambda: _quietly([*tool, str(page)])))  # noqa: B023
            ours.append(timed(lambda: encode(format_)))  # noqa: B023
        value, more = ratio(ours, limit)
        tell(f"{format_}, 600 dpi, of {tool[0]}", value, bars[not fast[format_]], more=more)


def _has_isal() -> bool:
    with suppress(ImportError):
        import isal  # noqa: F401

        return True
    return False


def _quietly(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def soap(folder: Path, rounds: int, seconds: float) -> None:
    """One client's requests, on an idle device and on one that encodes pages."""
    body = messages.get_scanner_elements()
    idle: list[float] = []
    busy: list[float] = []
    with device(folder) as subject:
        for _ in range(rounds):
            for results, scanning in ((idle, False), (busy, True)):
                stop = threading.Event()
                command = [sys.executable, __file__, "--scan-on", subject.url, str(folder / "page")]
                client = subprocess.Popen(command, stdin=subprocess.PIPE) if scanning else None
                done = asyncio.run(
                    load.measure(*subject.address, "/scan", body, connections=1, seconds=seconds)
                )
                results.append(done.p99_ms)
                stop.set()
                if client is not None:
                    client.communicate()
    median_idle, median_busy = statistics.median(idle), statistics.median(busy)
    more = f"({median_busy:.2f} ms of {median_idle:.2f} ms)"
    tell("SOAP p99 while pages are encoded, of idle", median_busy / median_idle, 2.0, more=more)


def scan_on(url: str, out: Path) -> None:
    """Scan at 600 dpi until the standard input ends: the other client of `soap`."""
    ended = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    Device(url).scan_on(600, out, ended)


def confined(folder: Path) -> None:
    """The device and its worker with as little memory as a small machine has to spare."""
    cgroup = _new_cgroup()
    if cgroup is None:
        print("no memory cgroup can be made here: the whole in 96 MB was not tried")
        return
    try:
        with device(folder, cgroup=cgroup) as subject:
            took = timed(lambda: subject.scan(1200, folder / "page"))
            main, worker = subject.peaks_mb()
        size = (folder / "page").stat().st_size
        print(
            f"1200 dpi inside a memory cgroup of {LIMIT_MB} MB: {size:,} octets in {took:.2f} s; "
            f"peaks {main:.1f} + {worker:.1f} MB"
        )
    finally:
        for _ in range(50):
            with suppress(OSError):
                cgroup.rmdir()
                break
            time.sleep(0.1)


def _new_cgroup() -> Path | None:
    """A memory cgroup, of either version; the page cache counts in it."""
    for home, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        made = home / f"wsd-scanner-bench-{os.getpid()}"
        try:
            made.mkdir()
            (made / limit).write_text(str(LIMIT_MB << 20))
        except OSError:
            with suppress(OSError):
                made.rmdir()
            continue
        return made
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each load of SOAP")
    parser.add_argument(
        "--without-accelerators", action="store_true", help="as without libturbojpeg and isal"
    )
    parser.add_argument("--escl", default="", metavar="URL", help="an eSCL server: http://…/eSCL")
    parser.add_argument("--write-config", type=Path, metavar="DIR", help="write SANE's, and leave")
    parser.add_argument("--scan-on", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write_config:
        configure(chosen.write_config)
        return
    if chosen.scan_on:
        scan_on(chosen.scan_on[0], Path(chosen.scan_on[1]))
        return
    if chosen.without_accelerators and os.environ.get("PYTHONPATH") != str(WITHOUT):
        os.environ["PYTHONPATH"] = str(WITHOUT)  # for every Python from here on
        os.execv(sys.executable, [sys.executable, *sys.argv])
    memory = Path("/dev/shm")  # a slow disk would count on both sides
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        scans(
            folder,
            chosen.rounds,
            fast=not chosen.without_accelerators,
            peer=chosen.escl.rstrip("/"),
        )
        encoders(folder, chosen.rounds)
        soap(folder, chosen.rounds, chosen.seconds)
    with tempfile.TemporaryDirectory() as name:
        confined(Path(name))


if __name__ == "__main__":
    main()

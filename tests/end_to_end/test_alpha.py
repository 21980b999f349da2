"""Files that are clear in parts: RGBa32 and RGBa64 where the source has them, and nowhere else."""

import contextlib
import io
import os
import re
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from backends.test_alpha import png_by_hand
from clients.dsp_server import DspServer
from clients.wsscan import SCAN, Client, FaultAnswer, child, scan_ticket, text
from end_to_end.test_delivery import PROCESS as SCAN_PROCESS
from eventing.subscriber import Sink, Subscriber
from panel.test_journal import panel_of
from panel.test_paper import upload
from PIL import Image
from support import schema
from support.device import RunningDevice
from support.wait import wait_until

from device.cli import main

conformance = pytest.mark.conformance
ALPHA = {"RGBa32", "RGBa64"}
SIZE = (300, 200)
PAGE = (0, 0, 3000, 2000)
"""All of a page of SIZE at 100 dpi."""
PROCESS = SCAN_PROCESS.replace("FORMAT", "png").replace(
    "<w:ColorProcessing>Grayscale8", '<w:ColorProcessing w:MustHonor="true">RGBa32'
)


def noise(mode: str = "RGBA") -> Image.Image:
    return Image.frombytes(mode, SIZE, os.urandom(len(mode) * SIZE[0] * SIZE[1]))


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", dpi=(100, 100))
    return file.getvalue()


def client_of(device: RunningDevice) -> Client:
    return Client(device.scan_url, check=schema.check)


def colors(client: Client) -> dict[str, set[str]]:
    """The ColorEntries of glass and feeder."""
    told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    sides = {side: f"ADF/ADF{side}/ADFColor" for side in ("Front", "Back")}
    return {
        side: {entry.text for entry in child(told, path)}
        for side, path in {"Platen": "Platen/PlatenColor", **sides}.items()
    }


def scan(client: Client, count: int = 1, **wishes: object) -> list[bytes]:
    wishes = {"region": PAGE, "must_honor": {"ColorProcessing", "Format"}} | wishes
    job = client.create_scan_job(scan_ticket(**wishes))
    return [client.retrieve_image(job.id, job.token).content for _ in range(count)]


def opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image


def by_netpbm(content: bytes) -> tuple[dict[str, str], bytes]:
    """What a PNG holds, and its samples."""
    done = subprocess.run(
        ["pngtopam", "-alphapam"], input=content, capture_output=True, check=True, timeout=20
    )
    head, samples = done.stdout.split(b"ENDHDR\n", 1)
    return dict(re.findall(r"(\w+) (\S+)", head.decode())), samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    return folder


@pytest.fixture
def client(folder: Path, start_device) -> Client:
    """A device with two pages: one is clear in parts, one is as paper."""
    (folder / "1.png").write_bytes(png(noise()))
    (folder / "2.png").write_bytes(png(noise("RGB")))
    return client_of(start_device("--source", f"images:{folder}", "--no-panel"))


@conformance("KW-027", "KW-028")
def test_what_has_alpha_is_announced_with_it_and_scanned(client, folder):
    for found in colors(client).values():
        assert found >= ALPHA
    clear, solid = scan(client, 2, source="ADF", images=2, color="RGBa32")
    assert clear == (folder / "1.png").read_bytes(), "it is already what was ordered"
    told, samples = by_netpbm(solid)
    assert (told["WIDTH"], told["HEIGHT"], told["DEPTH"], told["MAXVAL"]) == (
        *map(str, SIZE),
        "4",
        "255",
    )
    assert samples == opened((folder / "2.png").read_bytes()).convert("RGBA").tobytes()


@conformance("KW-027", "KW-028", "EL-44", "EL-46")
@pytest.mark.parametrize(("color", "bits"), [("RGBa32", 8), ("RGBa64", 16)])
def test_the_geometry_is_that_of_four_samples(client, folder, color, bits):
    region = (0, 0, 3010, 2100)
    wishes = {"color": color, "region": region, "format": "tiff-single-uncompressed"}
    info = child(
        client.validate_scan_ticket(scan_ticket(**wishes)), "ImageInformation/MediaFrontImageInfo"
    )
    told = tuple(int(text(info, n)) for n in ("PixelsPerLine", "NumberOfLines", "BytesPerLine"))
    assert told == (301, 210, 301 * bits // 2)
    (file,) = scan(client, **wishes)
    with Image.open(io.BytesIO(file)) as image:
        tags = image.tag_v2
        assert (tags[258], tags[277], tags[338]) == ((bits,) * 4, 4, (2,))
        assert sum(tags[279]) == 210 * told[2]
        page = opened((folder / "1.png").read_bytes())
        assert image.crop((0, 0, *SIZE)).tobytes() == page.tobytes()
        assert image.crop((0, 200, 301, 210)).getcolors() == [(3010, (255,) * 4)]


@conformance("KW-028")
def test_sixteen_bits_of_alpha_are_read_by_others(client, folder):
    (file,) = scan(client, color="RGBa64")
    told, samples = by_netpbm(file)
    assert (told["DEPTH"], told["MAXVAL"]) == ("4", "65535")
    page = opened((folder / "1.png").read_bytes()).tobytes()
    assert samples[::2] == samples[1::2] == page


@conformance("KW-026", "KW-028")
@pytest.mark.parametrize(("kind", "channels", "color"), [(2, 3, "RGB48"), (6, 4, "RGBa64")])
def test_a_file_of_sixteen_bits_keeps_them(folder, start_device, kind, channels, color):
    samples = os.urandom(2 * channels * SIZE[0] * SIZE[1])
    (folder / "1.png").write_bytes(png_by_hand(kind, 16, samples, size=SIZE))
    client = client_of(start_device("--source", f"images:{folder}", "--no-panel"))
    (file,) = scan(client, color=color)
    read = ["pngtopam", *(["-alphapam"] if channels == 4 else []), "-"]
    done = subprocess.run(read, input=file, capture_output=True, check=True, timeout=20)
    assert done.stdout.endswith(b"\n" + samples)
    (file,) = scan(client, color=color, format="tiff-single-uncompressed", rotation=180)
    pixels = [samples[at : at + 2 * channels] for at in range(0, len(samples), 2 * channels)]
    turned = struct.unpack(f">{len(samples) // 2}H", b"".join(reversed(pixels)))
    assert struct.unpack_from(f"{len(turned)}H", file, 8) == turned  # the machine's byte order


@conformance("KW-025", "KW-027")
def test_in_another_colour_what_is_clear_lies_on_white(client, folder):
    (file,) = scan(client, color="RGB24")
    page = opened((folder / "1.png").read_bytes())
    white = Image.new("RGBA", SIZE, (255,) * 4)
    expected = Image.alpha_composite(white, page).convert("RGB")
    pairs = zip(opened(file).tobytes(), expected.tobytes(), strict=True)
    assert opened(file).mode == "RGB"
    assert max(abs(a - b) for a, b in pairs) <= 1


@conformance("KW-027")
def test_a_format_without_alpha_is_in_conflict_with_it(client):
    with pytest.raises(FaultAnswer) as answer:
        scan(client, color="RGBa32", format="jfif")
    assert answer.value.name == "ClientErrorConflictingRequiredParameters"
    told = client.validate_scan_ticket(scan_ticket(color="RGBa32", format="jfif"))
    assert text(told, "ValidTicket") == "false"
    put = child(told, "ValidScanTicket/DocumentParameters/MediaSides/MediaFront/ColorProcessing")
    assert put.text == "RGB24"


@pytest.mark.sane
def test_a_client_that_knows_no_alpha_scans_as_ever(folder, start_device, make_airscan):
    page = Image.new("RGBA", SIZE, (255, 0, 0, 0))
    page.paste((0, 0, 255, 255), (0, 0, 150, 200))
    (folder / "1.png").write_bytes(png(page))
    device = start_device("--source", f"images:{folder}", "--no-panel")
    airscan = make_airscan(devices={"Corridor": device.scan_url})
    done = airscan.scan("airscan:w0:Corridor", source="Flatbed", mode="Color", dpi=100)
    assert done.returncode == 0, done.stderr
    with Image.open(done.files[0]) as image:
        assert image.mode == "RGB"
        for spot, colour in (((75, 100), (0, 0, 255)), ((225, 100), (255, 255, 255))):
            found = zip(image.getpixel(spot), colour, strict=True)
            assert max(abs(a - b) for a, b in found) < 6


def assert_unknown(client: Client, **wishes: object) -> None:
    """RGBa32 is a colour like any other that is not there."""
    with pytest.raises(FaultAnswer) as answer:
        scan(client, color="RGBa32", must_honor={"ColorProcessing"}, **wishes)
    assert answer.value.name == "InvalidArgs"
    told = client.validate_scan_ticket(scan_ticket(color="RGBa32", **wishes))
    assert text(told, "ValidTicket") == "false"
    put = child(told, "ValidScanTicket/DocumentParameters/MediaSides/MediaFront/ColorProcessing")
    assert put.text == "RGB24"


@conformance("KW-027", "KW-028")
def test_it_comes_and_goes_with_the_files(folder, start_device):
    (folder / "1.png").write_bytes(png(noise("RGB")))
    device = start_device("--source", f"images:{folder}", "--no-panel")
    client = client_of(device)

    def has(wanted: bool) -> bool:
        return all(ALPHA.issubset(found) is wanted for found in colors(client).values())

    assert has(False)
    assert_unknown(client)
    (folder / "2.png").write_bytes(png(noise()))
    device.process.send_signal(signal.SIGHUP)
    wait_until(lambda: has(True), 5, "the new file's alpha")
    solid, clear = scan(client, 2, source="ADF", images=2, color="RGBa32")
    assert opened(solid).getchannel("A").getextrema() == (255, 255)
    assert clear == (folder / "2.png").read_bytes()
    (folder / "2.png").unlink()
    device.process.send_signal(signal.SIGHUP)
    wait_until(lambda: has(False), 5, "pages without alpha")
    assert_unknown(client)


@conformance("KW-027", "KW-028")
def test_a_file_laid_in_brings_it_to_where_it_lies(start_device):
    device = start_device("--panel-port", "0")
    client, panel = client_of(device), panel_of(device)
    page = noise()
    plain = {"Platen": set(), "Front": set(), "Back": set()}

    def alpha() -> dict[str, set[str]]:
        return {side: found & ALPHA for side, found in colors(client).items()}

    assert alpha() == plain
    assert_unknown(client, source="ADF")
    panel("POST", "feeder/empty")
    assert upload(panel, ("solid.png", png(noise("RGB")))).status == 201
    assert alpha() == plain
    with contextlib.closing(Sink()) as sink:
        Subscriber(client).subscribe(sink.url, events=["ScannerElementsChangeEvent"])
        assert upload(panel, ("clear.png", png(page))).status == 201
        (event,) = sink.wait_for("ScannerElementsChangeEvent")
    told = [one.text for one in event.body.iter(f"{{{SCAN}}}ColorEntry")]
    assert [told.count(color) for color in sorted(ALPHA)] == [2, 2], "front and back"
    assert alpha() == plain | {"Front": ALPHA, "Back": ALPHA}
    assert_unknown(client)
    lying = panel.get("feeder")["pages"]
    small = panel("GET", f"/api/v1/{lying[1]['picture']}")
    assert opened(small.raw).mode == "RGB"

    solid, clear = scan(client, 2, source="ADF", images=2, color="RGBa32")
    assert opened(solid).getchannel("A").getextrema() == (255, 255)
    assert opened(clear).tobytes() == page.tobytes()
    (job,) = wait_until(lambda: panel.get("jobs")["history"], 5, "the end of the job")
    for path in panel.get(f"jobs/{job['id']}")["pictures"]:
        assert opened(panel("GET", f"/api/v1/{path}").raw).mode == "RGB"

    assert upload(panel, ("clear.png", png(page)), to="platen").status == 201
    assert alpha()["Platen"] == ALPHA
    assert opened(*scan(client, color="RGBa32")).tobytes() == page.tobytes()
    assert panel("POST", "feeder/load").status == 200
    assert alpha() == plain


@conformance("KW-027")
def test_a_scan_process_gets_it_too(folder, tmp_path, monkeypatch, capsys):
    """By `send`, too; and not from pages that have none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (folder / "1.png").write_bytes(png(noise()))
    process = tmp_path / "process.xml"
    process.write_text(PROCESS)
    with DspServer() as server:
        order = ("send", "--server", server.url, "--process", str(process))
        assert main([*order, "--source", f"images:{folder}"]) == 0
        ((document,),) = [list(found.values()) for found in server.documents.values()]
        assert opened(document).mode == "RGBA"
        assert opened(document).getchannel("A").getextrema() != (255, 255)
        assert main([*order, "--source", "chart"]) != 0
        assert "ColorProcessing" in capsys.readouterr().err
        assert len(server.documents) == 1

"""Who a scanner is, whatever SANE calls it today."""

from pathlib import Path

import pytest
from support.fake_sane import FakeLibrary

from scanner_backends.sane import finding, listing
from scanner_backends.sane.identity import is_plugged, key_of, local_name
from scanner_backends.sane.words import SaneDevice


@pytest.fixture
def usb(tmp_path: Path):
    """Plugs USB devices into a folder that looks like the kernel's."""

    def plug(bus_path: str, number: int, serial: str | None = None, product: str = "013a") -> None:
        entry = tmp_path / bus_path
        entry.mkdir(exist_ok=True)
        told = {"busnum": "1", "devnum": str(number), "idVendor": "04b8", "idProduct": product}
        if serial is not None:
            told["serial"] = serial
        for key, value in told.items():
            (entry / key).write_text(f"{value}\n")

    plug.folder = tmp_path
    plug("usb1", 1)
    (tmp_path / "1-1:1.0").mkdir()  # an interface, which has no numbers
    return plug


def test_a_serial_number_is_the_same_in_every_socket(usb):
    usb("1-1", 4, serial="A1")
    assert key_of("epson2:libusb:001:004", usb.folder) == ("usb:04b8:013a:A1", "1-1")
    usb("1-1", 5, serial="other")
    usb("1-2", 6, serial="A1")
    assert key_of("epson2:libusb:001:006", usb.folder)[0] == "usb:04b8:013a:A1"


@pytest.mark.parametrize("serial", [None, "", "000000000"])
def test_without_one_the_socket_decides(usb, serial):
    usb("1-1.4", 4, serial=serial)
    assert key_of("genesys:libusb:001:004", usb.folder) == ("usb:04b8:013a@1-1.4", "")
    usb("1-1.4", 9, serial=serial)
    assert key_of("genesys:libusb:001:009", usb.folder) == ("usb:04b8:013a@1-1.4", "")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("test:0", ("test:0", "")),
        ("pixma:04A91234_5A6B7C", ("pixma:04A91234_5A6B7C", "")),
        (
            "net:attic:epson2:libusb:001:004",
            ("net:attic:epson2:libusb", "net:attic:epson2:libusb:001:004"),
        ),
        ("net:[fd00::1]:test:0", ("net:[fd00::1]:test:0", "")),
        ("airscan:e3:Office", ("airscan:e:Office", "airscan:e3:Office")),
    ],
)
def test_others_are_who_they_are_called(usb, name, key):
    usb("1-1", 4, serial="of this machine")
    assert key_of(name, usb.folder) == key


def test_a_scanner_that_was_unplugged_is_not_there(usb, tmp_path):
    usb("1-1", 4)
    assert is_plugged("epson2:libusb:001:004", usb.folder)
    assert not is_plugged("epson2:libusb:001:005", usb.folder)
    assert not is_plugged("net:attic:epson2:libusb:001:004", usb.folder)
    assert not is_plugged("epson2:libusb:001:004", tmp_path / "nowhere")


def test_names_of_the_net_backend_are_seen_through():
    assert local_name("net:attic:test:0") == "test:0"
    assert local_name("net:[fd00::1]:net:attic:test:0") == "test:0"
    assert local_name("test:0") == "test:0"


# ---- what is listed


EPSON = SaneDevice("epson2:libusb:001:004", "Epson", "GT-1500", "flatbed scanner")


def found(usb, *devices: SaneDevice, argument: str = ""):
    library = FakeLibrary([], list(devices))
    return listing.found(argument, lambda: library, usb.folder)


def test_what_is_found_can_be_opened_by_its_source(usb, options_file):
    usb("1-1", 4, serial="A1")
    file = options_file("")
    (one,) = found(usb, EPSON, argument=file)
    assert one.source == f"sane:epson2:libusb:001:004{file}"
    assert (one.key, one.place, one.label) == ("usb:04b8:013a:A1", "1-1", "Epson GT-1500")


def test_a_scanner_that_two_drivers_know_is_one(usb):
    usb("1-1", 4)
    usb("1-2", 5)
    second = SaneDevice("epsonds:libusb:001:004", "Epson", "the same")
    other = SaneDevice("epsonds:libusb:001:005", "Epson", "another")
    assert [one.name for one in found(usb, EPSON, second, other)] == [EPSON.name, other.name]


OURS = [
    SaneDevice("airscan:w0:Attic", "WSD", "Attic", "ip=127.0.0.1"),
    SaneDevice("airscan:e0:AirSane", "eSCL", "AirSane", "ip=0.0.0.0"),
    SaneDevice("escl:http://127.0.0.1:8090", "x", "y"),
    SaneDevice("net:attic:airscan:w0:Attic", "WSD", "Attic", "ip=127.0.0.1"),
]
THEIRS = [
    SaneDevice("airscan:w1:Office", "WSD", "Office", "ip=192.0.2.7"),
    SaneDevice("net:attic:escl:http://192.0.2.7:80", "x", "y"),
    SaneDevice("v4l:/dev/video0", "Noname", "camera", "virtual device"),
]


def test_network_scanners_and_cameras_are_taken_only_by_their_names(usb):
    assert found(usb, *OURS, *THEIRS) == []
    named = found(usb, *OURS, *THEIRS, argument="Office")
    assert [one.name for one in named] == [one.name for one in THEIRS]


def test_a_usb_scanner_behind_ipp_usb_is_taken(usb):
    driverless = SaneDevice("airscan:e1:HP LaserJet (USB)", "eSCL", "HP LaserJet", "ip=127.0.0.1")
    assert not finding.is_ours(driverless)
    (one,) = found(usb, driverless)
    assert (one.key, one.label) == ("airscan:e:HP LaserJet (USB)", "HP LaserJet")
    remote = SaneDevice(f"net:attic:{driverless.name}", "eSCL", "HP LaserJet", "ip=127.0.0.1")
    assert finding.is_ours(remote), "it does not tell where it is"

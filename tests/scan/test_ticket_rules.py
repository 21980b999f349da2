"""Rules that bind several settings of a ticket, and what a ticket may leave out."""

from dataclasses import replace

import pytest
from clients.wsscan import SCAN, FaultAnswer, Side, child, element, scan_ticket, text
from support.wire import with_settings

from device.jobs.request import FILMS
from device.model.capabilities import Range, SideCapabilities
from device.model.ticket import Size
from scanner_backends.base import Film, Source

conformance = pytest.mark.conformance
FRONT = "MediaSides/MediaFront"
BACK = "MediaSides/MediaBack"


def final_of(client, **wishes):
    answer = client.create_scan_job(scan_ticket(**wishes)).reply.require()
    return child(answer, "DocumentFinalParameters")


def leaf(final, path):
    """Value and mark of a setting."""
    found = child(final, path)
    (mark,) = [name.rpartition("}")[2] for name in found.attrib] or [""]
    return (found.text, mark)


def refusal(client, **wishes):
    with pytest.raises(FaultAnswer) as refused:
        client.create_scan_job(scan_ticket(**wishes))
    detail = refused.value.fault.detail
    return refused.value.name, None if detail is None else detail[0].tag.rpartition("}")[2]


@conformance("EL-43", "EL-42")
@pytest.mark.parametrize("source", ["Platen", "ADF", "ADFDuplex"])
def test_final_parameters_are_complete_whatever_was_left_out(client, source):
    """The schema behind the client's check knows no optional child but film mode and back."""
    final = final_of(client, source=source, color=None, dpi=None, format=None)
    assert (final.find("/".join(f"{{{SCAN}}}{n}" for n in BACK.split("/"))) is not None) == (
        source == "ADFDuplex"
    )
    assert final.find(f"{{{SCAN}}}FilmScanMode") is None
    for name in ("InputSize", "Exposure", "Scaling", "MediaSides", f"{FRONT}/Resolution",
                 f"{FRONT}/ScanRegion"):  # fmt: skip
        assert child(final, name).attrib == {}


@conformance("EL-20")
def test_the_default_ticket_is_acceptable_as_it_stands(device, client):
    from xml.etree import ElementTree

    default = client.get_scanner_elements("DefaultScanTicket")["DefaultScanTicket"]
    assert text(default, "DocumentParameters/FilmScanMode") == "NotApplicable"
    assert "MustHonor" not in ElementTree.tostring(default).decode()
    ticket = ElementTree.tostring(default).decode().replace("DefaultScanTicket", "ScanTicket")
    info = client.validate_scan_ticket(ticket)
    assert text(info, "ValidTicket") == "true"
    final = child(client.create_scan_job(ticket).reply.require(), "DocumentFinalParameters")
    assert not [e for e in final.iter() if e.attrib]


@conformance("EL-20")
def test_the_default_ticket_names_no_source_that_is_not_there(make_device):
    device = make_device(sheets=1, configuration=lambda found: replace(found, platen=None))
    default = device.client.get_scanner_elements("DefaultScanTicket")["DefaultScanTicket"]
    assert text(default, "DocumentParameters/InputSource") == "ADF"


@conformance("EL-38")
def test_a_missing_height_of_the_resolution_is_the_width(client):
    ticket = scan_ticket(dpi=200).replace("<sca:Height>200</sca:Height>", "")
    final = child(client.create_scan_job(ticket).reply.require(), "DocumentFinalParameters")
    assert leaf(final, f"{FRONT}/Resolution/Height") == ("200", "")


def wider_than_high(found):
    return replace(found, platen=replace(found.platen, heights=(100, 300)))


@conformance("EL-38")
def test_widths_and_heights_are_lists_of_their_own(make_device):
    """Asked for 200 × 200 by its width alone: 200 × 100 is what there is."""
    client = make_device(configuration=wider_than_high).client
    ticket = scan_ticket(dpi=200).replace("<sca:Height>200</sca:Height>", "")
    final = child(client.create_scan_job(ticket).reply.require(), "DocumentFinalParameters")
    assert leaf(final, f"{FRONT}/Resolution/Width") == ("200", "")
    assert leaf(final, f"{FRONT}/Resolution/Height") == ("100", "Override")
    info = client.validate_scan_ticket(ticket)
    assert text(info, "ValidTicket") == "false"
    assert text(info, f"ValidScanTicket/DocumentParameters/{FRONT}/Resolution/Height") == "100"


@conformance("EL-35")
def test_what_the_back_leaves_out_is_as_at_the_front(client):
    wishes = {
        "source": "ADFDuplex",
        "dpi": 200,
        "color": "Grayscale8",
        "region": (0, 0, 4000, 4000),
    }
    final = final_of(client, **wishes)
    assert [(e.tag, e.text) for e in child(final, BACK).iter()][1:] == [
        (e.tag, e.text) for e in child(final, FRONT).iter()
    ][1:]
    final = final_of(client, **wishes, back=Side("RGB24", None))
    assert leaf(final, f"{BACK}/ColorProcessing") == ("RGB24", "")
    assert leaf(final, f"{BACK}/Resolution/Width") == ("200", "")
    assert leaf(final, f"{BACK}/ScanRegion/ScanRegionWidth") == ("4000", "")


@conformance("EL-35", "FA-12")
def test_a_back_without_a_duplex_feeder_is_ignored_unless_it_must_be_honored(client):
    back = Side("Grayscale8", 75)
    assert child(final_of(client, back=back), FRONT) is not None
    assert refusal(client, back=back, must_honor={"MediaSides"}) == ("InvalidArgs", "MediaBack")
    both = refusal(client, back=back, must_honor={"MediaSides", "InputSource"})
    assert both[0] == "ClientErrorConflictingRequiredParameters"


@conformance("EL-37", "FA-12")
def test_a_format_gives_way_to_a_colour_that_must_be_honored(client):
    wishes = {"format": "jfif", "color": "BlackAndWhite1"}
    final = final_of(client, **wishes, must_honor={"ColorProcessing"})
    assert leaf(final, "Format") == ("png", "Override")
    assert leaf(final, f"{FRONT}/ColorProcessing") == ("BlackAndWhite1", "")
    final = final_of(client, **wishes, must_honor={"Format"})
    assert leaf(final, "Format") == ("jfif", "")
    assert leaf(final, f"{FRONT}/ColorProcessing") == ("Grayscale8", "Override")


@conformance("EL-37")
@pytest.mark.parametrize("color", ["GrayScale4", "acme:Sepia"])
def test_a_colour_that_nobody_knows_gives_way_to_the_default_ones(client, color):
    """The published example says GrayScale4. Black and white would lose what was asked for."""
    final = final_of(client, color=color)
    assert leaf(final, f"{FRONT}/ColorProcessing") == ("RGB24", "Override")


@conformance("EL-37", "EL-35")
def test_the_back_has_its_say_in_the_format(make_device):
    client = make_device(sheets=1).client
    back = Side("BlackAndWhite1", 100)
    ticket = scan_ticket(source="ADFDuplex", format="jfif", back=back)
    bound = ticket.replace(
        "<sca:ColorProcessing>Black", '<sca:ColorProcessing sca:MustHonor="true">Black'
    )
    final = child(client.create_scan_job(bound).reply.require(), "DocumentFinalParameters")
    assert leaf(final, "Format") == ("png", "Override")
    assert leaf(final, f"{BACK}/ColorProcessing") == ("BlackAndWhite1", "")
    with pytest.raises(FaultAnswer, match="ConflictingRequiredParameters"):
        client.create_scan_job(bound.replace("<sca:Format>", '<sca:Format sca:MustHonor="true">'))


def test_a_format_that_no_colour_of_the_source_fits_gives_way(make_device):
    def only_lineart(found):
        return replace(found, platen=replace(found.platen, colors=("BlackAndWhite1",)))

    client = make_device(configuration=only_lineart).client
    assert leaf(final_of(client, format="jfif", color=None), "Format") == ("png", "Override")
    assert leaf(final_of(client, format=None, color=None), "Format") == ("png", "UsedDefault")
    assert refusal(client, format="jfif", must_honor={"Format"})[0] == (
        "ClientErrorConflictingRequiredParameters"
    )


@conformance("EL-36")
def test_a_region_wholly_outside_is_refused_and_one_larger_than_the_media_is_not(client):
    """sane-airscan's media size is its region's, with offsets added."""
    for region in ((8500, 0, 100, 100), (0, 14000, 100, 100), (-200, 0, 100, 100)):
        assert refusal(client, region=region) == ("InvalidArgs", "ScanRegion")
    final = final_of(client, region=(1000, 500, 4000, 5000), size=(4000, 5000))
    assert leaf(final, f"{FRONT}/ScanRegion/ScanRegionWidth") == ("4000", "")
    info = client.validate_scan_ticket(scan_ticket(region=(8500, 0, 100, 100)))
    assert text(info, f"ValidScanTicket/DocumentParameters/{FRONT}/ScanRegion/"
                "ScanRegionXOffset") == "0"  # fmt: skip


@conformance("EL-40")
@pytest.mark.parametrize(
    ("sheets", "source", "mark"), [(0, "Platen", "UsedDefault"), (2, "ADF", "")]
)
def test_a_ticket_with_a_format_alone_scans_what_is_loaded(make_device, sheets, source, mark):
    """What the device chooses itself is not the default ticket's."""
    client = make_device(sheets=sheets).client
    final = final_of(client, source=None, color=None, dpi=None, format="png")
    assert leaf(final, "InputSource") == (source, mark)
    assert leaf(final, "Format") == ("png", "")


@conformance("EL-40", "EL-25")
@pytest.mark.parametrize("must_honor", [(), ("InputSource",)])
def test_a_source_called_auto_leaves_the_choice_to_the_device(device, client, must_honor):
    final = final_of(client, source="Auto", must_honor=must_honor)
    assert leaf(final, "InputSource") == ("ADF", "Override")


@conformance("EL-21")
def test_a_job_description_is_kept(device, client):
    job = client.create_scan_job(
        scan_ticket(job_name="  Ärger & <Co>  ", user="o'Hara", information="x")
    )
    told = client.get_job_elements(job.id, "ScanTicket")["ScanTicket"]
    assert text(told, "JobDescription/JobName") == "Ärger & <Co>"
    assert text(told, "JobDescription/JobOriginatingUserName") == "o'Hara"
    assert text(told, "JobDescription/JobInformation") == "x"


@conformance("EL-21")
def test_a_job_description_may_be_nearly_empty_or_very_long(client):
    ticket = scan_ticket(job_name="x", user=None, information=None)
    job = client.create_scan_job(ticket)
    told = client.get_job_elements(job.id, "ScanTicket")["ScanTicket"]
    assert told.find(f".//{{{SCAN}}}JobInformation") is None
    client.create_scan_job(scan_ticket(job_name="x" * 1000, information="y" * 1000))
    assert [len(text(s, "JobName")) for s in client.get_active_jobs()] == [1, 255]


def with_film(found):
    sizes = Size(100, 100), Size(1400, 1400)
    strip = SideCapabilities(2400, 2400, (1200, 2400), (1200, 2400), ("RGB24",), *sizes)
    return replace(found, film=strip, film_scan_modes=("ColorSlideFilm", "ColorNegativeFilm"))


@conformance("EL-26", "KW-034")
def test_a_film_scan_mode_means_nothing_to_other_sources(client):
    def wish(mode):
        return scan_ticket().replace("<sca:MediaSides>", f"{mode}<sca:MediaSides>")

    for value in ("NotApplicable", "ColorSlideFilm"):
        reply = client.create_scan_job(wish(element("FilmScanMode", value))).reply.require()
        assert reply.find(f".//{{{SCAN}}}FilmScanMode") is None
    client.create_scan_job(wish(element("FilmScanMode", "NotApplicable", must_honor=True)))
    with pytest.raises(FaultAnswer, match="InvalidArgs"):
        client.create_scan_job(wish(element("FilmScanMode", "ColorSlideFilm", must_honor=True)))


@conformance("EL-26", "KW-019", "KW-035", "KW-036", "KW-037")
@pytest.mark.parametrize(
    ("mode", "film"),
    [
        ("ColorSlideFilm", Film.POSITIVE),
        ("ColorNegativeFilm", Film.NEGATIVE),
        ("BlackandWhiteNegativeFilm", Film.NEGATIVE),
    ],
)
def test_the_scanner_is_told_what_kind_of_film_it_is(make_device, mode, film):
    def every_film(found):
        return replace(with_film(found), film_scan_modes=tuple(FILMS))

    device = make_device(configuration=every_film)
    wish = element("FilmScanMode", mode)
    ticket = scan_ticket(source="Film", dpi=1200)
    ticket = ticket.replace("<sca:MediaSides>", f"{wish}<sca:MediaSides>")
    job = device.client.create_scan_job(ticket)
    assert device.client.retrieve_image(job.id, job.token).content
    device.ended(job.id)
    plain = device.client.create_scan_job(scan_ticket())
    assert device.client.retrieve_image(plain.id, plain.token).content
    asked = [(one.request.source, one.request.film) for one in device.pages.asked]
    assert asked == [(Source.TRANSPARENCY, film), (Source.FLATBED, None)]


@conformance("EL-14", "EL-26", "KW-019")
def test_a_film_unit_is_described_and_its_mode_is_decided(make_device):
    client = make_device(configuration=with_film).client
    told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    modes = [mode.text for mode in child(told, "Film/FilmScanModesSupported")]
    assert modes == ["ColorSlideFilm", "ColorNegativeFilm"]

    def mode_for(wish):
        ticket = scan_ticket(source="Film", dpi=1200)
        ticket = ticket.replace("<sca:MediaSides>", f"{wish}<sca:MediaSides>")
        answer = client.create_scan_job(ticket).reply.require()
        return leaf(child(answer, "DocumentFinalParameters"), "FilmScanMode")

    assert mode_for("") == ("ColorSlideFilm", "UsedDefault")
    assert mode_for(element("FilmScanMode", "ColorNegativeFilm")) == ("ColorNegativeFilm", "")
    assert mode_for(element("FilmScanMode", "NotApplicable")) == ("ColorSlideFilm", "UsedDefault")
    other = element("FilmScanMode", "BlackandWhiteNegativeFilm")
    assert mode_for(other) == ("ColorSlideFilm", "Override")


@conformance("EL-29", "EL-05")
def test_a_detected_size_is_reported_as_media_size(make_device):
    client = make_device(configuration=with_settings(document_size_auto_detect=True)).client
    final = final_of(client, auto_size=True, size=(4000, 4000))
    assert leaf(final, "InputSize/InputMediaSize/Width") == ("8500", "Override")
    info = client.validate_scan_ticket(scan_ticket(auto_size=True))
    assert text(info, "ValidTicket") == "true"


@conformance("EL-41")
def test_what_the_device_cannot_do_at_all_is_ignored_unless_it_must_be_honored(make_device):
    plain = with_settings(auto_exposure=False, brightness=False, sharpness=False,
                          scaling_width=Range(100, 100), rotations=(0,))  # fmt: skip
    client = make_device(configuration=plain).client
    for wishes, path, used, carrier in (
        ({"auto_exposure": True}, "Exposure/ExposureSettings/Contrast", "0", "Exposure"),
        ({"exposure": (5, 9, 9)}, "Exposure/ExposureSettings/Brightness", "0", "Exposure"),
        ({"exposure": (5, 0, 9)}, "Exposure/ExposureSettings/Sharpness", "0", "Exposure"),
        ({"scaling": (50, 100)}, "Scaling/ScalingWidth", "100", "Scaling"),
        ({"rotation": 90}, "Rotation", "0", "Rotation"),
    ):
        assert leaf(final_of(client, **wishes), path)[0] == used
        assert refusal(client, **wishes, must_honor={carrier})[0] == "InvalidArgs"


@conformance("EL-56")
def test_a_vendors_keyword_that_the_device_has_is_used(make_device):
    own = with_settings(content_types=("Auto", "acme:Receipt"))
    client = make_device(configuration=own).client
    final = final_of(client, content_type="acme:Receipt", must_honor={"ContentType"})
    assert leaf(final, "ContentType") == ("acme:Receipt", "")
    told = client.get_scanner_elements("ScannerConfiguration")["ScannerConfiguration"]
    types = child(told, "DeviceSettings/ContentTypesSupported")
    assert [entry.text for entry in types] == ["Auto", "acme:Receipt"]


@conformance("FA-02")
@pytest.mark.parametrize(
    ("old", "new", "argument"),
    [
        ("<sca:ScalingHeight>100</sca:ScalingHeight>", "", "ScalingHeight"),
        ("<sca:Width>200</sca:Width>", "", "Width"),
        ("<sca:Width>5000</sca:Width>", "", "Width"),
        ("<sca:Rotation>0<", "<sca:Rotation>zero<", "Rotation"),
        ("<sca:Rotation>0<", "<sca:Rotation><", "Rotation"),
        ("<sca:Rotation>0<", '<sca:Rotation sca:MustHonor="perhaps">0<', "Rotation"),
    ],
)
def test_a_pair_that_is_half_and_a_number_that_is_none_are_refused(client, old, new, argument):
    ticket = scan_ticket(scaling=(100, 100), dpi=200, size=(5000, 6000), rotation=0)
    assert old in ticket
    with pytest.raises(FaultAnswer) as refused:
        client.create_scan_job(ticket.replace(old, new))
    assert refused.value.name == "InvalidArgs"
    assert refused.value.fault.detail[0].tag == f"{{{SCAN}}}{argument}"


@conformance("EL-30", "EL-31", "EL-23", "EL-27", "EL-32", "EL-33")
def test_what_the_ticket_says_reaches_the_page_line(device, client):
    """Both what is asked of the source, in its words, and what is made of the page."""
    job = client.create_scan_job(
        scan_ticket(format="jfif", quality=33, dpi=(200, 100), region=(1000, 2000, 3000, 4000),
                    exposure=(-5, 6, -7), scaling=(50, 200), rotation=90, content_type="Photo")
    )  # fmt: skip
    client.retrieve_image(job.id, job.token)
    (asked,) = device.pages.asked
    request, spec = asked.request, asked.spec
    assert (request.source, request.mode, request.depth) == ("Flatbed", "Color", 8)
    assert (request.x_dpi, request.y_dpi) == (200, 100)
    area = (request.left_mm, request.top_mm, request.width_mm, request.height_mm)
    assert area == pytest.approx((25.4, 50.8, 76.2, 101.6))
    assert (spec.format, spec.color, spec.quality) == ("jfif", "RGB24", 33)
    assert (spec.width_px, spec.height_px) == (800, 300)
    assert (spec.contrast, spec.brightness, spec.sharpness) == (-5, 6, -7)
    assert (spec.scaling_width, spec.scaling_height, spec.rotation) == (50, 200, 90)
    assert (spec.content_type, spec.auto_exposure) == ("Photo", False)


@conformance("EL-30")
def test_automatic_exposure_reaches_the_page_line(device, client):
    job = client.create_scan_job(scan_ticket(auto_exposure=True, exposure=(500, 500, 50)))
    client.retrieve_image(job.id, job.token)
    (asked,) = device.pages.asked
    assert asked.spec.auto_exposure
    assert (asked.spec.contrast, asked.spec.brightness, asked.spec.sharpness) == (0, 0, 0)

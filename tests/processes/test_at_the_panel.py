"""From the panel to the scan server: choose a process, start it, and every page arrives."""

import stat
from typing import Any

import pytest
from clients.dsp_server import DSP
from jobs.test_documents import MULTI, multi_page
from processes.conftest import MakeOperator, Site
from processes.documents import EML, FSH, email, share, switch
from support.scripted_pages import Act

from scanner_backends.errors import Jammed

PSP = "http://schemas.microsoft.com/windows/2008/02/imaging/postscan/psp"
FEEDER = "<w:InputSource>ADF</w:InputSource><w:Format>png</w:Format>"
PAGE = b"first half, second half"


def test_every_page_of_a_process_arrives(site: Site, make_operator: MakeOperator):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=3)
    begun = joe.start("Invoices")
    assert begun.status == 202
    assert begun.headers["location"] == f"/api/v1/deliveries/{begun.json['id']}"
    assert (begun.json["process"], begun.json["server"]) == ("Invoices", "127.0.0.1")
    ended = joe.ended(begun.json["id"])
    assert (ended["standing"], ended["pages"], ended["received"]) == ("delivered", 3, 3)
    assert ended["summary"] == f"3 pages delivered to 127.0.0.1:{site.port}."
    assert ended["post_scan_job"]["state"] == "Completed"
    assert list(site.server.documents.values()) == [{1: PAGE, 2: PAGE, 3: PAGE}]
    assert site.spooled == []
    job = joe.device.record(begun.json["job"])
    assert (job.status.state, job.status.scans_completed) == ("Completed", 3)


def test_the_server_is_told_what_the_process_says_and_what_the_user_may_change(
    site: Site, make_operator: MakeOperator
):
    site.add(
        "Invoices",
        share(r"\\files\invoices"),
        email("office@example.org", can_add=True),
        parameters=FEEDER,
        switches=switch("FileName") + switch("FilePath"),
    )
    joe = make_operator(sheets=1)
    begun = joe.start(
        "Invoices",
        file_name="March",
        emails=["joe@example.org"],
        shares=[r"\\files\march"],
        settings={"InputSource": "Platen"},
    )
    joe.ended(begun.json["id"])
    (create,) = [body for name, _, body in site.server.requests if name == "CreatePostScanJob"]
    assert create.findtext(f"{{{DSP}}}UserIdentifier") == "S-1-0-0"
    told = create.find(f"{{{DSP}}}PostScanInstructions")
    assert told.findtext(f"{{{PSP}}}DocumentRootName") == "March"
    assert [one.text for one in told.iter(f"{{{FSH}}}ShareUNC")] == [r"\\files\march"]
    assert [one.text for one in told.iter(f"{{{EML}}}EmailAddress")] == [
        "office@example.org",
        "joe@example.org",
    ]
    job = joe.device.record(begun.json["job"])
    assert job.parameters.input_source.value == "Platen"


@pytest.mark.conformance("DO-01")
def test_a_job_is_made_after_the_first_image_and_pages_go_while_others_are_scanned(
    site: Site, make_operator: MakeOperator
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=2)
    first, second = joe.device.pages.then(Act(hold=True), Act(hold=True))
    number = joe.start("Invoices").json["id"]
    joe.device.until(lambda: "Get" in site.server.calls, "Probe and Get while the page is scanned")
    assert "CreatePostScanJob" not in site.server.calls
    joe.device.open(first)
    joe.until(number, lambda one: one["received"] == 1, "the first page")
    assert site.server.states == dict.fromkeys(site.server.states, "Creating")
    (token,) = site.server.documents
    assert joe.delivery(number)["pages"] == 1
    for path in site.spooled:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    joe.device.open(second)
    assert joe.ended(number)["standing"] == "delivered"
    assert site.server.documents[token] == {1: PAGE, 2: PAGE}


@pytest.mark.conformance("DO-04")
def test_a_cancelled_delivery_ends_the_scan_and_the_servers_job(
    site: Site, make_operator: MakeOperator
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=2)
    joe.device.pages.then(Act(), Act(pause=True))
    begun = joe.start("Invoices").json
    joe.until(begun["id"], lambda one: one["received"] == 1, "the first page")
    joe.device.until(lambda: len(joe.device.pages.asked) == 2, "the second page")
    assert joe("POST", f"deliveries/{begun['id']}/cancel").status == 202
    ended = joe.ended(begun["id"])
    assert (ended["standing"], ended["summary"]) == (
        "canceled",
        "Cancelled after 1 page and the scan server was told.",
    )
    assert list(site.server.states.values()) == ["Canceled"]
    assert joe.device.ended(begun["job"])[0] == "Canceled"
    assert site.spooled == []
    assert joe("POST", f"deliveries/{begun['id']}/cancel").status == 409


def test_a_job_that_is_cancelled_at_the_device_cancels_its_delivery(
    site: Site, make_operator: MakeOperator
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=2)
    joe.device.pages.then(Act(), Act(pause=True))
    begun = joe.start("Invoices").json
    joe.until(begun["id"], lambda one: one["received"] == 1, "the first page")
    joe.device.until(lambda: len(joe.device.pages.asked) == 2, "the second page")
    assert joe("POST", f"jobs/{begun['job']}/cancel").status == 202
    assert joe.ended(begun["id"])["standing"] == "canceled"
    assert list(site.server.states.values()) == ["Canceled"]
    left = joe("GET", "feeder").json["pages"]
    assert [one["label"] for one in left if not one["back"]] == ["sheet 2"]


@pytest.mark.conformance("DL-01")
def test_a_jam_in_mid_page_is_waited_out(site: Site, make_operator: MakeOperator):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=2)
    joe.device.pages.then(Act(), Act(breaks=Jammed("A sheet is stuck.")))
    begun = joe.start("Invoices").json
    joe.device.until(lambda: joe("GET", "conditions").json, "the jam")
    joe.until(begun["id"], lambda one: one["received"] == 1, "the first page")
    assert joe.delivery(begun["id"])["standing"] == "under-way"
    (jam,) = joe("GET", "conditions").json
    joe("DELETE", f"conditions/{jam['id']}")
    assert joe.ended(begun["id"])["standing"] == "delivered"
    assert list(site.server.documents.values()) == [{1: PAGE, 2: PAGE}]


@pytest.mark.conformance("DL-01")
@pytest.mark.parametrize("format_", MULTI)
@pytest.mark.parametrize("sheet", [1, 2, 3])
def test_a_jam_in_the_middle_of_a_document_is_waited_out(
    site: Site, make_operator: MakeOperator, format_: str, sheet: int
):
    site.add("Invoices", parameters=FEEDER.replace("png", format_))
    joe = make_operator(sheets=3, options={"configuration": multi_page})
    acts = [Act() for _ in range(sheet - 1)]
    joe.device.pages.then(*acts, Act(breaks=Jammed("A sheet is stuck.")))
    begun = joe.start("Invoices").json

    def jams() -> list[Any]:
        return [one for one in joe("GET", "conditions").json if one["name"] == "MediaJam"]

    joe.device.until(jams, "the jam")
    assert joe.delivery(begun["id"])["standing"] == "under-way"
    (jam,) = jams()
    joe("DELETE", f"conditions/{jam['id']}")
    ended = joe.ended(begun["id"])
    assert (ended["standing"], ended["pages"]) == ("delivered", 1)
    assert ended["summary"] == f"1 document delivered to 127.0.0.1:{site.port}."
    assert list(site.server.documents.values()) == [{1: PAGE * 3}]
    job = joe.device.record(begun["job"])
    assert (job.status.state, job.status.scans_completed) == ("Completed", 3)
    assert joe("GET", "feeder").json["pages"] == []


def test_a_server_that_stays_away_leaves_the_pages_in_the_spool(
    site: Site, make_operator: MakeOperator
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=3)
    site.server.script["SendImage"] = dict.fromkeys(range(2, 6), "cut")
    number = joe.start("Invoices").json["id"]
    ended = joe.ended(number)
    assert (ended["standing"], ended["pages"]) == ("failed", 3)
    assert "no connection" in ended["summary"]
    assert len([path for path in site.spooled if path.name[:6].isdigit()]) == 3
    assert joe("POST", f"deliveries/{number}/retry").status == 202
    assert joe.ended(number)["standing"] == "delivered"
    assert list(site.server.documents.values()) == [{1: PAGE, 2: PAGE, 3: PAGE}]
    assert joe("POST", f"deliveries/{number}/retry").status == 409


def test_what_a_failed_delivery_keeps_is_thrown_away_when_asked(
    site: Site, make_operator: MakeOperator
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=1)
    site.server.script["CreatePostScanJob"] = {0: "InvalidArgs"}
    number = joe.start("Invoices").json["id"]
    assert "InvalidArgs: It went wrong" in joe.ended(number)["summary"]
    assert site.spooled
    assert joe("DELETE", f"deliveries/{number}").status == 204
    assert site.spooled == []
    assert joe("GET", f"deliveries/{number}").status == 404
    assert joe("DELETE", f"deliveries/{number}").status == 404


def test_a_restarted_device_goes_on(site: Site, make_operator: MakeOperator):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=3)
    site.server.script["SendImage"] = dict.fromkeys(range(2, 6), "cut")
    joe.ended(joe.start("Invoices").json["id"])
    again = make_operator(sheets=0)
    (found,) = again("GET", "deliveries").json
    assert (found["process"], found["job"]) == ("Invoices", None)
    assert again.ended(found["id"])["standing"] == "delivered"
    assert list(site.server.documents.values()) == [{1: PAGE, 2: PAGE, 3: PAGE}]
    assert site.server.calls.count("CreatePostScanJob") == 1


def test_a_full_spool_ends_the_scan_and_keeps_what_it_has(site: Site, make_operator: MakeOperator):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=3, delivery_limit_mb=1)
    joe.device.pages.then(Act(chunks=[b"x" * 600_000]), Act(chunks=[b"y" * 600_000]))
    ended = joe.ended(joe.start("Invoices").json["id"])
    assert ended["standing"] == "failed"
    assert "the spool is full: it may take 1 MB" in ended["summary"]
    assert [path.stat().st_size for path in site.spooled if path.suffix == ".png"] == [600_000]
    left = joe("GET", "feeder").json["pages"]
    assert [one["label"] for one in left if not one["back"]] == ["sheet 2", "sheet 3"]


def test_what_cannot_be_started(site: Site, make_operator: MakeOperator):
    site.add("Invoices", parameters=FEEDER)
    site.add("Film", parameters='<w:InputSource w:MustHonor="true">Film</w:InputSource>')
    site.add("Broken", root_name="a/b")
    site.add("Closed", parameters='<w:Format w:MustHonor="true">png</w:Format>')
    joe = make_operator(sheets=0)

    def refused(name: str, status: int, **body: object) -> str:
        answer = joe.start(name, **body)
        assert answer.status == status, answer
        assert answer.headers["content-type"].startswith("application/problem+json")
        return answer.json["detail"]

    assert "No image" in refused("Invoices", 409)
    assert "cannot do what it asks" in refused("Film", 409)
    assert "DocumentRootName" in refused("Broken", 409)
    assert "Format must stay" in refused("Closed", 403, settings={"Format": "jfif"})
    assert "e-mail" in refused("Closed", 403, emails=["a@b.c"])
    assert "file name" in refused("Closed", 403, file_name="x")
    assert "Rotation" in refused("Closed", 422, settings={"Rotation": 45})
    assert "'settings'" in refused("Closed", 422, settings={"Format": []})
    assert "'emails'" in refused("Closed", 422, emails=[1])
    assert "'shares'" in refused("Closed", 422, shares=["x"] * 101)
    assert joe("POST", "processes/none/start").status == 404
    assert (joe("GET", "deliveries").json, site.spooled, site.server.calls) == ([], [], [])


def test_a_process_is_shown_with_all_that_may_be_changed(site: Site, make_operator: MakeOperator):
    site.add(
        "Invoices",
        email("a@b.c", can_add=True),
        share(r"\\h\s"),
        parameters='<w:Format w:MustHonor="1">png</w:Format><w:Rotation>90</w:Rotation>',
        switches=switch("FileName"),
    )
    joe = make_operator()
    found = joe("GET", f"processes/{joe.process('Invoices')}").json
    assert found == {
        "id": joe.process("Invoices"),
        "name": "Invoices",
        "server": "127.0.0.1",
        "targets": ["e-mail to a@b.c", r"\\h\s"],
        "settings": [
            {"path": "Format", "value": "png", "locked": True},
            {"path": "Rotation", "value": 90, "locked": False},
        ],
        "otherwise": [],
        "file_name": "invoice",
        "may_change_file_name": True,
        "emails": ["a@b.c"],
        "may_add_emails": True,
        "shares": [r"\\h\s"],
        "may_change_shares": False,
    }


def test_an_untrusted_server_is_named_and_the_pages_are_kept(
    site: Site, make_operator: MakeOperator
):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=1, server_ca=None)
    number = joe.start("Invoices").json["id"]
    assert "is not trusted" in joe.ended(number)["summary"]
    assert site.server.calls == []


def test_insecure_is_told_at_the_panel(site: Site, make_operator: MakeOperator):
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=1, server_ca=None, insecure=True)
    assert joe("GET", "session").json["insecure"] is True
    assert joe.ended(joe.start("Invoices").json["id"])["standing"] == "delivered"

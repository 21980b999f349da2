"""Every row of the table of faults, and what no request may do."""

from __future__ import annotations

import errno
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import pytest
from clients.dsp_client import (
    DSC,
    DSP,
    FSH,
    PSP,
    SOAP,
    WSA,
    DspClient,
    Reply,
    envelope,
    file_share,
    instructions,
)
from clients.dsp_client import OWN_STORE as STORE
from eventing.subscriber import Answer, Sink

from scan_server import storage
from scan_server.identity import Administration

from .conftest import Running, Start

NOBODY = "00000000-0000-4000-8000-000000000000"
STALE = "http://schemas.microsoft.com/windows/2008/02/wdp/repository/processing"
PAGE = b"a page" * 100
UNEXPECTED = "The service had an unexpected error."


@pytest.fixture
def server(start: Start) -> Running:
    return start(administration=Administration.NOBODY)


@pytest.fixture
def client(server: Running) -> DspClient:
    return server.client


class Row(NamedTuple):
    """A row of section 5. `reason` is empty where the sources have no text."""

    code: str
    subcode: str
    reason: str
    detail: str


ROWS = {
    "action": Row(
        "Sender",
        "wsa:ActionNotSupported",
        "The [wsa:Action] cannot be processed at the receiver.",
        f"{{{WSA}}}Action",
    ),
    "argument": Row(
        "Sender",
        "dsp:InvalidArgs",
        "At least one input argument is invalid.",
        f"{{{DSP}}}UserIdentifier",
    ),
    "operation": Row(
        "Receiver",
        "dsp:OperationFailed",
        "The service cannot perform the requested operation.",
        "",
    ),
    "temporary": Row("Receiver", "dsp:ServerErrorTemporaryError", UNEXPECTED, ""),
    "internal": Row("Receiver", "dsp:ServerErrorInternalError", UNEXPECTED, ""),
    "token": Row(
        "Sender", "dsp:ClientErrorJobTokenNotFound", "No job for that token.", f"{{{DSP}}}JobToken"
    ),
    "canceled": Row("Receiver", "dsp:ServerErrorPostScanJobCanceled", "Job was cancelled.", ""),
    "administrator": Row(
        "Sender",
        "dsc:ClientErrorCurrentUserNotScanAdmin",
        "Caller may not administer.",
        "",
    ),
}


def provoke(which: str, server: Running, patch: pytest.MonkeyPatch) -> Reply:
    """Do what leads to a fault."""
    client = server.client

    def disk(number: int) -> Callable[[int, object], int]:
        def write(file: int, data: object) -> int:
            raise OSError(number, "told")

        return write

    match which:
        case "action":
            return client.call("HoldPostScanJob", "")
        case "argument":
            return client.create(user="joe")
        case "operation":
            token = client.new_job()
            client.end(token)
            return client.end(token)
        case "temporary":
            token = client.new_job()
            patch.setattr(storage.os, "write", disk(errno.ENOSPC))
            return client.send_image(token, 1, PAGE)
        case "internal":
            token = client.new_job()
            patch.setattr(storage.os, "write", disk(errno.EIO))
            return client.send_image(token, 1, PAGE)
        case "token":
            return client.status(NOBODY)
        case "canceled":
            token = client.new_job()
            client.cancel(token)
            return client.end(token)
        case "administrator":
            return server.console.active()
    raise AssertionError(which)


@pytest.mark.conformance(
    "SW-05", "SF-01", "SF-02", "SF-03", "SF-04", "SF-05", "SF-06", "SF-07", "SF-08", "SF-10"
)
@pytest.mark.parametrize("which", ROWS)
def test_each_fault_is_as_the_table_has_it(
    server: Running, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply, row = provoke(which, server, monkeypatch), ROWS[which]
    assert reply.name == "Fault"
    (text,) = reply.body.iter(f"{{{SOAP}}}Text")
    codes = [node.text for node in reply.body.iter(f"{{{SOAP}}}Value")]
    assert codes == [f"soap:{row.code}", row.subcode]
    assert text.attrib == {"{http://www.w3.org/XML/1998/namespace}lang": "en"}
    assert text.text == row.reason or not row.reason
    assert (reply.detail.tag if reply.detail is not None else "") == row.detail
    assert reply.status == (400 if row.code == "Sender" else 500)
    assert reply.headers["Action"] == f"{WSA}/fault"
    assert reply.headers["To"] == f"{WSA}/role/anonymous"
    namespaces = {"wsa": WSA, "dsp": DSP, "dsc": DSC}
    prefix = row.subcode.partition(":")[0]
    assert f'xmlns:{prefix}="{namespaces[prefix]}"'.encode() in reply.raw


@pytest.mark.conformance("SO-02", "SF-11")
@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("", "UserIdentifier"),
        ("<x:UserIdentifier>S-1-5-1</x:UserIdentifier>" * 2, "UserIdentifier"),
        ("<x:UserIdentifier>S-1-5-1</x:UserIdentifier><x:Colour/>", "Colour"),
        ("<x:UserIdentifier>five</x:UserIdentifier>", "UserIdentifier"),
    ],
)
def test_too_few_too_many_unknown_and_of_the_wrong_type(
    client: DspClient, told: str, named: str
) -> None:
    reply = client.call("CreatePostScanJob", told)
    assert (reply.subcode, reply.detail.tag) == ("InvalidArgs", f"{{{DSP}}}{named}")


@pytest.mark.conformance("SF-02", "SF-10")
@pytest.mark.parametrize(
    ("told", "named"),
    [
        (instructions(STORE, root=""), f"{{{PSP}}}DocumentRootName"),
        (instructions(), f"{{{PSP}}}FiltersToProcess"),
        (instructions((FSH, "")), f"{{{PSP}}}Instructions"),
        (instructions((FSH, file_share("no share"))), f"{{{FSH}}}ShareUNC"),
        (instructions((FSH, file_share())), f"{{{FSH}}}FileShares"),
        (instructions(STORE) + "<p:Colour/>", f"{{{PSP}}}Colour"),
        ("", f"{{{PSP}}}FiltersToProcess"),
        (instructions(("urn:nobody", "<n xmlns='urn:nobody'/>")), f"{{{DSP}}}PostScanInstructions"),
    ],
)
def test_an_argument_is_told_of_under_its_own_name(
    client: DspClient, told: str, named: str
) -> None:
    """Detail holds a copy of the argument, and those of a scan process are not dsp's."""
    reply = client.call(
        "CreatePostScanJob",
        "<x:UserIdentifier>S-1-5-1</x:UserIdentifier><x:PSP_Identifier>P</x:PSP_Identifier>"
        f"<x:PostScanInstructions>{told}</x:PostScanInstructions>",
    )
    assert (reply.subcode, reply.detail.tag) == ("InvalidArgs", named)


@pytest.mark.conformance("SF-09")
def test_a_server_that_goes_down_says_so(start: Start) -> None:
    """Seen while it waits for a subscriber that does not take leave."""
    with closing(Sink()) as sink:
        server = start()
        client = server.client
        client.subscribe(sink.url, end_to=sink.url)
        sink.answer = Answer(hang=True)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        sink.wait_for("SubscriptionEnd")
        reply = client.status(NOBODY)
        sink.released.set()
        stopping.join()
    assert (reply.code, reply.subcode) == ("Receiver", "EndpointUnavailable")


class TestLiberalReading:
    """What peers may write (section 3.1)."""

    CREATE = (
        "<x:UserIdentifier>\n S-1-5-21-1-2-3-1000 \n</x:UserIdentifier>"
        "<x:PSP_Identifier>\n C4F199C7-6876-4549-A86E-A85035952448\n</x:PSP_Identifier>"
        f"<x:PostScanInstructions>{instructions(STORE, root='Two  words')}"
        "</x:PostScanInstructions>"
    )

    @pytest.mark.conformance("SW-06")
    def test_white_space_around_values_and_inside_names(self, client: DspClient) -> None:
        token = client.call("CreatePostScanJob", self.CREATE).text("JobToken")
        told = client.elements(f"\n {token} \n", "\n x:JobDescription \n")
        assert told.text("PSP_Identifier") == "C4F199C7-6876-4549-A86E-A85035952448"
        assert told.text("PSP_DisplayName") == "Two  words"

    @pytest.mark.conformance("SW-07")
    def test_foreign_elements_and_attributes(self, client: DspClient) -> None:
        more = '<v:extra xmlns:v="urn:v" v:a="1"><v:b/></v:extra>'
        assert client.call("CreatePostScanJob", self.CREATE + more).text("JobToken")

    @pytest.mark.conformance("SW-08")
    def test_the_stale_namespace_and_other_prefixes(self, client: DspClient) -> None:
        body = f"<x:CreatePostScanJobRequest>{self.CREATE}</x:CreatePostScanJobRequest>"
        message = envelope(f"{STALE}/CreatePostScanJob", body, client.service)
        stale = message.replace(f'xmlns:x="{DSP}"'.encode(), f'xmlns:x="{STALE}"'.encode())
        reply = DspClient(client.url).post(client.service, stale)
        assert reply.body.tag == f"{{{DSP}}}CreatePostScanJobResponse"

    @pytest.mark.conformance("SW-07")
    def test_a_mistake_in_a_vendor_s_header_is_not_ours(self, client: DspClient) -> None:
        header = '<v:Session xmlns:v="urn:v">1</v:Session>'
        body = f"<x:CreatePostScanJobRequest>{self.CREATE}</x:CreatePostScanJobRequest>"
        message = envelope(f"{DSP}/CreatePostScanJob", body, client.service, headers=header)
        assert client.post(client.service, message).text("JobToken")


@pytest.mark.conformance("SH-03")
@pytest.mark.parametrize(
    "evil",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        "<?xml-stylesheet href='x'?>",
    ],
)
def test_no_document_types_and_instructions(client: DspClient, evil: str) -> None:
    message = envelope(f"{DSP}/EndPostScanJob", "<x:EndPostScanJobRequest/>", client.service)
    reply = DspClient(client.url).post(client.service, evil.encode() + message)
    assert (reply.subcode, reply.code) == ("InvalidArgs", "Sender")
    assert ET.tostring(reply.body).find(b"root:") < 0

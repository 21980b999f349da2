"""The five operations: exact in writing, liberal in reading, and the same after the way there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from device.dsp import elements, filters, finding, messages, process, refusals
from device.dsp.messages import CreatePostScanJobRequest, SendImageRequest
from device.dsp.process import Filter, PostScanInstructions
from device.dsp.refusals import Kind
from device.dsp.words import DocumentDescription, FilterStatus, JobDescription, JobStatus
from device.errors import InvalidArgs
from device.soap import envelope
from device.soap import namespaces as ns
from device.soap.write import declarations
from device.soap.xml import Element

PREFIXES = ("dsp", "psp", "xop", "wsd", "wsdp", "mex")


def travel(body: str) -> Element:
    """The body's element as the other end sees it."""
    data = b"".join(envelope.pieces("urn:a", body, message_id="urn:uuid:1", prefixes=PREFIXES))
    found = envelope.read(data).body
    assert found is not None
    return found


def parsed(text: str) -> Element:
    """`text` with the prefixes declared, for reading what peers write."""
    inside = f"<r{declarations(('soap', 'wsa', *PREFIXES))}>{text}</r>"
    return etree.fromstring(inside)[0]


text = (
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff:"),
        min_size=1,
        max_size=60,
    )
    .map(str.strip)
    .filter(bool)
)
token = st.uuids().map(str)
document = st.builds(
    DocumentDescription, st.integers(1, 2**31 - 1), st.sampled_from(["png", "x:y", "image/heic"])
)
moment = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)
).map(lambda found: found.replace(microsecond=0))
instructions = st.builds(
    PostScanInstructions,
    text,
    st.lists(
        st.one_of(
            st.lists(text.map(lambda t: "\\\\h\\" + t), min_size=1, max_size=3).map(
                lambda uncs: Filter(filters.FILE_SHARE, filters.write_file_share(uncs))
            ),
            st.just(Filter("urn:vendor", '<v:a xmlns:q="urn:q" xmlns:v="urn:vendor">q:b</v:a>')),
            st.just(Filter("urn:vendor", "")),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.sampled_from([None, True, False]),
)
status = st.builds(
    JobStatus,
    token,
    st.sampled_from(["Creating", "Pending-Held", "acme:Resting"]),
    st.lists(st.sampled_from(["None", "acme:Why"]), max_size=2).map(tuple),
    st.lists(
        st.builds(
            FilterStatus,
            st.just(filters.EMAIL),
            st.sampled_from(["Pending", "CompletedWithErrors"]),
            st.lists(st.just("UnableToSendEmail"), max_size=1).map(tuple),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.integers(0, 10_000),
    st.one_of(st.none(), moment),
    st.one_of(st.none(), moment),
)


@given(wanted=instructions)
def test_a_create_request_survives_the_journey(wanted: PostScanInstructions) -> None:
    request = CreatePostScanJobRequest("S-1-5-21-1-2-3-1000", process.NO_PROCESS, wanted)
    assert messages.read_create(travel(messages.write_create(request))) == request


@given(wanted=instructions)
def test_instructions_survive_the_spool(wanted: PostScanInstructions) -> None:
    assert process.read_alone(process.write_alone(wanted)) == wanted


@given(job=token, one=document)
def test_a_send_image_request_survives_the_journey(job: str, one: DocumentDescription) -> None:
    request = SendImageRequest(job, one, content_id="a@b")
    assert messages.read_send_image(travel(messages.write_send_image(request))) == request


@given(one=status)
def test_a_status_survives_the_journey(one: JobStatus) -> None:
    body = elements.write_elements([(elements.JOB_STATUS, elements.write_status(one))])
    assert elements.read_elements(travel(body)).status == one


@given(documents=st.lists(document, max_size=5), name=text)
def test_the_other_elements_survive_the_journey(
    documents: list[DocumentDescription], name: str
) -> None:
    told = JobDescription(process.NO_PROCESS, name, "user@domain.example")
    body = elements.write_elements(
        [
            (elements.JOB_DESCRIPTION, elements.write_description(told)),
            (elements.DOCUMENTS, elements.write_documents(documents)),
        ]
    )
    found = elements.read_elements(travel(body))
    assert (found.description, found.documents) == (told, tuple(documents))


@given(job=token)
def test_tokens_survive_the_journey(job: str) -> None:
    assert messages.read_token(travel(messages.write_created(job))) == job
    assert messages.read_lone_token(travel(messages.write_end(job))) == job
    assert messages.read_lone_token(travel(messages.write_cancel(job))) == job
    asked = messages.read_get_elements(travel(messages.write_get_elements(job, ["JobStatus"])))
    assert asked == messages.GetPostScanJobElementsRequest(job, (elements.JOB_STATUS,))


class TestGolden:
    """What is written, character by character: order, prefixes and spelling."""

    def test_create(self) -> None:
        told = PostScanInstructions(
            "scan", (Filter(filters.FILE_SHARE, filters.write_file_share([r"\\h\s"])),), True
        )
        assert messages.write_create(
            CreatePostScanJobRequest("S-1-0-0", process.NO_PROCESS, told)
        ) == (
            "<dsp:CreatePostScanJobRequest><dsp:UserIdentifier>S-1-0-0</dsp:UserIdentifier>"
            "<dsp:PSP_Identifier>00000000-0000-0000-0000-000000000000</dsp:PSP_Identifier>"
            "<dsp:PostScanInstructions><psp:ContinueOnError>true</psp:ContinueOnError>"
            "<psp:DocumentRootName>scan</psp:DocumentRootName><psp:FiltersToProcess><psp:Filter>"
            f"<psp:Dialect>{ns.FSH}</psp:Dialect><psp:Instructions>"
            f'<fsh:FileShareConfig xmlns:fsh="{ns.FSH}"><fsh:FileShares>'
            r"<fsh:ShareUNC>\\h\s</fsh:ShareUNC></fsh:FileShares></fsh:FileShareConfig>"
            "</psp:Instructions></psp:Filter></psp:FiltersToProcess></dsp:PostScanInstructions>"
            "</dsp:CreatePostScanJobRequest>"
        )

    def test_send_image(self) -> None:
        request = SendImageRequest("T", DocumentDescription(7, "jfif"), content_id="x@y")
        assert messages.write_send_image(request) == (
            "<dsp:SendImageRequest><dsp:JobToken>T</dsp:JobToken><dsp:DocumentDescription>"
            "<dsp:DocumentId>7</dsp:DocumentId><dsp:Format>jfif</dsp:Format>"
            '</dsp:DocumentDescription><dsp:ImageData><xop:Include href="cid:x@y"/>'
            "</dsp:ImageData></dsp:SendImageRequest>"
        )

    def test_status(self) -> None:
        one = JobStatus(
            "T",
            "Completed",
            ("PostScanJobCompletedWithErrors",),
            (FilterStatus("urn:d", "CompletedWithErrors", ("InvalidArgs",)),),
            3,
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        assert elements.write_elements(
            [(elements.JOB_STATUS, elements.write_status(one)), (("urn:v", "Odd"), None)]
        ) == (
            "<dsp:GetPostScanJobElementsResponse><dsp:JobElements>"
            '<dsp:ElementData dsp:Name="dsp:JobStatus" dsp:Valid="true"><dsp:JobStatus>'
            "<dsp:JobToken>T</dsp:JobToken><dsp:JobState>Completed</dsp:JobState>"
            "<dsp:JobStateReasons><dsp:JobStateReason>PostScanJobCompletedWithErrors"
            "</dsp:JobStateReason></dsp:JobStateReasons><dsp:FilterStatuses><dsp:FilterStatus>"
            "<dsp:Dialect>urn:d</dsp:Dialect><dsp:FilterState>CompletedWithErrors"
            "</dsp:FilterState><dsp:FilterStateReasons><dsp:FilterStateReason>InvalidArgs"
            "</dsp:FilterStateReason></dsp:FilterStateReasons></dsp:FilterStatus>"
            "</dsp:FilterStatuses><dsp:ImagesReceived>3</dsp:ImagesReceived>"
            "<dsp:JobCreatedTime>2026-01-02T03:04:05Z</dsp:JobCreatedTime></dsp:JobStatus>"
            '</dsp:ElementData><dsp:ElementData xmlns:asked="urn:v" dsp:Name="asked:Odd" '
            'dsp:Valid="false"/></dsp:JobElements></dsp:GetPostScanJobElementsResponse>'
        )

    def test_empty_responses(self) -> None:
        assert messages.write_empty(messages.END) == "<dsp:EndPostScanJobResponse/>"


class TestLiberalReading:
    def test_white_space_comments_and_foreign_elements(self) -> None:
        body = parsed(
            "<dsp:EndPostScanJobRequest><v:x xmlns:v='urn:v'/><dsp:JobToken>\n A-B \n"
            "</dsp:JobToken></dsp:EndPostScanJobRequest>"
        )
        assert messages.read_lone_token(body) == "A-B"

    def test_inline_base64(self) -> None:
        body = parsed(
            "<dsp:SendImageRequest><dsp:JobToken>T</dsp:JobToken><dsp:DocumentDescription>"
            "<dsp:DocumentId>1</dsp:DocumentId><dsp:Format>png</dsp:Format>"
            "</dsp:DocumentDescription><dsp:ImageData>\n iVBO\nRw== </dsp:ImageData>"
            "</dsp:SendImageRequest>"
        )
        assert messages.read_send_image(body).data == b"\x89PNG"

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("<dsp:Name>dsp:JobStatus</dsp:Name>", (ns.DSP, "JobStatus")),
            ("<dsp:Name>JobStatus</dsp:Name>", (ns.DSP, "JobStatus")),
            (f"<dsp:Name xmlns='{ns.DSP}'>JobStatus</dsp:Name>", (ns.DSP, "JobStatus")),
            ("<dsp:Name xmlns:v='urn:v'>v:JobStatus</dsp:Name>", ("urn:v", "JobStatus")),
            ("<dsp:Name>nobody:JobStatus</dsp:Name>", ("", "JobStatus")),
        ],
    )
    def test_names(self, written: str, meant: tuple[str, str]) -> None:
        body = parsed(
            "<dsp:GetPostScanJobElementsRequest><dsp:JobToken>T</dsp:JobToken>"
            f"<dsp:RequestedElements>{written}</dsp:RequestedElements>"
            "</dsp:GetPostScanJobElementsRequest>"
        )
        assert messages.read_get_elements(body).names == (meant,)

    @pytest.mark.conformance("DK-01")
    def test_misspelt_reasons(self) -> None:
        body = parsed(
            "<dsp:JobStatus><dsp:JobToken>T</dsp:JobToken><dsp:JobState>Aborted</dsp:JobState>"
            "<dsp:JobStateReasons><dsp:JobStateReason>SendImangeFailed</dsp:JobStateReason>"
            "</dsp:JobStateReasons></dsp:JobStatus>"
        )
        assert elements.read_status(body).reasons == ("SendImageFailed",)


INCLUDE = '<xop:Include href="cid:a"/>'


@pytest.mark.parametrize(
    ("inside", "named"),
    [
        ("<dsp:DocumentDescription/>", "JobToken"),
        ("<dsp:JobToken>T</dsp:JobToken><dsp:JobToken>U</dsp:JobToken>", "JobToken"),
        ("<dsp:JobToken/>", "JobToken"),
        (f"<dsp:JobToken>{'x' * 256}</dsp:JobToken>", "JobToken"),
        ("<dsp:JobToken>T</dsp:JobToken><dsp:Other/>", "Other"),
        ("{head}<dsp:ImageData/>", "ImageData"),
        ("{head}<dsp:ImageData>no base64!</dsp:ImageData>", "ImageData"),
        (f"{{head}}<dsp:ImageData>{INCLUDE}{INCLUDE}</dsp:ImageData>", "ImageData"),
        (f"{{head}}<dsp:ImageData>{INCLUDE}QUJD</dsp:ImageData>", "ImageData"),
        ('{head}<dsp:ImageData><xop:Include href="http://h/x"/></dsp:ImageData>', "ImageData"),
    ],
)
def test_a_bad_send_image_names_the_argument(inside: str, named: str) -> None:
    head = (
        "<dsp:JobToken>T</dsp:JobToken><dsp:DocumentDescription><dsp:DocumentId>1"
        "</dsp:DocumentId><dsp:Format>png</dsp:Format></dsp:DocumentDescription>"
    )
    body = parsed(f"<dsp:SendImageRequest>{inside.format(head=head)}</dsp:SendImageRequest>")
    with pytest.raises(InvalidArgs) as caught:
        messages.read_send_image(body)
    assert caught.value.argument == named


@pytest.mark.parametrize("number", ["0", "-1", "x", "2147483648", "1.5", ""])
def test_a_document_id_counts_from_1(number: str) -> None:
    body = parsed(
        f"<dsp:DocumentDescription><dsp:DocumentId>{number}</dsp:DocumentId>"
        "<dsp:Format>png</dsp:Format></dsp:DocumentDescription>"
    )
    with pytest.raises(InvalidArgs):
        messages.read_document(body)


@pytest.mark.parametrize(
    ("sid", "right"),
    [
        ("S-1-5-21-1004336348-1177238915-682003330-512", True),
        ("S-1-0-0", True),
        ("s-1-1-0", True),
        ("S-1", False),
        ("joe", False),
        ("S-1-5-21-" + "9" * 11, False),
    ],
)
def test_sids(sid: str, right: bool) -> None:
    assert messages.is_sid(sid) is right


class TestFinding:
    def metadata(self, types: str, address: str = "https://h:5362/ScanServer/1") -> Element:
        return parsed(
            "<mex:Metadata><mex:MetadataSection><wsdp:Relationship><wsdp:Hosted>"
            f"<wsa:EndpointReference><wsa:Address>{address}</wsa:Address>"
            f"</wsa:EndpointReference><wsdp:Types>{types}</wsdp:Types></wsdp:Hosted>"
            "</wsdp:Relationship></mex:MetadataSection></mex:Metadata>"
        )

    @pytest.mark.conformance("DF-01")
    def test_any_type_of_the_namespace_will_do(self) -> None:
        found = finding.read_metadata(self.metadata("wsdp:Device dsp:Odd"), "https://h/")
        assert found == "https://h:5362/ScanServer/1"

    @pytest.mark.parametrize("types", ["wsdp:Device", "dsd:ScannerServiceType", "dsp", ""])
    def test_no_processing_service(self, types: str) -> None:
        with pytest.raises(InvalidArgs):
            finding.read_metadata(self.metadata(types), "https://h/")

    def test_https_never_leads_to_http(self) -> None:
        assert finding.choose_address("https://h/", ["http://h/"]) == ""
        assert finding.choose_address("https://h/", ["https://[::1/", "https:///x"]) == ""

    @pytest.mark.conformance("DF-01")
    def test_the_host_that_was_asked_comes_first(self) -> None:
        offered = ["http://h/", "https://other/", "https://h:1/x"]
        assert finding.choose_address("https://h/", offered) == "https://h:1/x"
        assert finding.choose_address("https://third/", offered) == "https://other/"

    def test_probe_matches(self) -> None:
        body = parsed(
            "<wsd:ProbeMatches><wsd:ProbeMatch><wsd:XAddrs>\n https://a/ \n https://b/"
            "</wsd:XAddrs></wsd:ProbeMatch><wsd:ProbeMatch/></wsd:ProbeMatches>"
        )
        assert finding.read_probe_matches(body) == ("https://a/", "https://b/")


@pytest.mark.conformance("DX-01")
@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [
        ("Sender", "dsp:InvalidArgs", Kind.ARGUMENT),
        ("Receiver", "dsp:OperationFailed", Kind.OPERATION),
        ("Receiver", "dsp:ServerErrorTemporaryError", Kind.TEMPORARY),
        ("Receiver", "unbound:ServerErrorInternalError", Kind.OPERATION),
        ("Sender", "dsp:ClientErrorJobTokenNotFound", Kind.TOKEN_NOT_FOUND),
        ("Receiver", "wsa:EndpointUnavailable", Kind.UNAVAILABLE),
        ("Receiver", "dsp:ServerErrorPostScanJobCanceled", Kind.JOB_CANCELED),
        ("Sender", "dsp:Unheard", Kind.ARGUMENT),
        ("Receiver", "dsp:Unheard", Kind.OPERATION),
    ],
)
def test_faults_are_read_by_their_most_specific_name(code: str, subcode: str, kind: Kind) -> None:
    body = parsed(
        f"<soap:Fault><soap:Code><soap:Value>soap:{code}</soap:Value><soap:Subcode>"
        f"<soap:Value>{subcode}</soap:Value></soap:Subcode></soap:Code><soap:Reason>"
        "<soap:Text>Words.</soap:Text></soap:Reason><soap:Detail>bare text</soap:Detail>"
        "</soap:Fault>"
    )
    refusal = refusals.read_refusal(body)
    assert refusal is not None
    assert (refusal.kind, refusal.detail) == (kind, "bare text")
    assert "Words" in str(refusal)


def test_an_answer_is_no_fault() -> None:
    assert refusals.read_refusal(parsed("<dsp:SendImageResponse/>")) is None
